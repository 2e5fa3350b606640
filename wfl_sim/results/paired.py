"""Paired differences: labels compared within each seed.

Seeds drop devices, fade channels and divide data alike for all labels, so that the difference
within a seed varies less than the values do. The interval of its mean is Student's. The test is the
paired t-test, two-sided; its p-values are adjusted over the labels by Holm's method (Scand. J.
Statistics 6(2), 1979), which keeps the chance of any false finding below the level.
"""

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Final

import numpy as np
from scipy.special import stdtr

from wfl_sim.config.errors import did_you_mean
from wfl_sim.results.comparison import Goal
from wfl_sim.results.run import Run
from wfl_sim.results.statistics import by_label, mean_and_half_width
from wfl_sim.results.tables import write_csv

SECONDS: Final = "simulated seconds"
"""What is paired of runs without a metric."""


@dataclass(frozen=True)
class PairedDifference:
    """What a label came to minus what the reference did, over the seeds that both have."""

    label: str
    reference: str
    quantity: str
    """The last value of a metric, as "accuracy, personal mean"; `SECONDS` where none is trained."""
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

    The last values of the goal's metric are paired, and whole runs where none has measured it.

    Raises:
        ValueError: There is no such label.
    """
    measured = [run for run in runs if goal.is_measured(run)]
    quantity, of = (f"{goal.metric}, {goal.whose}", goal.final) if measured else (SECONDS, _seconds)
    groups = by_label(measured or runs)
    if reference and reference not in groups:
        raise ValueError(
            f"no label {reference!r} to compare with{did_you_mean(reference, [*groups])}"
        )
    reference = reference or next(iter(groups), "")
    finals = {label: {run.seed: of(run) for run in each} for label, each in groups.items()}
    rows = [
        (label, *_tested([value - base[seed] for seed, value in mine.items() if seed in base]))
        for label, mine in finals.items()
        if label != reference and (base := finals[reference])
    ]
    adjusted = holm([p for *_, p in rows])
    return [
        PairedDifference(label, reference, quantity, seeds, mean, half_width, p, p_holm)
        for (label, seeds, mean, half_width, p), p_holm in zip(rows, adjusted, strict=True)
    ]


def _seconds(run: Run) -> float:
    return run.seconds


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
