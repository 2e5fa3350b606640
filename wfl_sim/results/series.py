"""A metric over a run, and what it took to reach a target."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Series:
    """The evaluations of one metric in ascending time: arrays over n of them."""

    time: NDArray[np.float64]
    """(n,) s"""
    round: NDArray[np.int64]
    """(n,) the round that was completed last, counted from 0; -1 before the first"""
    value: NDArray[np.float64]
    """(n,) in the unit of the metric"""
    bits: NDArray[np.int64]
    """(n,) bit sent up and down until then"""
    joules: NDArray[np.float64]
    """(n,) J spent until then"""

    @property
    def rounds(self) -> NDArray[np.int64]:
        """(n,) how many rounds were completed until then."""
        return self.round + 1


@dataclass(frozen=True)
class Crossing:
    """The first evaluation that reached a target, and what was spent until then."""

    time: float
    """s"""
    round: int
    """the round completed last"""
    bits: int
    """bit, up and down"""
    joules: float
    """J"""

    @property
    def rounds(self) -> int:
        """How many rounds were completed until then."""
        return self.round + 1


def crossing(series: Series, target: float, *, falling: bool = False) -> Crossing | None:
    """Return the first evaluation at or above the target, None if there is none.

    Nothing is interpolated: between two evaluations nobody knows the value, so the later one
    counts. A run that falls below the target again has still reached it.

    Args:
        series: the evaluations.
        target: in the unit of the metric.
        falling: the metric gets better downwards, as a loss; then at or below the target.
    """
    reached = series.value <= target if falling else series.value >= target
    if not reached.any():
        return None
    first = int(np.argmax(reached))
    return Crossing(
        time=float(series.time[first]),
        round=int(series.round[first]),
        bits=int(series.bits[first]),
        joules=float(series.joules[first]),
    )
