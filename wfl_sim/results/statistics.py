"""Runs of one label over several seeds, and what can be said about their mean.

The interval of a mean over n seeds is Student's: m +- t(0.975, n - 1) s / sqrt(n), with s the
sample standard deviation. It tells how well n seeds know the mean, not how far runs scatter.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from wfl_sim.records import Scope
from wfl_sim.results.run import Run
from wfl_sim.results.series import crossing

CONFIDENCE = 0.95


def by_label(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Return the runs of each label in ascending seed; labels in order of first appearance.

    Raises:
        ValueError: no runs, or a label holds the same seed twice, which would count one
            experiment as two.
    """
    if not runs:
        raise ValueError("no runs to draw")
    groups: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        groups[run.label].append(run)
    for label, members in groups.items():
        members.sort(key=lambda run: run.seed)
        for first, second in pairwise(members):
            if first.seed == second.seed:
                raise ValueError(
                    f"label {label!r} holds seed {first.seed} twice: {first.folder} and "
                    f"{second.folder}; give different variants different labels"
                )
    return dict(groups)


def mean_and_half_width(
    values: ArrayLike,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean over the first axis (seeds) and half the width of its 95 % interval.

    The half width is NaN with fewer than two seeds.
    """
    array = np.asarray(values, np.float64)
    seeds = len(array)
    mean: NDArray[np.float64] = np.asarray(array.mean(axis=0))
    if seeds < 2:
        return mean, np.full_like(mean, np.nan)
    factor = stdtrit(seeds - 1, 0.5 + CONFIDENCE / 2)
    return mean, np.asarray(factor * array.std(axis=0, ddof=1) / np.sqrt(seeds))


def confidence_intervals(
    x: NDArray[np.float64], value: NDArray[np.float64], grid: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return a step function on a grid: the value last seen at or before each point.

    Args:
        x: (n,) ascending; of equal ones the last counts.
        value: (n,).
        grid: (m,) points, none before x[0].
    """
    return value[np.searchsorted(x, grid, side="right") - 1]


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
    steps = [confidence_intervals(x, one.value, grid) for x, one in zip(xs, series, strict=True)]
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


FALLING: Final = frozenset({"loss", "perplexity", "nll", "error"})
"""Metrics that get better downwards."""

SHARE = 0.95


def is_falling(metric: str) -> bool:
    """Return whether a metric gets better downwards."""
    return metric in FALLING


def default_target(runs: Sequence[Run], metric: str, scope: Scope) -> float | None:
    """Return a value that the best label reaches and the others may not.

    It is 95 % of the best label's mean final value (mean over its seeds), rounded down to two
    digits: 0.8743 gives 0.83. As the mean is above it, at least one seed reaches it. A metric that
    gets better downwards takes 105 %, rounded up. None if no label has a finite final value.
    """
    falling = is_falling(metric)
    finals = [
        float(np.mean([run.series(metric, scope).value[-1] for run in members]))
        for members in by_label(runs).values()
    ]
    finite = [final for final in finals if math.isfinite(final)]
    if not finite:
        return None
    best = min(finite) if falling else max(finite)
    slack = (1 - SHARE) * abs(best)
    return _two_digits(best + slack if falling else best - slack, up=falling)


def _two_digits(value: float, *, up: bool) -> float:
    if value == 0:
        return 0.0
    decimals = 1 - math.floor(math.log10(abs(value)))
    rounding = math.ceil if up else math.floor
    return round(rounding(round(value * 10.0**decimals, 9)) * 10.0**-decimals, max(decimals, 0))
