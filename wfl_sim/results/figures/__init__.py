"""The figures room: pictures and tables of finished runs. The only room that loads matplotlib.

Figures are built from `matplotlib.figure.Figure` and never touch pyplot, so they draw the same
on a server, in a thread and in a notebook.
"""

from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import Final

from wfl_sim.records import Scope
from wfl_sim.results.figures.alignment import alignment
from wfl_sim.results.figures.batteries import batteries, fleet
from wfl_sim.results.figures.breakdown import breakdown
from wfl_sim.results.figures.comparison import draw_comparison
from wfl_sim.results.figures.convergence import convergence
from wfl_sim.results.figures.links import links
from wfl_sim.results.figures.style import file_name, write_csv
from wfl_sim.results.figures.timeline import timeline
from wfl_sim.results.figures.tracks import tracks
from wfl_sim.results.run import Run
from wfl_sim.results.statistics import by_label, default_target
from wfl_sim.results.summary import SummaryRow, summary

__all__ = [
    "SummaryRow",
    "alignment",
    "batteries",
    "breakdown",
    "by_label",
    "convergence",
    "default_target",
    "draw_all",
    "draw_comparison",
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
        runs: of any labels and seeds; runs that trained nothing have no convergence.
        folder: where the files go; it is made.
        metric: whose convergence.
        target: as in `convergence`; by default chosen for each scope.

    Returns:
        The paths of all files.

    Raises:
        ValueError: no runs, a label holds a seed twice, or no run has such a metric.
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
    paths += [*alignment(runs, folder), *breakdown(runs, folder)]
    paths += [*batteries(runs, folder), *fleet(runs, folder)]
    paths += [*links(runs, folder), *tracks(runs, folder)]
    return [*paths, *timeline(runs, folder)]
