"""Timeline: who did what when, as a Gantt chart of the run and of one round."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from wfl_sim.results.figures.style import (
    actors,
    columns,
    devices,
    file_name,
    fill,
    in_order,
    look,
    patches,
    save,
    scale,
)
from wfl_sim.results.run import Run
from wfl_sim.results.statistics import by_label

MOST_DEVICES = 40
LEGEND: Final = 115
"""characters that fit under the figure"""
RESTING: Final = ("wait", "idle", "off")
MOST_HAIRLINES = 100
"""in a row; beyond this hairlines of short activities would hide the long ones"""
MOST_SHAPES = 5000
"""beyond this the bars of an SVG become a picture inside it"""
HEADER: Final = ("actor", "activity", "start", "end", "round", "bits", "joules", "outcome")


@dataclass(frozen=True)
class Window:
    """What of a run is shown."""

    start: float
    """s"""
    end: float
    """s"""
    title: str
    name: str
    """for the file"""


def timeline(runs: Sequence[Run], folder: Path, *, round: int | None = None) -> list[Path]:
    """Draw the run and one round of it, for the lowest seed of each label.

    Rows are servers and cells, then devices; of more than 40 devices 40 are shown at even
    distances, and the title says so. A cross marks the end of a span that was lost or dropped.
    What is too short to be seen is still a hairline, unless a row has more than 100 of its kind.

    Args:
        runs: of any labels and seeds.
        folder: where the files go.
        round: which round; the one of median length unless given.

    Returns:
        The paths of PNG, SVG and CSV of each, named `timeline-<label>-run` and
        `timeline-<label>-round`.

    Raises:
        ValueError: a run has no such round.
    """
    paths = []
    for label, members in by_label(runs).items():
        run = members[0]
        if run.spans.num_rows:
            for window in _windows(run, label, round):
                paths += _draw(run, window, folder)
    return paths


def rounds(run: Run) -> dict[int, tuple[float, float]]:
    """Return first start and last end of the spans of each round, in s."""
    spans = run.span_arrays
    known, index = np.unique(spans["round"], return_inverse=True)
    starts, ends = np.full(len(known), np.inf), np.full(len(known), -np.inf)
    np.minimum.at(starts, index, spans["start"])
    np.maximum.at(ends, index, spans["end"])
    extents = zip(known.tolist(), zip(starts.tolist(), ends.tolist(), strict=True), strict=True)
    return {number: extent for number, extent in extents if number >= 0}


def _windows(run: Run, label: str, wanted: int | None) -> list[Window]:
    spans, of_rounds = run.span_arrays, rounds(run)
    if wanted is not None and wanted not in of_rounds:
        raise ValueError(f"{run.folder}: has no round {wanted}")
    end = float(spans["end"].max())
    title = f"{label}, seed {run.seed}"
    windows = [Window(0.0, end, f"{title}: the run", file_name("timeline", label, "run"))]
    if of_rounds:
        by_length = sorted(of_rounds, key=lambda number: np.diff(of_rounds[number]).item())
        number = by_length[(len(by_length) - 1) // 2] if wanted is None else wanted
        why = "" if wanted is not None else ", the one of median length"
        windows.append(
            Window(
                *of_rounds[number],
                f"{title}: round {number}{why}",
                file_name("timeline", label, "round"),
            )
        )
    return windows


def _draw(run: Run, window: Window, folder: Path) -> list[Path]:
    rows, note = _rows(run)
    spans = _inside(run, window, rows)
    height = {actor: row for row, actor in enumerate(rows)}
    with look():
        figure = Figure(figsize=(9.6, 1.7 + (0.24 if len(rows) <= 20 else 0.18) * len(rows)))
        axes = figure.subplots()
        factor, unit = scale(window.end, "s")
        seen = in_order(spans["activity"].tolist())
        at = np.array([height[actor] for actor in spans["actor"].tolist()], np.float64)
        for activity in seen:
            _bars(axes, spans, at, activity, factor)
        lost = np.isin(spans["outcome"], ("lost", "dropped"))
        axes.plot(
            spans["end"][lost] * factor, at[lost], "x", color="black", ms=6, mew=1.6, zorder=3
        )
        _frame(axes, window, rows, factor, unit)
        figure.suptitle(window.title + note)
        handles = _legend(seen, bool(lost.any()))
        figure.legend(handles=handles, loc="outside lower center", ncols=columns(handles, LEGEND))
        numbers = zip(*(spans[column].tolist() for column in HEADER), strict=True)
        return save(figure, folder, window.name, HEADER, numbers)


def _rows(run: Run) -> tuple[list[str], str]:
    names, every = actors(run), devices(run)
    if len(every) <= MOST_DEVICES:
        return names, ""
    chosen = {every[i] for i in np.linspace(0, len(every) - 1, MOST_DEVICES).round().astype(int)}
    shown = [name for name in names if name in chosen or name not in set(every)]
    return shown, f" ({MOST_DEVICES} of {len(every)} devices shown)"


def _inside(run: Run, window: Window, rows: Sequence[str]) -> dict[str, NDArray[Any]]:
    spans = run.span_arrays
    mine = (
        (spans["end"] > window.start)
        & (spans["start"] < window.end)
        & np.isin(spans["actor"], rows)
    )
    return {column: spans[column][mine] for column in HEADER}


def _bars(
    axes: Axes,
    spans: dict[str, NDArray[Any]],
    at: NDArray[np.float64],
    activity: str,
    factor: float,
) -> None:
    mine = spans["activity"] == activity
    left, right = spans["start"][mine] * factor, spans["end"][mine] * factor
    low, high = at[mine] - 0.4, at[mine] + 0.4
    corners = np.stack([left, low, right, low, right, high, left, high], -1).reshape(-1, 4, 2)
    style = fill(activity)
    crowd = len(corners) / len(np.unique(at[mine]))
    hairline = activity not in RESTING and crowd <= MOST_HAIRLINES
    bars = PolyCollection(
        list(corners),
        facecolor=style.colour,
        hatch=style.hatch or None,
        edgecolor=style.colour if hairline else "#888888" if style.hatch else "none",
        lw=0.6 if hairline else 0.0,
        zorder=1 if activity in RESTING else 2,
        rasterized=len(at) > MOST_SHAPES,
    )
    axes.add_collection(bars, autolim=False)


def _frame(axes: Axes, window: Window, rows: Sequence[str], factor: float, unit: str) -> None:
    axes.set_xlim(window.start * factor, window.end * factor)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), list(rows), fontsize=9 if len(rows) <= 20 else 7)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(f"simulated time ({unit})")


def _legend(activities: Sequence[str], lost: bool) -> list[Patch | Line2D]:
    handles: list[Patch | Line2D] = [*patches(activities)]
    if lost:
        cross = Line2D([], [], marker="x", color="black", ls="", mew=1.6, label="lost or dropped")
        handles.append(cross)
    return handles
