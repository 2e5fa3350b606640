"""Comparison: the figures that set runs and the points of sweeps side by side."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from wfl_sim.figures.breakdown import breakdown
from wfl_sim.figures.convergence import convergence
from wfl_sim.figures.fleet import fleet
from wfl_sim.figures.lines import shown_axes
from wfl_sim.figures.parameter import parameter
from wfl_sim.figures.pareto import pareto
from wfl_sim.figures.seeds import by_label
from wfl_sim.results import Goal, Run

MOST_CURVES: Final = 7
"""labels of a convergence that can be told apart"""
MOST_BARS: Final = 30


def draw_comparison(runs: Sequence[Run], goal: Goal, folder: Path) -> list[Path]:
    """Draw what the runs have the numbers for: convergence, Pareto, breakdown, and each axis.

    Convergence is left out beyond 7 labels and the breakdown beyond 30, which nobody could read. Of
    the axes those of texts are drawn only where none has numbers: else they are its lines.

    Returns:
        The paths of all files.

    Raises:
        ValueError: no runs, or a label holds a seed twice.
    """
    labels = by_label(runs)
    paths: list[Path] = []
    measured = [run for run in runs if (goal.metric, goal.scope) in run.measured]
    if measured and len(labels) <= MOST_CURVES:
        paths += convergence(
            measured, folder, metric=goal.metric, scope=goal.scope, target=goal.target
        )
    if len(labels) <= MOST_BARS:
        paths += [*breakdown(runs, folder), *fleet(runs, folder)]
    if len(by_label(measured) if measured else ()) > 1:
        paths += pareto(measured, folder, goal)
    for path in shown_axes(runs):
        paths += parameter(runs, folder, goal, path)
    return paths
