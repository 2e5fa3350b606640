"""Container: a safetensors file in memory, of known length before there are any values.

The format: 8 bytes of header length (little endian), a compact JSON header padded with spaces to a
multiple of 8 bytes, then the arrays without gaps. See
https://github.com/huggingface/safetensors#format.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Shapes = Mapping[str, tuple[int, ...]]
Arrays = Mapping[str, NDArray[Any]]
Layout = Mapping[str, tuple[str, tuple[int, ...]]]
"""name to the format's name of the element type, and shape"""

_TYPES: Final[dict[str, np.dtype[Any]]] = {
    "U8": np.dtype("u1"),
    "I8": np.dtype("i1"),
    "U16": np.dtype("<u2"),
    "BF16": np.dtype("<u2"),
    "U32": np.dtype("<u4"),
    "F32": np.dtype("<f4"),
}


def length(layout: Layout, note: str = "") -> int:
    """Return the bytes of a container from its layout alone."""
    header, size = _header(layout, note)
    return len(header) + size


def packed(layout: Layout, arrays: Arrays, note: str = "") -> bytes:
    """Return the container.

    Args:
        layout: in the order of the bytes.
        arrays: of the element type that the layout says; bfloat16 as its 16 bits.
        note: a text that the header carries.
    """
    header, _ = _header(layout, note)
    parts = [np.ascontiguousarray(arrays[n], _TYPES[layout[n][0]]).tobytes() for n in layout]
    return b"".join([header, *parts])


def unpacked(payload: bytes) -> tuple[dict[str, NDArray[np.generic]], str]:
    """Return arrays and note of a container."""
    start = 8 + int.from_bytes(payload[:8], "little")
    header = json.loads(payload[8:start])
    note: str = header.pop("__metadata__", {}).get("note", "")
    arrays = {}
    for name, entry in header.items():
        first, last = (start + offset for offset in entry["data_offsets"])
        flat = np.frombuffer(payload[first:last], _TYPES[entry["dtype"]])
        arrays[name] = flat.reshape(entry["shape"])
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


def _header(layout: Layout, note: str) -> tuple[bytes, int]:
    header: dict[str, object] = {"__metadata__": {"note": note}} if note else {}
    offset = 0
    for name, (dtype, shape) in layout.items():
        end = offset + _TYPES[dtype].itemsize * _count(shape)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text = text.ljust(-(-len(text) // 8) * 8)
    return len(text).to_bytes(8, "little") + text, offset


def _count(shape: Sequence[int]) -> int:
    return int(np.prod(shape, dtype=np.int64))
