"""Alignment: true rewards against simulated time, and what each device's answers trade for what."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from wfl_sim.results.figures.style import GREY, columns, line_styles, look, save, scale
from wfl_sim.results.run import Run
from wfl_sim.results.statistics import by_label, curve, mean_and_half_width

METRICS: Final = ("reward", "helpfulness", "safety")
HEADER: Final = ("label", "kind", "preference", "x", "y", "low", "high", "seeds")
_TITLES: Final = {
    "reward": "reward at each device's own preference",
    "helpfulness": "helpfulness",
    "safety": "safety",
}


def alignment(runs: Sequence[Run], folder: Path) -> list[Path]:
    """Draw the true rewards of language models: three against time, and the trade-off by device.

    Against time: the mean over devices and seeds with the 95 % t-interval over seeds, as steps. The
    last panel: each device's mean over seeds of helpfulness and safety at the end, with their
    t-intervals, joined in the order of preference; the cross is where all began. Points are the
    larger the more their device cares for helpfulness.

    Returns:
        The paths of PNG, SVG and CSV, named `alignment`; none where no run has such rewards.
    """
    runs = [run for run in runs if ("reward", "personal_mean") in run.measured]
    if not runs:
        return []
    groups = by_label(runs)
    rows: list[tuple[object, ...]] = []
    with look():
        figure = Figure(figsize=(9.6, 7.4))
        panels = figure.subplots(2, 2)
        styles = line_styles(groups)
        for axes, metric in zip(panels.flat, METRICS, strict=False):
            rows += _against_time(axes, metric, groups, styles)
        rows += _trade_off(panels[1, 1], groups, styles)
        handles = [
            Line2D([], [], label=f"{label} (seeds: {len(members)})", **styles[label])
            for label, members in groups.items()
        ]
        handles.append(
            Line2D([], [], color=GREY, marker="x", ls="", label="before tuning (last panel)")
        )
        figure.legend(handles=handles, loc="outside lower center", ncols=columns(handles, 115))
        return save(figure, folder, "alignment", HEADER, rows)


def _against_time(
    axes: Axes,
    metric: str,
    groups: Mapping[str, Sequence[Run]],
    styles: Mapping[str, Mapping[str, Any]],
) -> list[tuple[object, ...]]:
    found = {
        label: curve(members, metric, "personal_mean", "time") for label, members in groups.items()
    }
    factor, unit = scale(max(one.x[-1] for one in found.values()), "s")
    rows: list[tuple[object, ...]] = []
    for label, one in found.items():
        x = one.x * factor
        axes.step(x, one.mean, where="post", markevery=0.15, **styles[label])
        axes.fill_between(
            x, one.low, one.high, step="post", color=styles[label]["color"], alpha=0.14, lw=0
        )
        for at in zip(one.x, one.mean, one.low, one.high, strict=True):
            rows.append((label, metric, None, *at, len(one.seeds)))
    axes.set_xlabel(f"simulated time ({unit})")
    axes.set_ylabel(metric)
    axes.set_title(_TITLES[metric])
    return rows


def _trade_off(
    axes: Axes, groups: Mapping[str, Sequence[Run]], styles: Mapping[str, Mapping[str, Any]]
) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    starts = []
    for label, members in groups.items():
        ends = np.array([_by_device(run, -1) for run in members])
        starts += [_by_device(run, 0)[:, :2].mean(axis=0) for run in members]
        preference = ends[0, :, 2]
        order = np.argsort(preference)
        mean, half = mean_and_half_width(ends[:, :, :2])
        mean, half, preference = mean[order], half[order], preference[order]
        colour, marker = styles[label]["color"], styles[label]["marker"]
        axes.plot(mean[:, 0], mean[:, 1], color=colour, lw=1.0, ls=styles[label]["linestyle"])
        axes.errorbar(
            mean[:, 0], mean[:, 1], half[:, 1], half[:, 0], color=colour, ls="", lw=0.7, alpha=0.6
        )
        axes.scatter(mean[:, 0], mean[:, 1], 15 + 75 * preference, color=colour, marker=marker)
        for (x, y), (_, up), weight in zip(mean, half, preference, strict=True):
            rows.append((label, "trade-off", weight, x, y, y - up, y + up, len(members)))
    x, y = np.mean(starts, axis=0)
    axes.plot(x, y, color=GREY, marker="x", ms=9, mew=2, ls="")
    rows.append(("before tuning", "trade-off", None, x, y, None, None, len(starts)))
    axes.set_xlabel("helpfulness of a device's answers")
    axes.set_ylabel("safety of a device's answers")
    axes.set_title("trade-off by device (larger: cares more for help)")
    return rows


def _by_device(run: Run, at: int) -> np.ndarray:
    """Return (devices, 3) helpfulness, safety and preference at an evaluation, first or last."""
    found: list[np.ndarray] = []
    for metric in ("helpfulness", "safety", "preference"):
        table = run.metric_arrays
        picked = (table["metric"] == metric) & (table["scope"] == "device")
        times = table["time"][picked]
        when = times.min() if at == 0 else times.max()
        here = picked & (table["time"] == when)
        found.append(table["value"][here])
    return np.stack(found, axis=1)
