"""Sparse payloads: a few values of an update, chosen by magnitude or uniformly at random.

They encode updates: what is not sent has not changed for the receiver. Both obey
|x - C(x)|^2 <= (1 - k / n) |x|^2 for k of n values, the random mask on average (Stich, Cordonnier,
Jaggi 2018, arXiv:1809.07599), which error feedback needs in order to converge.
"""

import hashlib
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from channel_models.units import PositiveFraction
from channel_models.validation import Validated
from wfl_sim.codecs.codec import CODECS
from wfl_sim.codecs.dense import Arrays, Layout, Shapes
from wfl_sim.codecs.flat import FlatCodec, sizes
from wfl_sim.config.errors import LocatedError


@dataclass(frozen=True, kw_only=True)
class _Sparse(FlatCodec, Validated):
    """Some of the values of an update, in float32."""

    share: PositiveFraction
    """Share of the values that are sent."""
    error_feedback: bool = False
    """Whether the values that were not sent are added to the next update."""

    relative: ClassVar[bool] = True

    @property
    def feedback(self) -> bool:
        """Whether the device keeps what is lost."""
        return self.error_feedback

    def _kept(self, total: int) -> int:
        # 0.07 times 100 is more than 7 in floating point.
        return min(max(math.ceil(round(self.share * total, 6)), 1), total)


@CODECS("top-k")
@dataclass(frozen=True, kw_only=True)
class TopK(_Sparse):
    """The values of largest magnitude over all arrays, in float32, each with its index.

    Indices take 16 or 32 bit, as the number of values needs. Of equal magnitudes the first are
    taken; NaN counts as infinite, so that it is not kept back for ever.
    """

    error_feedback: bool = True

    def _layout(self, shapes: Shapes) -> Layout:
        total = sum(sizes(shapes))
        kept = (self._kept(total),)
        return {"values": ("F32", kept), "indices": ("U16" if total <= 2**16 else "U32", kept)}

    def _arrays(self, flat: NDArray[np.float32], shapes: Shapes) -> Arrays:
        magnitudes = np.where(np.isnan(flat), np.inf, np.abs(flat))
        order = np.argsort(-magnitudes, kind="stable")
        indices = np.sort(order[: self._kept(len(flat))])
        return {"values": flat[indices], "indices": indices}

    def _values(self, arrays: Arrays, shapes: Shapes) -> NDArray[np.float32]:
        return _scattered(arrays["values"], arrays["indices"], shapes)


@CODECS("random-mask")
@dataclass(frozen=True, kw_only=True)
class RandomMask(_Sparse):
    """A random choice of the values, in float32, and the seed by which the receiver knows which.

    The seed is drawn from the content itself, so equal updates give equal payloads.
    """

    unbiased: bool = False
    """Whether values are divided by `share`: the mean over masks is then the update, with a
    variance of 1 / share - 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.unbiased and self.error_feedback:
            raise LocatedError("cannot be with `unbiased`: its rest would grow", "error_feedback")

    def _layout(self, shapes: Shapes) -> Layout:
        return {"values": ("F32", (self._kept(sum(sizes(shapes))),)), "seed": ("U32", (1,))}

    def _arrays(self, flat: NDArray[np.float32], shapes: Shapes) -> Arrays:
        seed = int.from_bytes(hashlib.sha256(flat.tobytes()).digest()[:4], "little")
        values = flat[self._chosen(seed, len(flat))]
        return {"values": values, "seed": np.array([seed], np.uint32)}

    def _values(self, arrays: Arrays, shapes: Shapes) -> NDArray[np.float32]:
        total = sum(sizes(shapes))
        values = arrays["values"].astype(np.float32)
        if self.unbiased:
            values = values * np.float32(total / max(len(values), 1))
        return _scattered(values, self._chosen(int(arrays["seed"].item()), total), shapes)

    def _chosen(self, seed: int, total: int) -> NDArray[np.intp]:
        rng = np.random.Generator(np.random.Philox(seed))
        return np.sort(rng.permutation(total)[: self._kept(total)])


def _scattered(
    values: NDArray[np.generic], indices: NDArray[np.generic], shapes: Shapes
) -> NDArray[np.float32]:
    flat = np.zeros(sum(sizes(shapes)), np.float32)
    flat[np.asarray(indices, np.intp)] = values
    return flat
