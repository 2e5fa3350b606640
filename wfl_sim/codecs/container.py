"""A safetensors file in memory, whose length is known before there are any values.

The format: 8 bytes of header length (little endian), a compact JSON header padded with spaces to a
multiple of 8 bytes, then the arrays without gaps. See
https://github.com/huggingface/safetensors#format.
"""

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from wfl_sim.state import State, shapes_of

Shapes = Mapping[str, tuple[int, ...]]
Arrays = Mapping[str, NDArray[Any]]
Element = tuple[str, tuple[int, ...]]
"""The element type, as the format names it, and the shape."""
Layout = Mapping[str, Element]

_TYPES: Final[dict[str, np.dtype[Any]]] = {
    "U8": np.dtype("u1"),
    "I8": np.dtype("i1"),
    "U16": np.dtype("<u2"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
    "U32": np.dtype("<u4"),
    "F32": np.dtype("<f4"),
}


def length(layout: Layout, note: str = "") -> int:
    """Return the length in bytes of a container, from its layout alone."""
    header, size = _header(tuple(layout.items()), note)
    return len(header) + size


def packed(layout: Layout, arrays: Arrays, note: str = "") -> bytes:
    """Return the container.

    Args:
        layout: in the order of the bytes.
        arrays: of the element type that the layout says; bfloat16 as its 16 bits.
        note: a text that the header carries.
    """
    header, _ = _header(tuple(layout.items()), note)
    parts = [np.ascontiguousarray(arrays[n], _TYPES[layout[n][0]]) for n in layout]
    return b"".join([header, *(part.data for part in parts)])


def unpacked(payload: bytes) -> tuple[dict[str, NDArray[np.generic]], str]:
    """Return arrays and note of a container; the arrays are read-only views of the payload."""
    start = 8 + int.from_bytes(payload[:8], "little")
    entries, note = _parsed(payload[8:start])
    arrays = {
        name: np.frombuffer(payload, dtype, count, start + offset).reshape(shape)
        for name, dtype, count, offset, shape in entries
    }
    return arrays, note


def shapes_note(shapes: Shapes) -> str:
    """Return names and shapes as a text."""
    return json.dumps({name: list(shapes[name]) for name in sorted(shapes)}, separators=(",", ":"))


def noted_shapes(note: str) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of a text."""
    return {name: tuple(shape) for name, shape in json.loads(note).items()}


def sizes(shapes: Shapes) -> list[int]:
    """Return the number of values of each array, in the order of their names."""
    return [int(np.prod(shapes[name], dtype=np.int64)) for name in sorted(shapes)]


def flattened(state: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float32]:
    """Return all values of a state one after the other, in the order of their names."""
    flat = [np.asarray(state[name], np.float32).ravel() for name in sorted(state)]
    return np.concatenate(flat) if flat else np.empty(0, np.float32)


def restored(flat: NDArray[np.float32], shapes: Shapes) -> dict[str, NDArray[np.float32]]:
    """Return the state whose values `flat` holds."""
    parts = np.split(flat, np.cumsum(sizes(shapes))[:-1]) if shapes else []
    names = sorted(shapes)
    return {n: part.reshape(shapes[n]) for n, part in zip(names, parts, strict=True)}


class FlatCodec(ABC):
    """Base of codecs that encode all values of a state as one vector.

    The values are in the order of their arrays' names; names and shapes are in the header.
    """

    def encode(self, state: State) -> bytes:
        """Return the payload."""
        shapes = shapes_of(state)
        arrays = self._arrays(flattened(state), shapes)
        return packed(self._layout(shapes), arrays, shapes_note(shapes))

    def decode(self, payload: bytes) -> State:
        """Return the state that the receiver gets, in float32."""
        arrays, note = unpacked(payload)
        shapes = noted_shapes(note)
        return restored(self._values(arrays, shapes), shapes)

    def bits(self, shapes: Shapes) -> int:
        """Return the exact payload size, in bit."""
        return 8 * length(self._layout(shapes), shapes_note(shapes))

    @abstractmethod
    def _layout(self, shapes: Shapes) -> Layout:
        """Return the arrays of the payload of a state with these shapes."""

    @abstractmethod
    def _arrays(self, flat: NDArray[np.float32], shapes: Shapes) -> Arrays:
        """Return what encodes the values `flat`."""

    @abstractmethod
    def _values(self, arrays: Arrays, shapes: Shapes) -> NDArray[np.float32]:
        """Return the values that the arrays of a payload stand for."""


# All devices of a run send states of one layout, so its header is written and read once.
@lru_cache(maxsize=64)
def _header(layout: tuple[tuple[str, Element], ...], note: str) -> tuple[bytes, int]:
    header: dict[str, object] = {"__metadata__": {"note": note}} if note else {}
    offset = 0
    for name, (dtype, shape) in layout:
        end = offset + _TYPES[dtype].itemsize * _count(shape)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text = text.ljust(-(-len(text) // 8) * 8)
    return len(text).to_bytes(8, "little") + text, offset


@lru_cache(maxsize=64)
def _parsed(
    header: bytes,
) -> tuple[tuple[tuple[str, np.dtype[Any], int, int, tuple[int, ...]], ...], str]:
    """Return (name, element type, count, offset, shape) of each array, and the note."""
    entries = json.loads(header)
    note: str = entries.pop("__metadata__", {}).get("note", "")
    return tuple(
        (
            name,
            _TYPES[entry["dtype"]],
            _count(entry["shape"]),
            entry["data_offsets"][0],
            tuple(entry["shape"]),
        )
        for name, entry in entries.items()
    ), note


def _count(shape: Sequence[int]) -> int:
    return math.prod(shape)
