"""Tracks: paths of devices, their serving cells, and the rates of one device on its way."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from channel_models.validation import FloatArray
from wfl_sim.results.figures.look import Drawing, saved
from wfl_sim.results.figures.style import GREY, INK
from wfl_sim.results.run import Run
from wfl_sim.results.statistics import lowest_seeds
from wfl_sim.results.tables import file_name
from wfl_sim.results.totals import level, sites

HEADER: Final = ("what", "device", "time", "x", "y", "cell", "rate")
MOST_NAMED: Final = 7
"""With more cells colours come again: numbers on the map and above the rates name the cells."""


@saved
def tracks(runs: Sequence[Run]) -> Iterator[Drawing]:
    """Draw paths and serving cells for the lowest seed of each label whose devices have moved.

    Left, a map: cells as triangles, the path of each device in the colour of its serving cell, and
    a ring at each handover. Right, one device: the mean rates of its transfers over time, in the
    colour of their cell, with rings and dotted lines at the gaps of handovers. It is the device
    with the most handovers during transfers; of several, the one with the most handovers.

    Named `tracks-<label>`.
    """
    for label, run in lowest_seeds(runs).items():
        moving = [name for name in run.devices if level(run, name, "x")[0].size > 1]
        if moving:
            yield _drawn(run, moving, label)


def serving(run: Run, device: str) -> tuple[FloatArray, NDArray[np.int64]]:
    """Return the times in s from which a cell served a device, and the numbers of the cells."""
    times, cells = level(run, device, "cell")
    return times, cells.astype(np.int64)


def _drawn(run: Run, moving: Sequence[str], label: str) -> Drawing:
    shown = _busiest(run, moving)
    figure = Figure(figsize=(9.6, 5.2))
    left, right = figure.subplots(1, 2, width_ratios=(1.0, 1.15))
    rows = _draw_map(left, run, moving) + _draw_rates(right, run, shown)
    figure.suptitle(f"{label}, seed {run.seed}")
    right.set_title(f"{shown}", fontsize="medium")
    cells = sorted({int(row[5]) for row in rows if row[5] is not None})
    handles = [
        Line2D([], [], color=_colour(cell), lw=3, label=f"cell-{cell}")
        for cell in (cells if len(sites(run)) <= MOST_NAMED else ())
    ]
    handles.append(Line2D([], [], marker="o", ls="", mfc="none", color=INK, label="handover"))
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 8))
    return Drawing(file_name("tracks", label), figure, HEADER, rows)


def _colour(cell: int) -> str:
    colours: list[str] = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
    return colours[cell % len(colours)]


def _draw_map(axes: Axes, run: Run, moving: Sequence[str]) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for device in moving:
        times, x = level(run, device, "x")
        _, y = level(run, device, "y")
        since, cells = serving(run, device)
        cell = cells[np.clip(np.searchsorted(since, times, side="right") - 1, 0, None)]
        points, colours = np.column_stack((x, y)), [_colour(each) for each in cell[:-1]]
        segments = list(np.stack((points[:-1], points[1:]), axis=1))
        axes.add_collection(LineCollection(segments, colors=colours, lw=1.6))
        at = [np.interp(since[1:], times, coordinate) for coordinate in (x, y)]
        axes.plot(*at, "o", mfc="none", color=INK, ms=5, zorder=3)
        numbers = zip(times.tolist(), x.tolist(), y.tolist(), cell.tolist(), strict=True)
        rows += [("place", device, *each, None) for each in numbers]
    for number, site in enumerate(sites(run)):
        axes.plot(*site, "^", color=_colour(number), ms=10, mec=INK, zorder=4)
        axes.annotate(str(number), site, xytext=(7, 4), textcoords="offset points", color=INK)
    axes.set_aspect("equal", adjustable="datalim")
    axes.autoscale_view()
    axes.set_xlabel("x (m)")
    axes.set_ylabel("y (m)")
    axes.set_title("where devices went, and who served them", fontsize="medium")
    return rows


def _draw_rates(axes: Axes, run: Run, device: str) -> list[tuple[Any, ...]]:
    spans, rows = run.span_arrays, []
    mine = (spans["actor"] == device) & np.isin(spans["activity"], ("upload", "download"))
    for i in np.flatnonzero(mine & np.isfinite(spans["mean_rate"])):
        cell = int(str(spans["cell"][i]).rpartition("-")[2])
        ends, rate = (spans["start"][i], spans["end"][i]), spans["mean_rate"][i] / 1e6
        style = "-" if spans["activity"][i] == "upload" else "--"
        axes.plot(ends, (rate, rate), ls=style, color=_colour(cell), lw=3)
        if len(sites(run)) > MOST_NAMED:
            axes.annotate(
                str(cell),
                (np.mean(ends), rate),
                xytext=(0, 3),
                textcoords="offset points",
                ha="center",
                color=INK,
            )
        rows.append(("rate", device, ends[0], None, None, cell, rate * 1e6))
    gaps = (spans["actor"] == device) & (spans["activity"] == "handover")
    for start in spans["start"][gaps]:
        axes.axvline(start, color=GREY, ls=":", lw=1)
        axes.plot(start, 0, "o", mfc="white", color=INK, ms=5, zorder=3, clip_on=False)
    axes.set_xlabel("simulated time (s)")
    axes.set_ylabel("mean rate (Mbit/s); uploads solid, downloads dashed")
    axes.set_ylim(bottom=0)
    return rows


def _busiest(run: Run, moving: Sequence[str]) -> str:
    spans = run.span_arrays
    gaps = spans["actor"][spans["activity"] == "handover"]
    return max(moving, key=lambda name: (int((gaps == name).sum()), serving(run, name)[0].size))
