"""Links: distributions of SINR and rate, SINR by cell and by place, and throughput over time."""

from collections.abc import Iterator, Sequence
from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import RegularPolygon
from numpy.typing import NDArray

from channel_models.validation import FloatArray
from wfl_sim.config.errors import counted
from wfl_sim.results.figures.legends import add_legend
from wfl_sim.results.figures.look import Drawing, saved
from wfl_sim.results.figures.style import (
    GREY,
    INK,
    fill,
    halos,
    line_handles,
    line_styles,
    logarithmic,
    patches,
    scale,
    set_label,
)
from wfl_sim.results.run import Run
from wfl_sim.results.statistics import by_label, lowest_seeds
from wfl_sim.results.tables import file_name, natural_key
from wfl_sim.results.totals import hexagon_radius, level, sites, transfers

LINKS_HEADER: Final = ("label", "activity", "quantity", "value", "share")
_QUANTITIES: Final = {
    "mean_sinr_db": ("mean SINR of a transfer (dB)", 1.0),
    "mean_rate": ("mean rate of a transfer (Mbit/s)", 1e-6),
}


@saved
def links(runs: Sequence[Run]) -> Iterator[Drawing]:
    """Draw the distribution functions of SINR and rate, separately for uploads and downloads.

    Transfers of all seeds of a label are pooled with equal weights. The parts of a transfer before
    and after a handover count separately. Labels that send nothing over the air are not named.

    Named `links`; none if nothing was sent over the air.
    """
    labels = by_label(runs)
    activities = [
        activity
        for activity in ("upload", "download")
        if transfers(runs, activity, "mean_rate").size
    ]
    if not activities:
        return
    rows: list[tuple[object, ...]] = []
    figure = Figure(figsize=(9.6, 0.9 + 2.9 * len(activities)))
    panels = figure.subplots(len(activities), 2, squeeze=False)
    styles = line_styles(labels)
    known: set[str] = set()
    cases = [(activity, quantity) for activity in activities for quantity in _QUANTITIES]
    for axes, (activity, quantity) in zip(panels.flat, cases, strict=True):
        title, factor = _QUANTITIES[quantity]
        pooled = {name: transfers(of, activity, quantity) for name, of in labels.items()}
        sent = {label: found for label, found in pooled.items() if found.size}
        known |= set(sent)
        extra = halos([(found, found) for found in sent.values()])
        for (label, found), wider in zip(sent.items(), extra, strict=True):
            share = (np.arange(found.size) + 1) / found.size
            width = mpl.rcParams["lines.linewidth"] * (1 + wider)
            style = {**styles[label], "marker": "", "lw": width}
            x, y = np.append(found[0], found) * factor, np.append(0, share)
            axes.step(x, y, where="post", **style)
            pairs = zip(found.tolist(), share.tolist(), strict=True)
            rows += [(label, activity, quantity, *pair) for pair in pairs]
        axes.set_xlabel(title)
        axes.set_ylabel(f"share of {activity}s below")
        axes.set_ylim(0, 1)
        if quantity == "mean_rate":
            logarithmic(axes, "x", axes.dataLim.minposx, axes.dataLim.x1)
    if len(labels) > 1:
        shown = {label: style for label, style in styles.items() if label in known}
        add_legend(figure, line_handles(shown, marker=""), width=115)
    yield Drawing("links", figure, LINKS_HEADER, rows)


BINS: Final = 120
"""Equal parts of the longest run over which throughput is averaged."""
LEAST_UPLOADS: Final = 10
ACTIVITIES: Final = ("upload", "download")
_COLOURS: Final = "cividis"


@saved
def cells(runs: Sequence[Run]) -> Iterator[Drawing]:
    """Draw the SINR of transfers by cell, for each label of several cells, seeds pooled.

    A box is the middle half with its median, whiskers the middle 90 %; one transfer is one value.

    Named `sinr-by-cell-<label>`.
    """
    for label, members in by_label(runs).items():
        found = {
            (activity, cell): values
            for activity in ACTIVITIES
            for cell, values in _by_cell(members, activity).items()
        }
        names = sorted({cell for _, cell in found}, key=natural_key)
        if len(names) < 2:
            continue
        figure = Figure(figsize=(max(4.8, min(9.6, 1.8 + 0.55 * len(names))), 3.8))
        axes = figure.subplots()
        shown = [a for a in ACTIVITIES if any(a == activity for activity, _ in found)]
        for number, activity in enumerate(shown):
            places = [i for i, name in enumerate(names) if (activity, name) in found]
            axes.boxplot(
                [found[activity, names[i]] for i in places],
                positions=[i + 0.36 * (number - (len(shown) - 1) / 2) for i in places],
                widths=0.3,
                whis=(5, 95),
                showfliers=False,
                patch_artist=True,
                boxprops={"facecolor": fill(activity).colour, "edgecolor": INK, "lw": 0.7},
                medianprops={"color": INK, "lw": 1.4},
                whiskerprops={"color": INK, "lw": 0.7},
                capprops={"color": INK, "lw": 0.7},
            )
        axes.set_xticks(range(len(names)), [name.removeprefix("cell-") for name in names])
        axes.set_xlim(-0.6, len(names) - 0.4)
        axes.set_xlabel("cell")
        axes.set_ylabel("mean SINR of a transfer (dB)")
        figure.suptitle(f"{label}: SINR by cell")
        boxes = Line2D([], [], color=INK, lw=0.7, label="boxes: middle half, whiskers: middle 90 %")
        add_legend(figure, [*patches(shown), boxes], width=70)
        rows = [(*key, value) for key, values in found.items() for value in values.tolist()]
        name = file_name("sinr-by-cell", label)
        yield Drawing(name, figure, ("activity", "cell", "mean_sinr_db"), rows)


@saved
def throughput(runs: Sequence[Run]) -> Iterator[Drawing]:
    """Draw what all transfers carried over time, for the lowest seed of each label.

    The bits of a transfer count evenly over its duration, those of a broadcast for each receiver,
    and a point is the mean over 1/120 of the longest run.

    Named `throughput`; none if nothing was sent over the air.
    """
    first = lowest_seeds(runs)
    ends = [float(run.span_arrays["end"].max(initial=0.0)) for run in first.values()]
    edges = np.linspace(0.0, max(ends) or 1.0, BINS + 1)
    found = {
        activity: {
            label: rates
            for label, run in first.items()
            if (rates := _throughput(run, activity, edges)).any()
        }
        for activity in ACTIVITIES
    }
    shown = [activity for activity in ACTIVITIES if found[activity]]
    if not shown:
        return
    rows: list[tuple[object, ...]] = []
    figure = Figure(figsize=(9.6, 0.9 + 2.5 * len(shown)))
    styles = line_styles(first)
    for axes, activity in zip(
        figure.subplots(len(shown), 1, sharex=True, squeeze=False).flat, shown, strict=True
    ):
        lines = found[activity]
        factor, unit = scale(max(rates.max() for rates in lines.values()), "bit/s")
        seconds, clock = scale(edges[-1], "s")
        extra = halos([(rates, rates) for rates in lines.values()])
        for (label, rates), wider in zip(lines.items(), extra, strict=True):
            width = mpl.rcParams["lines.linewidth"] * (1 + wider)
            style = {**styles[label], "marker": "", "lw": width}
            y = np.append(rates, rates[-1]) * factor
            axes.step(edges * seconds, y, where="post", **style)
            pairs = zip(edges.tolist(), rates.tolist(), strict=False)
            rows += [(label, activity, *pair) for pair in pairs]
        set_label(axes, "y", f"{activity}s", unit)
        set_label(axes, "x", "simulated time", clock)
        axes.set_ylim(bottom=0)
    figure.suptitle("Throughput of all devices, lowest seed")
    sending = [label for label in styles if any(label in each for each in found.values())]
    if len(styles) > 1:
        shown_styles = {label: styles[label] for label in sending}
        add_legend(figure, line_handles(shown_styles, marker=""), width=115)
    yield Drawing("throughput", figure, ("label", "activity", "time", "rate"), rows)


@saved
def coverage(runs: Sequence[Run]) -> Iterator[Drawing]:
    """Draw a map of the SINR of uploads where they were made, for each label, seeds pooled.

    A hexagon has the mean over the uploads whose devices were in it at half of their time; empty
    ones are white. Cells are triangles, with the borders of a hexagonal layout.

    Named `coverage-<label>`; none where fewer than 10 uploads say where they were.
    """
    for label, members in by_label(runs).items():
        points = np.concatenate([_points(run) for run in members])
        if len(points) < LEAST_UPLOADS:
            continue
        places, edge = sites(members[0]), hexagon_radius(members[0])
        figure = Figure(figsize=(6.4, 5.4))
        axes = figure.subplots()
        x, y, sinr = points.T
        size = int(np.clip(1.2 * np.sqrt(len(points)), 8, 40))
        image = axes.hexbin(x, y, sinr, gridsize=size, cmap=_COLOURS, lw=0.2, mincnt=1)
        image.set_clim(*np.percentile(np.asarray(image.get_array()), (2, 98)))
        for site in places if edge is not None else ():
            border = RegularPolygon(
                (site[0], site[1]), 6, radius=edge or 1.0, orientation=np.pi / 6
            )
            border.set(facecolor="none", edgecolor=GREY, lw=0.8)
            axes.add_patch(border)
        for number, site in enumerate(places):
            axes.plot(*site, "^", color="white", mec=INK, ms=8, zorder=4)
            axes.annotate(str(number), site, xytext=(6, 4), textcoords="offset points")
        # Hexagons reach beyond the places in them.
        reach = np.ptp(points[:, :2], axis=0) / size
        axes.update_datalim((points[:, :2].min(axis=0) - reach, points[:, :2].max(axis=0) + reach))
        axes.set_aspect("equal", adjustable="datalim")
        axes.autoscale_view()
        axes.grid(visible=False)
        axes.set_xlabel("x (m)")
        axes.set_ylabel("y (m)")
        figure.suptitle(f"{label}: SINR of {counted(len(points), 'upload')}, by place")
        figure.colorbar(image, ax=axes, label="mean SINR of uploads (dB)", extend="both")
        name = file_name("coverage", label)
        yield Drawing(name, figure, ("x", "y", "mean_sinr_db"), points.tolist())


def _by_cell(runs: Sequence[Run], activity: str) -> dict[str, FloatArray]:
    columns = ("cell", "mean_sinr_db")
    found = [[run.span_arrays[name][_transfers(run, activity)] for name in columns] for run in runs]
    cell, sinr = (np.concatenate(each) for each in zip(*found, strict=True))
    return {str(name): sinr[cell == name] for name in np.unique(cell)}


def _transfers(run: Run, activity: str) -> NDArray[np.bool_]:
    spans = run.span_arrays
    mine = (spans["activity"] == activity) & (spans["bits"] > 0)
    return np.asarray(mine & np.isfinite(spans["mean_sinr_db"]))


def _throughput(run: Run, activity: str, edges: FloatArray) -> FloatArray:
    """Return the mean bit/s of all transfers between edges in s."""
    spans = run.span_arrays
    mine = (spans["activity"] == activity) & (spans["bits"] > 0)
    start, end, bits = (spans[name][mine] for name in ("start", "end", "bits"))
    rate = bits / (end - start)
    # Bits until a time: what has begun, less what is still to come of it.
    until = np.zeros(len(edges))
    for times, sign in ((start, 1.0), (end, -1.0)):
        order = np.argsort(times)
        rates, moved = np.cumsum(rate[order]), np.cumsum(rate[order] * times[order])
        count = np.searchsorted(times[order], edges, side="right")
        until += sign * (np.append(0.0, rates)[count] * edges - np.append(0.0, moved)[count])
    return np.asarray(np.maximum(np.diff(until) / np.diff(edges), 0.0))


def _points(run: Run) -> FloatArray:
    """Return x and y in m, and SINR in dB, of every upload, (n, 3)."""
    spans, mine, found = run.span_arrays, _transfers(run, "upload"), []
    for device in run.devices:
        own = mine & (spans["actor"] == device)
        middle = (spans["start"][own] + spans["end"][own]) / 2
        axes = [level(run, device, quantity) for quantity in ("x", "y")]
        if middle.size and all(times.size for times, _ in axes):
            x, y = (np.interp(middle, *each) for each in axes)
            found.append(np.column_stack((x, y, spans["mean_sinr_db"][own])))
    return np.concatenate(found) if found else np.empty((0, 3))
