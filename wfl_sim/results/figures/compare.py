"""Runs side by side: their table, and the figures of labels and of the axes of a sweep."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from wfl_sim.results.comparison import Goal, compared
from wfl_sim.results.figures.batteries import fleet
from wfl_sim.results.figures.breakdown import breakdown
from wfl_sim.results.figures.convergence import convergence
from wfl_sim.results.figures.heat_map import heat_map
from wfl_sim.results.figures.look import SCREEN, Look
from wfl_sim.results.figures.parameter import parameter
from wfl_sim.results.figures.pareto import pareto
from wfl_sim.results.figures.sweep_axes import shown_axes
from wfl_sim.results.run import Run
from wfl_sim.results.statistics import by_label
from wfl_sim.results.sweep import write_table
from wfl_sim.results.tables import write_table_csv

MOST_CURVES: Final = 21
"""The most labels of a convergence whose colour, line and mark are told apart at a glance."""
MOST_BARS: Final = 30


def compare(
    runs: Sequence[Run], goal: Goal, out: Path, *, figures: bool = True, look: Look = SCREEN
) -> list[Path]:
    """Write the table over runs as Parquet and CSV, and draw what the runs have the numbers for.

    Figures are the convergence, Pareto front, breakdown, each axis, and a heat map over two axes of
    numbers. Convergence is left out beyond 21 labels and the breakdown beyond 30, where they would
    be illegible. Axes of texts are drawn only if no axis has numbers; else they are its lines.

    Returns:
        The paths of all files.

    Raises:
        ValueError: There are no runs, or a label has a seed twice.
    """
    table = compared(runs, goal)
    out.mkdir(parents=True, exist_ok=True)
    paths = [
        write_table(out / "comparison.parquet", table),
        write_table_csv(out / "comparison.csv", table),
    ]
    if not figures:
        return paths
    labels = by_label(runs)
    measured = [run for run in runs if goal.is_measured(run)]
    if measured and len(labels) <= MOST_CURVES:
        paths += convergence(
            measured, out, metric=goal.metric, scope=goal.scope, target=goal.target, look=look
        )
    if len(labels) <= MOST_BARS:
        paths += [*breakdown(runs, out, look=look), *fleet(runs, out, look=look)]
    return [*paths, *along_axes(runs, goal, out, look=look)]


def along_axes(runs: Sequence[Run], goal: Goal, out: Path, *, look: Look = SCREEN) -> list[Path]:
    """Draw Pareto front, every swept axis, and a heat map where two axes are numbers."""
    measured, paths = [run for run in runs if goal.is_measured(run)], []
    if len({run.label for run in measured}) > 1:
        paths += pareto(measured, out, goal, look=look)
    for path in shown_axes(runs):
        paths += parameter(runs, out, goal, path, look=look, error_bars=look.error_bars)
    return [*paths, *heat_map(runs, out, goal, look=look)]
