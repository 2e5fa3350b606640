"""Which figures are drawn: all that runs have the numbers for, and those of runs side by side."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import Final

from wfl_sim.records import Scope
from wfl_sim.results.comparison import Goal, choose_goal, compared
from wfl_sim.results.figures.alignment import alignment, rewards
from wfl_sim.results.figures.batteries import batteries, fleet
from wfl_sim.results.figures.breakdown import breakdown
from wfl_sim.results.figures.convergence import convergence
from wfl_sim.results.figures.heat_map import heat_map
from wfl_sim.results.figures.labels import labels
from wfl_sim.results.figures.links import cells, coverage, links, throughput
from wfl_sim.results.figures.look import SCREEN, Draw, Look
from wfl_sim.results.figures.parameter import parameter
from wfl_sim.results.figures.pareto import pareto
from wfl_sim.results.figures.radio_samples import blocks, spectrogram
from wfl_sim.results.figures.sweep_axes import shown_axes
from wfl_sim.results.figures.timeline import timeline
from wfl_sim.results.figures.tracks import tracks
from wfl_sim.results.run import Run
from wfl_sim.results.statistics import by_label
from wfl_sim.results.summary import SummaryRow, summary
from wfl_sim.results.sweep import write_table
from wfl_sim.results.tables import file_name, write_csv, write_table_csv

SHOWN_SCOPES: Final[tuple[Scope, ...]] = ("personal_mean", "global")


FIGURES: Final[Mapping[str, Draw]] = {
    "alignment": alignment,
    "rewards": rewards,
    "breakdown": breakdown,
    "batteries": batteries,
    "fleet": fleet,
    "links": links,
    "cells": cells,
    "throughput": throughput,
    "coverage": coverage,
    "tracks": tracks,
    "labels": labels,
    "blocks": blocks,
    "spectrogram": spectrogram,
    "timeline": timeline,
}
"""Figures by their name, but for the convergence and those along the axes of a sweep."""


def draw_all(
    runs: Sequence[Run],
    folder: Path | str,
    *,
    metric: str = "accuracy",
    target: float | None = None,
    only: Collection[str] = (),
    look: Look = SCREEN,
    passed: Callable[[str], None] = lambda _: None,
) -> list[Path]:
    """Draw every figure that the runs have the numbers for, and write the summary as CSV.

    Args:
        runs: Runs of any labels and seeds; runs that trained nothing have no convergence.
        folder: Folder of the files, made if it does not exist.
        metric: Metric of the convergence.
        target: Value to reach, as in `convergence`; chosen for each scope unless given.
        only: Names of the figures to draw; all but those along swept axes (`sweep`) unless given.
        look: How figures are drawn and saved.
        passed: Called with a line for each of `only` that the runs have no numbers for, and each
            file that several metrics share.

    Returns:
        The paths of all files.

    Raises:
        ValueError: There are no runs, a label has a seed twice, no run has such a metric, or there
            is no such figure.
    """
    names = ["convergence", *FIGURES, "sweep"]
    if unknown := [name for name in only if name not in names]:
        raise ValueError(f"no figure {unknown[0]!r}; there are: {', '.join(names)}")
    by_label(runs)
    folder = Path(folder)
    known = sorted({name for run in runs for name, _ in run.measured})
    if known and metric not in known:
        raise ValueError(f"no run has a metric {metric!r}; measured: {', '.join(known)}")
    drawn: dict[str, list[Path]] = {name: [] for name in names if not only or name in only}
    for scope in SHOWN_SCOPES:
        measured = [run for run in runs if (metric, scope) in run.measured]
        if measured and "convergence" in drawn:
            drawn["convergence"] += convergence(
                measured, folder, metric=metric, scope=scope, target=target, look=look
            )
            rows = [astuple(row) for row in summary(measured, metric, scope, target)]
            name = file_name("summary", metric, scope)
            header = [field.name for field in fields(SummaryRow)]
            drawn["convergence"].append(write_csv(folder / f"{name}.csv", header, rows))
    for name, draw in FIGURES.items():
        if name in drawn:
            bars = {"error_bars": look.error_bars} if draw is alignment else {}
            drawn[name] += draw(runs, folder, look=look, **bars)
    if "sweep" in only:
        goal = choose_goal(runs, metric if known else "", "", target)
        drawn["sweep"] += along_axes(runs, goal, folder, look=look)
    for name in only:
        if not drawn[name]:
            passed(f"{name}: nothing in these runs to draw")
    made = Counter(path for paths in drawn.values() for path in paths)
    for path in (each for each, count in made.items() if count > 1):
        passed(f"{path}: metrics that are alike in file names share it, and it shows the last")
    return [*made]


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
