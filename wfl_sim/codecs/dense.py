"""Dense payloads: every value of a state as a floating-point number, in a safetensors file.

Payloads of all codecs are such files in memory, whose length is known before there are any values:
8 bytes of header length (little endian), a compact JSON header padded with spaces to a multiple of
8 bytes, then the arrays without gaps. See https://github.com/huggingface/safetensors#format.
"""

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from wfl_sim.codecs.codec import CODECS
from wfl_sim.state import State

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


class _Dense(ABC):
    """All values in one element type of the format; finite ones are saturated at its range."""

    additive: ClassVar[bool] = True
    _element: ClassVar[str]

    def encode(self, state: State) -> bytes:
        """Return the safetensors bytes of the state."""
        layout = self._layout({name: array.shape for name, array in state.items()})
        return packed(layout, {name: self._coded(array) for name, array in state.items()})

    def decode(self, payload: bytes) -> State:
        """Return the state in float32."""
        return {name: self._value(array) for name, array in unpacked(payload)[0].items()}

    def bits(self, shapes: Shapes) -> int:
        """Return the exact payload size, in bit."""
        return 8 * length(self._layout(shapes))

    def _layout(self, shapes: Shapes) -> Layout:
        return {name: (self._element, tuple(shapes[name])) for name in sorted(shapes)}

    @abstractmethod
    def _coded(self, array: NDArray[np.floating]) -> NDArray[Any]:
        """Return an array in the element type, or one that casts to it."""

    @abstractmethod
    def _value(self, array: NDArray[Any]) -> NDArray[np.float32]:
        """Return what an array in the element type stands for."""


@CODECS("fp32")
@dataclass(frozen=True, kw_only=True)
class Float32(_Dense):
    """IEEE single precision: lossless for the states of wfl_sim."""

    lossless: ClassVar[bool] = True
    _element: ClassVar[str] = "F32"

    def _coded(self, array: NDArray[np.floating]) -> NDArray[Any]:
        return array

    def _value(self, array: NDArray[Any]) -> NDArray[np.float32]:
        return array


@CODECS("fp16")
@dataclass(frozen=True, kw_only=True)
class Float16(_Dense):
    """IEEE half precision: relative rounding error at most 2^-11 in the normal range."""

    _element: ClassVar[str] = "F16"

    def _coded(self, array: NDArray[np.floating]) -> NDArray[Any]:
        largest = np.finfo(np.float16).max
        return np.where(np.isinf(array), array, np.clip(array, -largest, largest))

    def _value(self, array: NDArray[Any]) -> NDArray[np.float32]:
        return array.astype(np.float32)


@CODECS("bf16")
@dataclass(frozen=True, kw_only=True)
class BFloat16(_Dense):
    """The upper half of IEEE single precision: relative rounding error at most 2^-8."""

    _element: ClassVar[str] = "BF16"

    def _coded(self, array: NDArray[np.floating]) -> NDArray[Any]:
        """Return the bits of bfloat16, rounded to the nearest and to even between two."""
        bits = np.ascontiguousarray(array, np.float32).view(np.uint32).reshape(array.shape)
        rounded = (bits.astype(np.uint64) + 0x7FFF + ((bits >> 16) & 1)) >> 16
        beyond = (rounded & 0x7FFF) >= 0x7F80
        finite = np.where(beyond, (rounded & 0x8000) | 0x7F7F, rounded)
        # Of a NaN the upper half alone could be infinity.
        kept = (bits >> 16) | np.where(np.isnan(array), 0x40, 0)
        return np.where(np.isfinite(array), finite, kept).astype(np.uint16)

    def _value(self, array: NDArray[Any]) -> NDArray[np.float32]:
        return (array.astype(np.uint32) << 16).view(np.float32)


# All devices of a run send states of one layout, so its header is written and read once.
@lru_cache(maxsize=64)
def _header(layout: tuple[tuple[str, Element], ...], note: str) -> tuple[bytes, int]:
    header: dict[str, object] = {"__metadata__": {"note": note}} if note else {}
    offset = 0
    for name, (dtype, shape) in layout:
        end = offset + _TYPES[dtype].itemsize * math.prod(shape)
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
            math.prod(entry["shape"]),
            entry["data_offsets"][0],
            tuple(entry["shape"]),
        )
        for name, entry in entries.items()
    ), note
