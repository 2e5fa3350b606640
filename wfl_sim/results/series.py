"""A metric over a run, and the costs of reaching a target."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from channel_models.validation import FloatArray


@dataclass(frozen=True)
class Series:
    """The n evaluations of one metric in ascending time."""

    time: FloatArray
    """Simulated time in s, (n,)."""
    round: NDArray[np.int64]
    """The round completed last, (n,), counted from 0; -1 before the first."""
    value: FloatArray
    """Values in the unit of the metric, (n,)."""
    bits: NDArray[np.int64]
    """Bits sent up and down until then, (n,)."""
    joules: FloatArray
    """Energy drawn until then in J, (n,)."""

    @property
    def rounds(self) -> NDArray[np.int64]:
        """Number of rounds completed until then, (n,)."""
        return self.round + 1

    def at(self, index: int) -> "Crossing":
        """Return an evaluation with the costs until then."""
        return Crossing(
            time=float(self.time[index]),
            round=int(self.round[index]),
            bits=int(self.bits[index]),
            joules=float(self.joules[index]),
        )

    @property
    def end(self) -> "Crossing":
        """The last evaluation."""
        return self.at(-1)


@dataclass(frozen=True)
class Crossing:
    """An evaluation, as the first that reached a target, and the costs until then."""

    time: float
    """Simulated time in s."""
    round: int
    """The round completed last, counted from 0; -1 before the first."""
    bits: int
    """Bits sent up and down."""
    joules: float
    """Energy drawn in J."""

    @property
    def rounds(self) -> int:
        """Number of rounds completed until then."""
        return self.round + 1


def crossing(series: Series, target: float, *, falling: bool = False) -> Crossing | None:
    """Return the first evaluation at or above the target, None if there is none.

    Nothing is interpolated: between two evaluations the value is unknown, so the later one counts.
    A run that falls below the target again has still reached it.

    Args:
        series: The evaluations.
        target: Value to reach, in the unit of the metric.
        falling: Whether smaller values are better, as of a loss: then at or below the target.
    """
    reached = series.value <= target if falling else series.value >= target
    if not reached.any():
        return None
    return series.at(int(np.argmax(reached)))
