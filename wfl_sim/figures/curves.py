"""The mean over seeds of a metric against what it costs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wfl_sim.figures.seeds import held, mean_and_half_width
from wfl_sim.figures.targets import is_falling
from wfl_sim.records import Scope
from wfl_sim.results import Run, crossing

Cost = Literal["time", "rounds", "joules", "bits"]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """A label against one cost: the mean over seeds as a step function."""

    label: str
    seeds: tuple[tuple[int, Floats, Floats], ...]
    """seed, x and value of each run"""
    x: Floats
    """(n,) where the mean may change; in s, rounds, J or bit"""
    mean: Floats
    """(n,)"""
    half_width: Floats
    """(n,) NaN with fewer than two seeds"""
    crossings: tuple[float, ...]
    """x at which seeds reached the target, of those that did"""

    @property
    def is_level(self) -> bool:
        """Whether nothing is ever spent, as bits in local training: then only the end counts."""
        return bool(self.x[-1] == 0)

    @property
    def low(self) -> Floats:
        """(n,) lower end of the 95 % interval of the mean."""
        return self.mean - self.half_width

    @property
    def high(self) -> Floats:
        """(n,) upper end."""
        return self.mean + self.half_width


def curve(
    runs: Sequence[Run], metric: str, scope: Scope, cost: Cost, target: float | None = None
) -> Curve:
    """Return the mean curve of runs that differ in their seed only.

    Evaluations of different seeds fall on different seconds, joules and bits. So each seed is
    taken as a step function that holds its last value, also after its end, and the mean is taken
    at all breakpoints of all seeds, from the first at which every seed has a value. Nothing is
    interpolated.

    Raises:
        ValueError: a run has no such metric.
    """
    series = [run.series(metric, scope) for run in runs]
    xs = [np.asarray(getattr(one, cost), np.float64) for one in series]
    grid = np.unique(np.concatenate(xs))
    grid = grid[grid >= max(x[0] for x in xs)]
    steps = [held(x, one.value, grid) for x, one in zip(xs, series, strict=True)]
    mean, half_width = mean_and_half_width(steps)
    falling = is_falling(metric)
    points = [] if target is None else [crossing(one, target, falling=falling) for one in series]
    return Curve(
        label=runs[0].label,
        seeds=tuple((run.seed, x, s.value) for run, x, s in zip(runs, xs, series, strict=True)),
        x=grid,
        mean=mean,
        half_width=half_width,
        crossings=tuple(float(getattr(point, cost)) for point in points if point is not None),
    )
