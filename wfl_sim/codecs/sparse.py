"""Sparse payloads: a few values of an update, chosen by size or by lot.

They encode updates: what is not sent has not changed for the receiver. Both obey
|x - C(x)|^2 <= (1 - k / n) |x|^2 for k of n values, the random mask on average (Stich, Cordonnier,
Jaggi 2018, arXiv:1809.07599), which error feedback needs in order to converge.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from channel_models.units import Fraction
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


@CODECS("top-k")
@dataclass(frozen=True, kw_only=True)
class TopK:
    """The values of largest magnitude over all arrays, in float32, each with its index.

    Indices take 16 or 32 bit, as the number of values needs.
    """

    share: Fraction
    """of the values that are sent"""
    error_feedback: bool = True
    """add to each update what was not sent of the one before"""

    def __post_init__(self) -> None:
        _check(self.share)

    @property
    def relative(self) -> bool:
        """Updates are encoded."""
        return True

    @property
    def feedback(self) -> bool:
        """Whether the device keeps what is lost."""
        return self.error_feedback

    def encode(self, state: State) -> bytes:
        """Return indices and values; of equal magnitudes the first are taken."""
        shapes = {name: array.shape for name, array in state.items()}
        flat = flattened(state)
        order = np.argsort(-np.abs(flat), kind="stable")
        indices = np.sort(order[: _kept(self.share, len(flat))])
        arrays: Arrays = {"values": flat[indices], "indices": indices}
        return packed(self._layout(shapes), arrays, shapes_note(shapes))

    def decode(self, payload: bytes) -> State:
        """Return the update, zero where nothing was sent."""
        arrays, note = unpacked(payload)
        shapes = noted_shapes(note)
        return restored(_scattered(arrays["values"], arrays["indices"], shapes), shapes)

    def bits(self, shapes: Mapping[str, tuple[int, ...]]) -> int:
        """Return the exact payload size, in bit."""
        return 8 * length(self._layout(shapes), shapes_note(shapes))

    def _layout(self, shapes: Shapes) -> Layout:
        total = sum(sizes(shapes))
        kept = (_kept(self.share, total),)
        return {"values": ("F32", kept), "indices": ("U16" if total <= 2**16 else "U32", kept)}


@CODECS("random-mask")
@dataclass(frozen=True, kw_only=True)
class RandomMask:
    """A random choice of the values, in float32, and the seed by which the receiver knows which.

    The seed is drawn from the content itself, so equal updates give equal payloads.
    """

    share: Fraction
    """of the values that are sent"""
    unbiased: bool = False
    """divide by `share`, so that the mean over masks is the update (variance 1 / share - 1)"""
    error_feedback: bool = False
    """add to each update what was not sent of the one before"""

    def __post_init__(self) -> None:
        _check(self.share)
        if self.unbiased and self.error_feedback:
            raise LocatedError("cannot be with `unbiased`: its rest would grow", "error_feedback")

    @property
    def relative(self) -> bool:
        """Updates are encoded."""
        return True

    @property
    def feedback(self) -> bool:
        """Whether the device keeps what is lost."""
        return self.error_feedback

    def encode(self, state: State) -> bytes:
        """Return seed and values."""
        shapes = {name: array.shape for name, array in state.items()}
        flat = flattened(state)
        seed = int.from_bytes(hashlib.sha256(flat.tobytes()).digest()[:4], "little")
        values = flat[_chosen(seed, self.share, len(flat))]
        arrays: Arrays = {"values": values, "seed": np.array([seed], np.uint32)}
        return packed(self._layout(shapes), arrays, shapes_note(shapes))

    def decode(self, payload: bytes) -> State:
        """Return the update, zero where nothing was sent."""
        arrays, note = unpacked(payload)
        shapes = noted_shapes(note)
        indices = _chosen(int(arrays["seed"].item()), self.share, sum(sizes(shapes)))
        values = arrays["values"].astype(np.float32)
        if self.unbiased:
            values = values * np.float32(sum(sizes(shapes)) / max(len(values), 1))
        return restored(_scattered(values, indices, shapes), shapes)

    def bits(self, shapes: Mapping[str, tuple[int, ...]]) -> int:
        """Return the exact payload size, in bit."""
        return 8 * length(self._layout(shapes), shapes_note(shapes))

    def _layout(self, shapes: Shapes) -> Layout:
        return {
            "values": ("F32", (_kept(self.share, sum(sizes(shapes))),)),
            "seed": ("U32", (1,)),
        }


def _check(share: float) -> None:
    if not share > 0:
        raise LocatedError(f"must be greater than 0, got {share:g}", "share")


def _kept(share: float, total: int) -> int:
    return min(math.ceil(share * total), total)


def _chosen(seed: int, share: float, total: int) -> NDArray[np.intp]:
    rng = np.random.Generator(np.random.Philox(seed))
    return np.sort(rng.permutation(total)[: _kept(share, total)])


def _scattered(
    values: NDArray[np.generic], indices: NDArray[np.generic], shapes: Shapes
) -> NDArray[np.float32]:
    flat = np.zeros(sum(sizes(shapes)), np.float32)
    flat[np.asarray(indices, np.intp)] = values
    return flat
