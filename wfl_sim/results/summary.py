"""Labels compared: final values, costs of reaching a target, and paired differences.

Seeds drop devices, fade channels and divide data alike for all labels, so that the difference
within a seed varies less than the values do. The interval of its mean is Student's. The test is the
paired t-test, two-sided; its p-values are adjusted over the labels by Holm's method (Scand. J.
Statistics 6(2), 1979), which keeps the chance of any false finding below the level.
"""

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
from scipy.special import stdtr

from wfl_sim.config.errors import did_you_mean
from wfl_sim.records import Scope
from wfl_sim.results.comparison import Goal
from wfl_sim.results.run import Run
from wfl_sim.results.series import Crossing, crossing
from wfl_sim.results.statistics import (
    by_label,
    default_target,
    estimate,
    is_falling,
    mean_and_half_width,
)
from wfl_sim.results.tables import write_csv


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

    @property
    def share(self) -> str:
        """The seeds that reached the target, of all; "-" where there is no target."""
        return "-" if math.isnan(self.target) else f"{self.reached}/{self.seeds}"


def number(value: float) -> str:
    """Return a number with one decimal, or of two digits where it is below 1; "-" for NaN."""
    if math.isnan(value):
        return "-"
    return f"{value:.2g}" if 0 < abs(value) < 1 else f"{value:,.1f}"


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
        *(_costs(all_points) if not math.isnan(target) else ()),
    )


def _costs(points: Sequence[Crossing]) -> tuple[float, ...]:
    """Return the mean seconds, rounds, joules and Mbit of points; NaN without any."""
    return tuple(
        _mean([getattr(point, cost) / unit for point in points])
        for cost, unit in (("time", 1), ("rounds", 1), ("joules", 1), ("bits", 1e6))
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


@dataclass(frozen=True)
class PairedDifference:
    """The last value of a label minus that of the reference, over the seeds that both have."""

    label: str
    reference: str
    seeds: int
    """Number of seeds that both have."""
    difference: float
    """Mean over these seeds; NaN without any."""
    half_width: float
    """Half the width of the 95 % t-interval of the mean; NaN with fewer than two seeds."""
    p: float
    """Of the two-sided paired t-test; NaN with fewer than two seeds, and where all differences are
    alike but not zero: without spread there is no test."""
    p_holm: float
    """The same, adjusted over the labels."""


def paired_differences(
    runs: Sequence[Run], goal: Goal, reference: str = ""
) -> list[PairedDifference]:
    """Return a row for each label but the reference, which is the first one unless given.

    Raises:
        ValueError: There is no such label.
    """
    measured = [run for run in runs if goal.is_measured(run)]
    groups = by_label(measured) if measured else {}
    if reference and reference not in groups:
        raise ValueError(
            f"no label {reference!r} to compare with{did_you_mean(reference, [*groups])}"
        )
    reference = reference or next(iter(groups), "")
    finals = {
        label: {run.seed: goal.final(run) for run in members} for label, members in groups.items()
    }
    rows = [
        (label, *_tested([value - base[seed] for seed, value in mine.items() if seed in base]))
        for label, mine in finals.items()
        if label != reference and (base := finals[reference])
    ]
    adjusted = holm([p for *_, p in rows])
    return [
        PairedDifference(label, reference, seeds, mean, half_width, p, p_holm)
        for (label, seeds, mean, half_width, p), p_holm in zip(rows, adjusted, strict=True)
    ]


def holm(values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for all of them by Holm's step-down method; NaN stays NaN."""
    order = [i for i in np.argsort(values) if not math.isnan(values[i])]
    adjusted, least = [math.nan] * len(values), 0.0
    for rank, i in enumerate(order):
        least = max(least, min(1.0, (len(order) - rank) * values[i]))
        adjusted[i] = least
    return adjusted


def write_paired(rows: Sequence[PairedDifference], folder: Path) -> Path:
    """Write the rows as `paired.csv` into a folder and return its path."""
    header = [field.name for field in fields(PairedDifference)]
    return write_csv(folder / "paired.csv", header, [astuple(row) for row in rows])


def _tested(differences: Sequence[float]) -> tuple[int, float, float, float]:
    """Return number, mean, half width of its interval, and p-value of differences."""
    count = len(differences)
    if not count:
        return 0, math.nan, math.nan, math.nan
    mean, half_width = map(float, mean_and_half_width(differences))
    if count < 2:
        return count, mean, half_width, math.nan
    error = float(np.std(differences, ddof=1)) / math.sqrt(count)
    if error <= 1e-12 * abs(mean):
        return count, mean, half_width, 1.0 if mean == 0 else math.nan
    return count, mean, half_width, float(2 * stdtr(count - 1, -abs(mean) / error))
