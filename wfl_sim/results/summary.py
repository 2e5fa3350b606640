"""The closing table: how good each label got, and what it took to get good enough."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wfl_sim.records import Scope
from wfl_sim.results.run import Run
from wfl_sim.results.series import crossing
from wfl_sim.results.statistics import by_label, default_target, is_falling, mean_and_half_width


@dataclass(frozen=True)
class SummaryRow:
    """One label of the summary. Costs are means over the seeds that reached the target."""

    label: str
    seeds: int
    final: float
    """mean over seeds of the last value"""
    half_width: float
    """half the width of its 95 % t-interval; NaN with one seed"""
    target: float
    """NaN if there is none, since no run has a finite final value"""
    reached: int
    """how many of the seeds reached the target"""
    seconds: float
    """s to target; NaN if no seed reached it, as in the next ones"""
    rounds: float
    """completed rounds to target"""
    joules: float
    """J"""
    mbit: float
    """Mbit, up and down"""


def summary(
    runs: Sequence[Run],
    metric: str = "accuracy",
    scope: Scope = "personal_mean",
    target: float | None = None,
) -> list[SummaryRow]:
    """Return a row for each label, in order of first appearance.

    Without a target it is `default_target`: 95 % of the best label's mean final value, rounded
    down to two digits, which at least one seed of that label reaches. A cost is the mean over those
    seeds that reached the target: where `reached` is below `seeds` it flatters, so show both.

    Raises:
        ValueError: a run has no such metric, or a label holds a seed twice.
    """
    groups = by_label(runs)
    if target is None:
        target = default_target(runs, metric, scope)
    goal = float("nan") if target is None else target
    return [_row(label, members, metric, scope, goal) for label, members in groups.items()]


def _row(label: str, runs: Sequence[Run], metric: str, scope: Scope, target: float) -> SummaryRow:
    series = [run.series(metric, scope) for run in runs]
    final, half_width = mean_and_half_width([one.value[-1] for one in series])
    points = [crossing(one, target, falling=is_falling(metric)) for one in series]
    reached = [point for point in points if point is not None]
    return SummaryRow(
        label=label,
        seeds=len(runs),
        final=float(final),
        half_width=float(half_width),
        target=target,
        reached=len(reached),
        seconds=_mean([point.time for point in reached]),
        rounds=_mean([point.rounds for point in reached]),
        joules=_mean([point.joules for point in reached]),
        mbit=_mean([point.bits / 1e6 for point in reached]),
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
