"""Comparison: the figures that set runs and the points of sweeps side by side."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from wfl_sim.figures.breakdown import breakdown
from wfl_sim.figures.convergence import convergence
from wfl_sim.figures.lines import axes
from wfl_sim.figures.parameter import parameter
from wfl_sim.figures.pareto import pareto
from wfl_sim.figures.seeds import by_label
from wfl_sim.results import Goal, Run

MOST: Final = 28
"""labels that one figure can tell apart"""


def draw_comparison(runs: Sequence[Run], goal: Goal, folder: Path) -> list[Path]:
    """Draw what the runs have the numbers for: convergence, Pareto, breakdown, and each axis.

    Convergence and breakdown are left out where there are more labels than can be told apart.

    Returns:
        The paths of all files.

    Raises:
        ValueError: no runs, or a label holds a seed twice.
    """
    labels = by_label(runs)
    paths: list[Path] = []
    measured = [run for run in runs if (goal.metric, goal.scope) in run.measured]
    if len(labels) <= MOST:
        if measured:
            paths += convergence(
                measured, folder, metric=goal.metric, scope=goal.scope, target=goal.target
            )
        paths += breakdown(runs, folder)
    if len(by_label(measured) if measured else ()) > 1:
        paths += pareto(measured, folder, goal)
    for path in axes(runs):
        paths += parameter(runs, folder, goal, path)
    return paths
