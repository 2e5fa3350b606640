"""Payloads in memory: arrays one after the other, in the form of a safetensors file.

Their length is known before there are any values: 8 bytes of header length (little endian), a
compact JSON header padded with spaces to a multiple of 8 bytes, then the arrays without gaps. See
https://github.com/huggingface/safetensors#format.
"""

import json
import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

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
