"""Statistics over the seeds of a label: means, t-intervals, curves, and the default target.

The interval of a mean over n seeds is Student's: m +- t(0.975, n - 1) s / sqrt(n), with s the
sample standard deviation. It says how precisely n seeds determine the mean, not how far runs vary.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from wfl_sim.records import Scope
from wfl_sim.results.run import Run
from wfl_sim.results.series import crossing

CONFIDENCE: Final = 0.95
SHARE: Final = 0.95
"""Share of the best final value that the default target asks for."""
FALLING: Final = ("loss", "perplexity", "nll", "error")
"""Last words of the metrics of which smaller values are better."""

Cost = Literal["time", "rounds", "joules", "bits"]
Floats = NDArray[np.float64]


def by_label(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Return the runs of each label in ascending seed; labels in order of first appearance.

    Raises:
        ValueError: There are no runs, or a label has the same seed twice, which would count one
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


def lowest_seeds(runs: Sequence[Run]) -> dict[str, Run]:
    """Return the run of the lowest seed of each label; see `by_label`."""
    return {label: members[0] for label, members in by_label(runs).items()}


def mean_and_half_width(values: ArrayLike) -> tuple[Floats, Floats]:
    """Return the mean over the first axis (seeds) and half the width of its 95 % interval.

    The half width is NaN with fewer than two seeds.
    """
    array = np.asarray(values, np.float64)
    seeds = len(array)
    mean: Floats = np.asarray(array.mean(axis=0))
    if seeds < 2:
        return mean, np.full_like(mean, np.nan)
    factor = stdtrit(seeds - 1, 0.5 + CONFIDENCE / 2)
    with np.errstate(invalid="ignore"):  # of infinite values the interval is NaN
        return mean, np.asarray(factor * array.std(axis=0, ddof=1) / np.sqrt(seeds))


class Estimate(NamedTuple):
    """A mean over seeds."""

    mean: float
    """Mean over the seeds; NaN without any."""
    half_width: float
    """Half the width of the 95 % t-interval of the mean; NaN with fewer than two seeds."""
    by_seed: Mapping[int, float]
    """Value of each seed."""


def estimate(by_seed: Mapping[int, float]) -> Estimate:
    """Return the mean over seeds with its interval."""
    if not by_seed:
        return Estimate(math.nan, math.nan, by_seed)
    mean, half_width = mean_and_half_width(list(by_seed.values()))
    return Estimate(float(mean), float(half_width), by_seed)


def step_values(x: Floats, value: Floats, grid: Floats) -> Floats:
    """Return a step function on a grid: the last value at or before each point.

    Args:
        x: Breakpoints (n,), ascending; of equal ones the last counts.
        value: Values from each breakpoint on, (n,).
        grid: Points (m,), none before x[0].
    """
    return value[np.searchsorted(x, grid, side="right") - 1]


@dataclass(frozen=True)
class Curve:
    """A metric of a label against one cost: the mean over seeds as a step function."""

    label: str
    seeds: tuple[tuple[int, Floats, Floats], ...]
    """Seed, costs and values of each run."""
    x: Floats
    """Costs at which the mean may change, (n,) in s, rounds, J or bit."""
    mean: Floats
    """Mean over seeds, (n,)."""
    half_width: Floats
    """Half the width of the 95 % interval of the mean, (n,); NaN with fewer than two seeds."""
    crossings: tuple[float, ...]
    """Costs at which seeds reached the target, of the seeds that did."""

    @property
    def is_level(self) -> bool:
        """Whether nothing is ever spent, as bits in local training: then only the end counts."""
        return bool(self.x[-1] == 0)

    @property
    def low(self) -> Floats:
        """Lower end of the 95 % interval of the mean, (n,)."""
        return self.mean - self.half_width

    @property
    def high(self) -> Floats:
        """Upper end of the 95 % interval of the mean, (n,)."""
        return self.mean + self.half_width


def curve(
    runs: Sequence[Run], metric: str, scope: Scope, cost: Cost, target: float | None = None
) -> Curve:
    """Return the mean curve of runs that differ in their seed only.

    Evaluations of different seeds fall on different seconds, joules and bits. So each seed is
    taken as a step function that keeps its last value, also after its end, and the mean is taken
    at all breakpoints of all seeds, from the first at which every seed has a value. Nothing is
    interpolated.

    Raises:
        ValueError: A run has no such metric.
    """
    series = [run.series(metric, scope) for run in runs]
    xs = [np.asarray(getattr(one, cost), np.float64) for one in series]
    grid = np.unique(np.concatenate(xs))
    grid = grid[grid >= max(x[0] for x in xs)]
    steps = [step_values(x, one.value, grid) for x, one in zip(xs, series, strict=True)]
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


def is_falling(metric: str) -> bool:
    """Return whether smaller values of a metric are better."""
    return metric.endswith(FALLING)


def default_target(runs: Sequence[Run], metric: str, scope: Scope) -> float | None:
    """Return a value that the best label reaches and the others may not reach.

    It is 95 % of the best label's mean final value (mean over its seeds), rounded down to two
    digits: 0.8743 gives 0.83. As the mean is above it, at least one seed reaches it. For a metric
    of which smaller values are better it is 105 %, rounded up. It is None if no label has a finite
    final value, or if all seeds of the best label are there at their first evaluation of several,
    so that nothing has to be spent.
    """
    falling = is_falling(metric)
    groups = by_label(runs)
    finals = {
        label: float(np.mean([run.final(metric, scope) for run in members]))
        for label, members in groups.items()
    }
    finite = {label: final for label, final in finals.items() if math.isfinite(final)}
    if not finite:
        return None
    label = (min if falling else max)(finite, key=lambda each: finite[each])
    slack = (1 - SHARE) * abs(finite[label])
    best = finite[label]
    target = _two_digits(best + slack if falling else best - slack, up=falling)
    series = [run.series(metric, scope) for run in groups[label]]
    starts = [one.value[0] for one in series if len(one.value) > 1]
    if starts and all(start <= target if falling else start >= target for start in starts):
        return None
    return target


def _two_digits(value: float, *, up: bool) -> float:
    if value == 0:
        return 0.0
    decimals = 1 - math.floor(math.log10(abs(value)))
    rounding = math.ceil if up else math.floor
    return round(rounding(round(value * 10.0**decimals, 9)) * 10.0**-decimals, max(decimals, 0))
