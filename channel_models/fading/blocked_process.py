"""What fadings behind blockers share: knife edges, their law, and their process."""

from collections.abc import Callable
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from channel_models.elementary import arctan2, power_of_ten
from channel_models.fading.process import (
    ComplexArray,
    DelayedProcess,
    check_grid,
    grid_midpoints,
    select_links,
)
from channel_models.laws.power import EmpiricalPower, ExponentialPower
from channel_models.protocols import Fading, FadingProcess
from channel_models.validation import FloatArray


def knife_edge(detour: ArrayLike, side: ArrayLike) -> FloatArray:
    """``F = +-arctan(pi/2 sqrt(pi detour)) / pi`` of an edge (TR 38.901 section 7.6.4).

    Args:
        detour: of the path around the edge, in wavelengths.
        side: negative where the path passes beyond the edge, positive where the edge hides it.
    """
    root = np.sqrt(np.pi * np.asarray(detour, dtype=float))
    return np.asarray(np.sign(side) * arctan2(np.pi / 2.0 * root, 1.0) / np.pi)


def law_behind(
    fading: Fading, loss: FloatArray, share: float, blockers: int, others: FloatArray | None = None
) -> EmpiricalPower:
    """Law of the power behind independent blockers, from 200 quantiles of fading and loss each.

    The density of the total loss is a convolution, in steps of 0.1 dB.

    Args:
        fading: without blockers.
        loss: in dB of one blocker, where it has one, on a grid of equally likely cases.
        share: chance of these cases.
        blockers: their number.
        others: density of what else is lost, in the same steps.
    """
    one = np.bincount(np.rint(10.0 * loss).astype(int).ravel()) / loss.size * share
    one[0] += 1.0 - share
    density = np.ones(1) if others is None else others
    for _ in range(blockers):
        density = np.convolve(density, one)
    chance = (np.arange(200) + 0.5) / 200
    behind = np.searchsorted(np.cumsum(density), chance * density.sum()) / 10.0
    law: Any = getattr(fading, "law", None) or ExponentialPower()
    return EmpiricalPower(np.outer(law.quantile(chance), power_of_ten(-behind / 10.0)))


class BlockedProcess:
    """A fading process of `count` links times the power that passes their blockers.

    Args:
        law: that the links are drawn from.
        fading: without blockers.
        loss: function of times in s (n,) and links, to the loss in dB (links, n).
        count: of the links.
    """

    def __init__(
        self,
        law: Fading,
        fading: FadingProcess,
        loss: Callable[[FloatArray, NDArray[np.intp]], FloatArray],
        count: int,
    ) -> None:
        self._law = law
        self._fading: Any = fading
        self._loss = loss
        self._count = count
        self._age = 0.0

    def __repr__(self) -> str:
        return f"{self._law!r} of {self._count} links"

    def passing(self, time: ArrayLike, links: ArrayLike | None = None) -> FloatArray:
        """Share of the power that passes the blockers, (links, *time.shape)."""
        chosen = select_links(links, self._count)
        moments = np.asarray(time, dtype=float)
        loss = self._loss(moments.ravel() - self._age, chosen)
        return np.asarray(power_of_ten(-loss / 10.0)).reshape(chosen.size, *moments.shape)

    def taps(self, time: ArrayLike, links: ArrayLike | None = None) -> ComplexArray:
        """Complex taps, shape (links, *time.shape, taps)."""
        amplitude = np.sqrt(self.passing(time, links))
        return np.asarray(self._fading.taps(time, links) * amplitude[..., None])

    def response(
        self, time: ArrayLike, offsets: ArrayLike, links: ArrayLike | None = None
    ) -> ComplexArray:
        """Response at ``offsets`` (Hz from the carrier), shape (links, *time.shape, F)."""
        amplitude = np.sqrt(self.passing(time, links))
        return np.asarray(self._fading.response(time, offsets, links) * amplitude[..., None])

    def power(self, time: ArrayLike, offsets: ArrayLike, links: ArrayLike | None = None) -> Any:
        """``|response|^2``, shape (links, *time.shape, F)."""
        return self._fading.power(time, offsets, links) * self.passing(time, links)[..., None]

    def power_grid(
        self,
        first: int,
        count: int,
        step: float,
        offsets: ArrayLike,
        links: ArrayLike | None = None,
    ) -> FloatArray:
        """`power` at the midpoints ``(first + i + 0.5) step``, shape (links, count, F)."""
        first, count, step = check_grid(first, count, step)
        passing = self.passing(grid_midpoints(first, count, step), links)[..., None]
        faded = self._fading.power_grid(first, count, step, offsets, links)
        return np.asarray(faded * passing.astype(faded.dtype))

    def forget(self) -> None:
        """Free what the fading keeps for the next call, if it keeps anything."""
        getattr(self._fading, "forget", lambda: None)()

    def delayed(self, seconds: float) -> "BlockedProcess":
        """Return the same fading behind the same blockers, ``seconds`` earlier."""
        late = copy(self)
        own = getattr(self._fading, "delayed", None)
        late._fading = DelayedProcess(self._fading, seconds) if own is None else own(seconds)
        late._age = self._age + seconds
        return late
