"""The closing table: final values of each label, and its costs of reaching the target."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wfl_sim.records import Scope
from wfl_sim.results.run import Run
from wfl_sim.results.series import crossing
from wfl_sim.results.statistics import by_label, default_target, estimate, is_falling


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


def summary(
    runs: Sequence[Run],
    metric: str = "accuracy",
    scope: Scope = "personal_mean",
    target: float | None = None,
) -> list[SummaryRow]:
    """Return a row for each label, in order of first appearance.

    Without a target it is `default_target`: 95 % of the best label's mean final value, rounded
    down to two digits, which at least one seed of that label reaches. A cost is the mean over the
    seeds that reached the target. If `reached` is below `seeds`, that mean flatters: show both.

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
    points = [crossing(run.series(metric, scope), target, falling=falling) for run in runs]
    reached = [point for point in points if point is not None]
    return SummaryRow(
        label=label,
        seeds=len(runs),
        final=final.mean,
        half_width=final.half_width,
        target=target,
        reached=len(reached),
        seconds=_mean([point.time for point in reached]),
        rounds=_mean([point.rounds for point in reached]),
        joules=_mean([point.joules for point in reached]),
        mbit=_mean([point.bits / 1e6 for point in reached]),
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
