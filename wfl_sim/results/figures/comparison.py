"""Comparison: the figures that set runs and the points of sweeps side by side."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from wfl_sim.results.comparison import Goal, compared
from wfl_sim.results.figures.batteries import fleet
from wfl_sim.results.figures.breakdown import breakdown
from wfl_sim.results.figures.convergence import convergence
from wfl_sim.results.figures.parameter import parameter
from wfl_sim.results.figures.pareto import pareto
from wfl_sim.results.figures.sweep_axes import shown_axes
from wfl_sim.results.run import Run
from wfl_sim.results.statistics import by_label
from wfl_sim.results.sweep import write_table


def compare(runs: Sequence[Run], goal: Goal, out: Path, *, figures: bool = True) -> list[Path]:
    """Write the table over runs as Parquet and CSV, and draw what they can be compared by.

    Returns:
        The paths of all files.

    Raises:
        ValueError: no runs, or a label holds a seed twice.
    """
    from wfl_sim.results.figures.style import write_csv

    table = compared(runs, goal)
    out.mkdir(parents=True, exist_ok=True)
    rows = zip(*(table.column(name).to_pylist() for name in table.column_names), strict=True)
    paths = [
        write_table(out / "comparison.parquet", table),
        write_csv(out / "comparison.csv", table.column_names, rows),
    ]
    return [*paths, *(draw_comparison(runs, goal, out) if figures else ())]


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
