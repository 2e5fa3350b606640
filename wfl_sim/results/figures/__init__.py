"""Figures and tables of finished runs. This room alone loads matplotlib.

Figures are built from `matplotlib.figure.Figure` and never use pyplot, so they are drawn in the
same way on a server, in a thread and in a notebook.
"""

from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import Final

from wfl_sim.records import Scope
from wfl_sim.results.figures.alignment import alignment
from wfl_sim.results.figures.batteries import batteries, fleet
from wfl_sim.results.figures.breakdown import breakdown
from wfl_sim.results.figures.comparison import compare
from wfl_sim.results.figures.convergence import convergence
from wfl_sim.results.figures.links import links
from wfl_sim.results.figures.timeline import timeline
from wfl_sim.results.figures.tracks import tracks
from wfl_sim.results.run import Run
from wfl_sim.results.statistics import by_label, default_target
from wfl_sim.results.summary import SummaryRow, summary
from wfl_sim.results.tables import file_name, write_csv

__all__ = [
    "SummaryRow",
    "alignment",
    "batteries",
    "breakdown",
    "by_label",
    "compare",
    "convergence",
    "default_target",
    "draw_all",
    "fleet",
    "links",
    "summary",
    "timeline",
    "tracks",
]

SHOWN_SCOPES: Final[tuple[Scope, ...]] = ("personal_mean", "global")


def draw_all(
    runs: Sequence[Run], folder: Path, *, metric: str = "accuracy", target: float | None = None
) -> list[Path]:
    """Draw every figure that the runs have the numbers for, and write the summary as CSV.

    Args:
        runs: Runs of any labels and seeds; runs that trained nothing have no convergence.
        folder: Folder of the files, made if it does not exist.
        metric: Metric of the convergence.
        target: Value to reach, as in `convergence`; chosen for each scope unless given.

    Returns:
        The paths of all files.

    Raises:
        ValueError: There are no runs, a label has a seed twice, or no run has such a metric.
    """
    by_label(runs)
    known = sorted({name for run in runs for name, _ in run.measured})
    if known and metric not in known:
        raise ValueError(f"no run has a metric {metric!r}; measured: {', '.join(known)}")
    paths: list[Path] = []
    for scope in SHOWN_SCOPES:
        measured = [run for run in runs if (metric, scope) in run.measured]
        if measured:
            paths += convergence(measured, folder, metric=metric, scope=scope, target=target)
            rows = [astuple(row) for row in summary(measured, metric, scope, target)]
            name = file_name("summary", metric, scope)
            header = [field.name for field in fields(SummaryRow)]
            paths.append(write_csv(folder / f"{name}.csv", header, rows))
    for draw in (alignment, breakdown, batteries, fleet, links, tracks, timeline):
        paths += draw(runs, folder)
    return paths
