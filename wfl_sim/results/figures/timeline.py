"""Timeline: the activities of servers, cells and devices over time, as a Gantt chart."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from channel_models.validation import FloatArray
from wfl_sim.results.figures.legends import add_legend
from wfl_sim.results.figures.look import Drawing, saved
from wfl_sim.results.figures.style import fill, in_order, patches, scale, set_label, set_rows
from wfl_sim.results.run import Run
from wfl_sim.results.statistics import lowest_seeds
from wfl_sim.results.tables import file_name, natural_key
from wfl_sim.results.totals import RESTING, at_even_distances, took_part

MOST_DEVICES: Final = 40
MOST_HAIRLINES: Final = 100
"""In a row; with more, the hairlines of short activities would hide the long ones."""
MOST_SHAPES: Final = 5000
"""With more, the bars of an SVG are stored as an image inside it."""
HEADER: Final = ("actor", "activity", "start", "end", "round", "bits", "joules", "outcome")


@dataclass(frozen=True)
class Window:
    """The part of a run that is drawn."""

    start: float
    """Simulated time in s."""
    end: float
    """Simulated time in s."""
    title: str
    name: str
    """File name without suffix."""


@saved
def timeline(runs: Sequence[Run], *, round: int | None = None) -> Iterator[Drawing]:
    """Draw the run and one round of it, for the lowest seed of each label.

    Rows are servers and cells, then devices. Of more than 40 devices those are shown that took
    part in what is drawn, at most 40 at even distances, and the title says so. A cross marks the
    end of a span that was lost or dropped. A span that is too short to be seen is still a hairline,
    unless its row has more than 100 of its kind.

    Args:
        runs: Runs of any labels and seeds.
        round: The round to draw; the one of median length unless given.

    Named `timeline-<label>-run` and `timeline-<label>-round`.

    Raises:
        ValueError: A run has no such round.
    """
    for label, run in lowest_seeds(runs).items():
        if run.spans.num_rows:
            for window in _windows(run, label, round):
                yield _drawn(run, window)


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
    extents, title = rounds(run), f"{label}, seed {run.seed}"
    if wanted is not None and wanted not in extents:
        raise ValueError(f"{run.folder}: has no round {wanted}")
    end = float(run.span_arrays["end"].max())
    windows = [Window(0.0, end, f"{title}: the run", file_name("timeline", label, "run"))]
    if extents:
        by_length = sorted(extents, key=lambda number: np.diff(extents[number]).item())
        number = by_length[(len(by_length) - 1) // 2] if wanted is None else wanted
        why = "" if wanted is not None else ", the one of median length"
        title, name = f"{title}: round {number}{why}", file_name("timeline", label, "round")
        windows.append(Window(*extents[number], title, name))
    return windows


def _drawn(run: Run, window: Window) -> Drawing:
    actors_shown, note = _shown_actors(run, window)
    spans = _inside(run, window, actors_shown)
    few = len(actors_shown) <= 20
    row_of = {actor: row for row, actor in enumerate(actors_shown)}
    rows = np.array([row_of[actor] for actor in spans["actor"].tolist()], np.float64)
    figure = Figure(figsize=(9.6, 1.7 + (0.24 if few else 0.18) * len(actors_shown)))
    axes = figure.subplots()
    factor, unit = scale(window.end, "s")
    seen = in_order(spans["activity"].tolist())
    for activity in seen:
        _draw_bars(axes, spans, rows, activity, factor)
    lost = np.isin(spans["outcome"], ("lost", "dropped"))
    cross: dict[str, Any] = {"marker": "x", "color": "black", "ls": "", "mew": 1.6}
    axes.plot(spans["end"][lost] * factor, rows[lost], ms=6, zorder=3, **cross)
    axes.set_xlim(window.start * factor, window.end * factor)
    set_rows(axes, actors_shown, fontsize=9 if few else 7)
    set_label(axes, "x", "simulated time", unit)
    figure.suptitle(window.title + note)
    handles: list[Artist] = [*patches(seen)]
    if lost.any():
        handles.append(Line2D([], [], label="lost or dropped", **cross))
    add_legend(figure, handles, width=115)
    numbers = zip(*(spans[column].tolist() for column in HEADER), strict=True)
    return Drawing(window.name, figure, HEADER, numbers)


def _shown_actors(run: Run, window: Window) -> tuple[list[str], str]:
    """Return the actors that have a row, and a note for the title if some have none."""
    every = run.devices
    own = set(every)
    names = np.unique(run.span_arrays["actor"]).tolist()
    names.sort(key=lambda name: (name in own, natural_key(name)))
    if len(every) <= MOST_DEVICES:
        return names, ""
    active = took_part(run, window.start, window.end)
    note = f"{len(active) or 'none'} of {len(every)} devices took part"
    if len(active or every) > MOST_DEVICES:
        note = f"{note}, {MOST_DEVICES} are shown"
    shown = at_even_distances(active or every, MOST_DEVICES)
    return [name for name in names if name not in own] + shown, f" ({note})"


def _inside(run: Run, window: Window, shown: Sequence[str]) -> dict[str, NDArray[Any]]:
    spans = run.span_arrays
    overlaps = (spans["end"] > window.start) & (spans["start"] < window.end)
    mine = overlaps & np.isin(spans["actor"], shown)
    return {column: spans[column][mine] for column in HEADER}


def _draw_bars(
    axes: Axes,
    spans: dict[str, NDArray[Any]],
    rows: FloatArray,
    activity: str,
    factor: float,
) -> None:
    mine = spans["activity"] == activity
    left, right = spans["start"][mine] * factor, spans["end"][mine] * factor
    low, high = rows[mine] - 0.4, rows[mine] + 0.4
    corners = np.stack([left, low, right, low, right, high, left, high], -1).reshape(-1, 4, 2)
    style = fill(activity)
    per_row = len(corners) / len(np.unique(rows[mine]))
    hairline = activity not in RESTING and per_row <= MOST_HAIRLINES
    bars = PolyCollection(
        list(corners),
        facecolor=style.colour,
        hatch=style.hatch or None,
        edgecolor=style.colour if hairline else "#888888" if style.hatch else "none",
        lw=0.6 if hairline else 0.0,
        zorder=1 if activity in RESTING else 2,
        rasterized=len(rows) > MOST_SHAPES,
    )
    axes.add_collection(bars, autolim=False)
