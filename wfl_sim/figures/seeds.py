"""Runs of one label over several seeds, and what can be said about their mean.

The interval of a mean over n seeds is Student's: m +- t(0.975, n - 1) s / sqrt(n), with s the
sample standard deviation. It tells how well n seeds know the mean, not how far runs scatter.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from wfl_sim.results import Run

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


def held(
    x: NDArray[np.float64], value: NDArray[np.float64], grid: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return a step function on a grid: the value last seen at or before each point.

    Args:
        x: (n,) ascending; of equal ones the last counts.
        value: (n,).
        grid: (m,) points, none before x[0].
    """
    return value[np.searchsorted(x, grid, side="right") - 1]
