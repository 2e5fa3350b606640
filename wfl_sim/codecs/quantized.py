"""Quantised payloads: small integers, and one scale for each block of values.

In a block of values x with the largest magnitude m, the scale is s = m / q for codes -q .. q; a
value becomes round(x / s) and comes back within s / 2 = m / (2 q) of itself, up to the rounding of
float32. Blocks do not reach beyond an array.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfl_sim.codecs.codec import CODECS
from wfl_sim.codecs.container import (
    Arrays,
    Layout,
    Shapes,
    flattened,
    length,
    noted_shapes,
    packed,
    restored,
    shapes_note,
    sizes,
    unpacked,
)
from wfl_sim.config.errors import LocatedError
from wfl_sim.state import State


@CODECS("int8")
@dataclass(frozen=True, kw_only=True)
class Int8:
    """8-bit integers with a float32 scale a block: an error of at most m / 254 in a block."""

    block: int = 64
    """values that share a scale"""
    updates: bool = False
    """encode what training has changed, not the state"""
    error_feedback: bool = False
    """add to each update what the codec lost of the one before"""

    def __post_init__(self) -> None:
        _check(self.block, self.updates, self.error_feedback)

    @property
    def relative(self) -> bool:
        """Whether updates are encoded."""
        return self.updates

    @property
    def feedback(self) -> bool:
        """Whether the device keeps what is lost."""
        return self.error_feedback

    def encode(self, state: State) -> bytes:
        """Return codes and scales."""
        shapes = {name: array.shape for name, array in state.items()}
        codes, scales = _quantised(flattened(state), shapes, self.block, 127)
        arrays: Arrays = {"codes": codes, "scales": scales}
        return packed(self._layout(shapes), arrays, shapes_note(shapes))

    def decode(self, payload: bytes) -> State:
        """Return the state that the codes stand for, in float32."""
        arrays, note = unpacked(payload)
        shapes = noted_shapes(note)
        codes = arrays["codes"].astype(np.float32)
        return restored(codes * _spread(arrays["scales"], shapes, self.block), shapes)

    def bits(self, shapes: Mapping[str, tuple[int, ...]]) -> int:
        """Return the exact payload size, in bit."""
        return 8 * length(self._layout(shapes), shapes_note(shapes))

    def _layout(self, shapes: Shapes) -> Layout:
        blocks = sum(-(-size // self.block) for size in sizes(shapes))
        return {"scales": ("F32", (blocks,)), "codes": ("I8", (sum(sizes(shapes)),))}


@CODECS("int4")
@dataclass(frozen=True, kw_only=True)
class Int4:
    """4-bit integers, two a byte, with a float32 scale a block: an error of at most m / 14."""

    block: int = 64
    """values that share a scale"""
    updates: bool = False
    """encode what training has changed, not the state"""
    error_feedback: bool = False
    """add to each update what the codec lost of the one before"""

    def __post_init__(self) -> None:
        _check(self.block, self.updates, self.error_feedback)

    @property
    def relative(self) -> bool:
        """Whether updates are encoded."""
        return self.updates

    @property
    def feedback(self) -> bool:
        """Whether the device keeps what is lost."""
        return self.error_feedback

    def encode(self, state: State) -> bytes:
        """Return codes, two a byte, and scales."""
        shapes = {name: array.shape for name, array in state.items()}
        codes, scales = _quantised(flattened(state), shapes, self.block, 7)
        nibbles = np.append(codes, np.zeros(len(codes) % 2, codes.dtype)).astype(np.uint8) & 15
        arrays = {"codes": nibbles[0::2] | nibbles[1::2] << 4, "scales": scales}
        return packed(self._layout(shapes), arrays, shapes_note(shapes))

    def decode(self, payload: bytes) -> State:
        """Return the state that the codes stand for, in float32."""
        arrays, note = unpacked(payload)
        shapes = noted_shapes(note)
        pairs = arrays["codes"].astype(np.int16)
        nibbles = np.stack([pairs & 15, pairs >> 4], axis=1).ravel()[: sum(sizes(shapes))]
        codes = (nibbles - 16 * (nibbles > 7)).astype(np.float32)
        return restored(codes * _spread(arrays["scales"], shapes, self.block), shapes)

    def bits(self, shapes: Mapping[str, tuple[int, ...]]) -> int:
        """Return the exact payload size, in bit."""
        return 8 * length(self._layout(shapes), shapes_note(shapes))

    def _layout(self, shapes: Shapes) -> Layout:
        blocks = sum(-(-size // self.block) for size in sizes(shapes))
        pairs = -(-sum(sizes(shapes)) // 2)
        return {"scales": ("F32", (blocks,)), "codes": ("U8", (pairs,))}


def _check(block: int, updates: bool, error_feedback: bool) -> None:
    if block < 1:
        raise LocatedError(f"must be at least 1, got {block}", "block")
    if error_feedback and not updates:
        raise LocatedError("needs `updates: true`: states have no rest to add", "error_feedback")


def _quantised(
    flat: NDArray[np.float32], shapes: Shapes, block: int, most: int
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return codes in -most .. most, and the scale of each block."""
    starts = np.fromiter(_starts(shapes, block), np.intp)
    largest = np.maximum.reduceat(np.abs(flat), starts) if len(starts) else np.empty(0, np.float32)
    scales = np.maximum(largest / np.float32(most), np.finfo(np.float32).tiny).astype(np.float32)
    ratio = flat / _spread(scales, shapes, block)
    return np.clip(np.rint(ratio), -most, most).astype(np.int8), scales


def _starts(shapes: Shapes, block: int) -> Iterator[int]:
    first = 0
    for size in sizes(shapes):
        yield from range(first, first + size, block)
        first += size


def _spread(scales: NDArray[np.generic], shapes: Shapes, block: int) -> NDArray[np.float32]:
    """Return the scale of each value."""
    total = sum(sizes(shapes))
    ends = np.append(np.fromiter(_starts(shapes, block), np.intp), total)
    lengths: NDArray[np.intp] = ends[1:] - ends[:-1]
    return np.repeat(np.asarray(scales, np.float32), lengths)
