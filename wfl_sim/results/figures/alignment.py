"""Alignment: true rewards against simulated time, and the trade-off of each device's answers."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from channel_models.validation import FloatArray
from wfl_sim.results.figures.convergence import draw_mean
from wfl_sim.results.figures.legends import add_legend
from wfl_sim.results.figures.look import Drawing, saved
from wfl_sim.results.figures.style import (
    GREY,
    Styles,
    interval_handle,
    line_handles,
    line_styles,
    scale,
    set_label,
)
from wfl_sim.results.run import Run
from wfl_sim.results.statistics import by_label, curve, lowest_seeds, mean_and_half_width

HEADER: Final = ("label", "kind", "preference", "x", "y", "low", "high", "seeds")
_TITLES: Final = {
    "reward": "reward at each device's own preference",
    "helpfulness": "helpfulness",
    "safety": "safety",
}

Groups = Mapping[str, Sequence[Run]]


@saved
def alignment(runs: Sequence[Run], *, error_bars: bool = False) -> Iterator[Drawing]:
    """Draw the true rewards of language models: three against time, and the trade-off by device.

    Against time: the mean over devices and seeds with the 95 % t-interval over seeds, as steps. The
    last panel: each device's mean over seeds of helpfulness and safety at the end, with their
    t-intervals, joined in the order of preference; the cross is the mean before tuning. The larger
    a point, the greater the weight of helpfulness in its device's preference.

    Named `alignment`; none if no run has such rewards.
    """
    runs = [run for run in runs if ("reward", "personal_mean") in run.measured]
    if not runs:
        return
    groups = by_label(runs)
    rows: list[tuple[object, ...]] = []
    figure = Figure(figsize=(9.6, 7.4))
    panels = figure.subplots(2, 2)
    styles = line_styles(groups)
    for axes, metric in zip(panels.flat, _TITLES, strict=False):
        rows += _draw_metric(axes, metric, groups, styles, error_bars)
    rows += _draw_trade_off(panels[1, 1], groups, styles)
    names = {f"{label} (seeds: {len(groups[label])})": style for label, style in styles.items()}
    handles: list[Artist] = [*line_handles(names)]
    if any(len(members) > 1 for members in groups.values()):
        handles.append(interval_handle(band=not error_bars))
    before = "before tuning (last panel)"
    handles.append(Line2D([], [], color=GREY, marker="x", ls="", label=before))
    add_legend(figure, handles, width=115)
    yield Drawing("alignment", figure, HEADER, rows)


@saved
def rewards(runs: Sequence[Run]) -> Iterator[Drawing]:
    """Draw the reward of every device over time, for the lowest seed of up to 4 labels.

    A line is a device, in the colour of its preference where the run has it.

    Named `rewards`; none if no run has rewards by device.
    """
    having = [run for run in runs if ("reward", "device") in run.measured]
    if not having:
        return
    shown = dict(list(lowest_seeds(having).items())[:4])
    rows: list[tuple[object, ...]] = []
    figure = Figure(figsize=(1.4 + 3.6 * max(len(shown), 2), 3.8))
    norm, colours = Normalize(0.0, 1.0), mpl.colormaps["cividis"]
    panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)
    for axes, (label, run) in zip(panels.flat, shown.items(), strict=True):
        table, end = run.metric_arrays, run.seconds
        factor, unit = scale(end, "s")
        for device in run.devices:
            mine = (table["metric"] == "reward") & (table["device"] == device)
            weighed = (table["metric"] == "preference") & (table["device"] == device)
            weight = float(table["value"][weighed][0]) if weighed.any() else 0.5
            time, value = table["time"][mine], table["value"][mine]
            axes.step(time * factor, value, where="post", color=colours(norm(weight)), lw=1.2)
            pairs = zip(time.tolist(), value.tolist(), strict=True)
            rows += [(label, device, weight, *pair) for pair in pairs]
        set_label(axes, "x", "simulated time", unit)
        axes.set_title(f"{label}, seed {run.seed}")
    panels[0, 0].set_ylabel("reward of a device")
    figure.colorbar(
        ScalarMappable(norm, colours), ax=list(panels.flat), label="weight of helpfulness"
    )
    header = ("label", "device", "preference", "time", "reward")
    yield Drawing("rewards", figure, header, rows)


def _draw_metric(
    axes: Axes, metric: str, groups: Groups, styles: Styles, error_bars: bool
) -> list[tuple[object, ...]]:
    curves = [curve(members, metric, "personal_mean", "time") for members in groups.values()]
    factor, unit = scale(max(one.x[-1] for one in curves), "s")
    for one in curves:
        draw_mean(axes, one, styles[one.label], factor, 0.15, bars=error_bars)
    set_label(axes, "x", "simulated time", unit)
    axes.set_ylabel(metric)
    axes.set_title(_TITLES[metric])
    return [
        (one.label, metric, None, *point, len(one.seeds))
        for one in curves
        for point in zip(one.x, one.mean, one.low, one.high, strict=True)
    ]


def _draw_trade_off(axes: Axes, groups: Groups, styles: Styles) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    starts = []
    for label, members in groups.items():
        ends = np.array([_by_device(run, -1) for run in members])
        starts += [_by_device(run, 0)[:, :2].mean(axis=0) for run in members]
        order = np.argsort(ends[0, :, 2])
        preference = ends[0, order, 2]
        mean, half = mean_and_half_width(ends[:, order, :2])
        style = styles[label]
        colour, (xs, ys) = style["color"], mean.T
        axes.plot(xs, ys, color=colour, lw=1.0, ls=style["linestyle"])
        axes.errorbar(xs, ys, half[:, 1], half[:, 0], color=colour, ls="", lw=0.7, alpha=0.6)
        axes.scatter(xs, ys, 15 + 75 * preference, color=colour, marker=style["marker"])
        for (x, y), (_, up), weight in zip(mean, half, preference, strict=True):
            rows.append((label, "trade-off", weight, x, y, y - up, y + up, len(members)))
    x, y = np.mean(starts, axis=0)
    axes.plot(x, y, color=GREY, marker="x", ms=9, mew=2, ls="")
    rows.append(("before tuning", "trade-off", None, x, y, None, None, len(starts)))
    axes.set_xlabel("helpfulness of a device's answers")
    axes.set_ylabel("safety of a device's answers")
    axes.set_title("trade-off by device (larger: cares more for help)")
    return rows


def _by_device(run: Run, evaluation: int) -> FloatArray:
    """Return (devices, 3) helpfulness, safety and preference at evaluation 0 (first) or -1."""
    table = run.metric_arrays
    found: list[FloatArray] = []
    for metric in ("helpfulness", "safety", "preference"):
        mine = (table["metric"] == metric) & (table["scope"] == "device")
        when = np.unique(table["time"][mine])[evaluation]
        found.append(table["value"][mine & (table["time"] == when)])
    return np.stack(found, axis=1)
