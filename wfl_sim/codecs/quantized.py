"""Quantised payloads: small integers, and one scale for each block of values.

In a block of values x with the largest magnitude m, the scale is s = m / q for codes -q .. q; a
value becomes round(x / s) and comes back within s / 2 = m / (2 q) of itself, up to the rounding of
float32. Blocks do not reach beyond an array.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from channel_models.validation import PositiveInteger, Validated
from wfl_sim.codecs.codec import CODECS
from wfl_sim.codecs.dense import Arrays, Element, Layout, Shapes
from wfl_sim.codecs.flat import FlatCodec, sizes
from wfl_sim.config.errors import LocatedError


@dataclass(frozen=True, kw_only=True)
class _Quantized(FlatCodec, Validated):
    """Integer codes and a float32 scale for each block of values."""

    block: PositiveInteger = 64
    """Number of values that share a scale."""
    updates: bool = False
    """Whether the change since the download is encoded, in place of the state."""
    error_feedback: bool = False
    """Whether the codec's error is added to the next update."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.error_feedback and not self.updates:
            raise LocatedError(
                "needs `updates: true`: states have no rest to add", "error_feedback"
            )

    @property
    def relative(self) -> bool:
        """Whether updates are encoded."""
        return self.updates

    @property
    def feedback(self) -> bool:
        """Whether the device keeps what is lost."""
        return self.error_feedback

    def _scales(self, shapes: Shapes) -> Element:
        return "F32", (sum(-(-size // self.block) for size in sizes(shapes)),)


@CODECS("int8")
@dataclass(frozen=True, kw_only=True)
class Int8(_Quantized):
    """8-bit integers with a float32 scale a block: an error of at most m / 254 in a block."""

    def _layout(self, shapes: Shapes) -> Layout:
        return {"scales": self._scales(shapes), "codes": ("I8", (sum(sizes(shapes)),))}

    def _arrays(self, flat: NDArray[np.float32], shapes: Shapes) -> Arrays:
        codes, scales = _quantised(flat, shapes, self.block, 127)
        return {"codes": codes, "scales": scales}

    def _values(self, arrays: Arrays, shapes: Shapes) -> NDArray[np.float32]:
        codes = arrays["codes"].astype(np.float32)
        return np.asarray(codes * _spread(arrays["scales"], shapes, self.block))


@CODECS("int4")
@dataclass(frozen=True, kw_only=True)
class Int4(_Quantized):
    """4-bit integers, two a byte, with a float32 scale a block: an error of at most m / 14."""

    def _layout(self, shapes: Shapes) -> Layout:
        pairs = -(-sum(sizes(shapes)) // 2)
        return {"scales": self._scales(shapes), "codes": ("U8", (pairs,))}

    def _arrays(self, flat: NDArray[np.float32], shapes: Shapes) -> Arrays:
        codes, scales = _quantised(flat, shapes, self.block, 7)
        nibbles = np.append(codes, np.zeros(len(codes) % 2, codes.dtype)).astype(np.uint8) & 15
        return {"codes": nibbles[0::2] | nibbles[1::2] << 4, "scales": scales}

    def _values(self, arrays: Arrays, shapes: Shapes) -> NDArray[np.float32]:
        pairs = arrays["codes"].astype(np.int16)
        nibbles = np.stack([pairs & 15, pairs >> 4], axis=1).ravel()[: sum(sizes(shapes))]
        codes = (nibbles - 16 * (nibbles > 7)).astype(np.float32)
        return np.asarray(codes * _spread(arrays["scales"], shapes, self.block))


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
