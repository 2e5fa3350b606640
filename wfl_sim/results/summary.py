"""Summary of labels: final values, and costs of reaching a target."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from wfl_sim.records import Scope
from wfl_sim.results.run import Run
from wfl_sim.results.series import Crossing, crossing
from wfl_sim.results.statistics import (
    by_label,
    default_target,
    estimate,
    is_falling,
    mean_and_half_width,
)


@dataclass(frozen=True)
class SummaryRow:
    """One label of the summary. Costs are means over the seeds that reached the target."""

    label: str
    seeds: int
    final: float
    """Mean over seeds of the last value."""
    half_width: float
    """Half the width of the 95 % t-interval of `final`; NaN with one seed."""
    target: float
    """The value to reach; NaN if there is none, since no run has a finite final value."""
    reached: int
    """Number of seeds that reached the target."""
    seconds: float
    """Simulated time to target in s; NaN if no seed reached it, as for the other costs."""
    rounds: float
    """Completed rounds to target."""
    joules: float
    """Energy to target in J."""
    mbit: float
    """Traffic to target in Mbit, up and down."""
    least_seconds: float = math.nan
    """Mean over all seeds, of which those that did not reach the target count with all that they
    spent until their end (censored): a lower bound of the mean cost, as for the other costs."""
    least_rounds: float = math.nan
    least_joules: float = math.nan
    least_mbit: float = math.nan
    half_seconds: float = math.nan
    """Half the width of the 95 % t-interval of `seconds`, as for the other costs; NaN unless all
    of several seeds reached the target."""
    half_rounds: float = math.nan
    half_joules: float = math.nan
    half_mbit: float = math.nan

    @property
    def share(self) -> str:
        """The seeds that reached the target, of all; "-" where there is no target."""
        return "-" if math.isnan(self.target) else f"{self.reached}/{self.seeds}"


def number(value: float) -> str:
    """Return a number with one decimal, or of two digits where it is below 1; "-" for NaN."""
    if math.isnan(value):
        return "-"
    return f"{value:.2g}" if 0 < abs(value) < 1 else f"{value:,.1f}"


def decimal(value: float, sign: str = "") -> str:
    """Return a number with three decimals, or of two digits where these would show nothing of it.

    `sign` is "+" where positive numbers have one, too.
    """
    return f"{value:{sign}.2g}" if 0 < abs(value) < 0.0005 else f"{value:{sign}.3f}"


def summary(
    runs: Sequence[Run],
    metric: str = "accuracy",
    scope: Scope = "personal_mean",
    target: float | None = None,
) -> list[SummaryRow]:
    """Return a row for each label, in order of first appearance.

    Without a target it is `default_target`: 95 % of the best label's mean final value, rounded
    down to two digits, which at least one seed of that label reaches. A cost is the mean over the
    seeds that reached the target. If `reached` is below `seeds`, that mean flatters: show the lower
    bound over all seeds.

    Raises:
        ValueError: A run has no such metric, or a label has a seed twice.
    """
    groups = by_label(runs)
    if target is None:
        target = default_target(runs, metric, scope)
    value = float("nan") if target is None else target
    return [_row(label, members, metric, scope, value) for label, members in groups.items()]


def _row(label: str, runs: Sequence[Run], metric: str, scope: Scope, target: float) -> SummaryRow:
    final = estimate({run.seed: run.final(metric, scope) for run in runs})
    falling = is_falling(metric)
    points, all_points = [], []
    for run in runs:
        series = run.series(metric, scope)
        point = None if math.isnan(target) else crossing(series, target, falling=falling)
        points += [point] if point else []
        all_points.append(point or series.end)
    return SummaryRow(
        label,
        len(runs),
        final.mean,
        final.half_width,
        target,
        len(points),
        *_costs(points),
        *(_costs(all_points) if not math.isnan(target) else _costs([])),
        *_costs(points if len(points) == len(runs) else [], _half_width),
    )


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _half_width(values: list[float]) -> float:
    return float(mean_and_half_width(values)[1]) if values else float("nan")


def _costs(
    points: Sequence[Crossing], statistic: Callable[[list[float]], float] = _mean
) -> tuple[float, ...]:
    """Return the mean, or so, of seconds, rounds, joules and Mbit of points; NaN without any."""
    return tuple(
        statistic([getattr(point, cost) / unit for point in points])
        for cost, unit in (("time", 1), ("rounds", 1), ("joules", 1), ("bits", 1e6))
    )
