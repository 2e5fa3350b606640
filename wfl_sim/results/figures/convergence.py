"""Convergence: a metric against its costs in seconds, rounds, joules and bits."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from wfl_sim.records import Scope
from wfl_sim.results.figures.legends import add_legend
from wfl_sim.results.figures.look import SCREEN, Look
from wfl_sim.results.figures.style import (
    GREY,
    INK,
    Styles,
    add_share,
    halos,
    interval_handle,
    line_handles,
    line_styles,
    scale,
    set_label,
)
from wfl_sim.results.run import Run
from wfl_sim.results.statistics import Cost, Curve, by_label, curve, default_target, is_falling
from wfl_sim.results.tables import file_name

COSTS: Final[dict[Cost, tuple[str, str]]] = {
    "time": ("simulated time", "s"),
    "rounds": ("completed rounds", ""),
    "joules": ("energy drawn", "J"),
    "bits": ("sent over the air", "bit"),
}
SCOPES: Final[dict[Scope, str]] = {
    "global": "shared model on pooled test data",
    "personal_mean": "mean of the personal models",
    "personal_worst10": "worst tenth of the personal models",
}
MOST_BANDS: Final = 7
"""Labels up to which there are bands and lines of single seeds; with more they would cover all."""
HEADER: Final = ("label", "cost", "kind", "seed", "x", "value", "low", "high", "seeds")


def convergence(
    runs: Sequence[Run],
    folder: Path | str,
    *,
    metric: str = "accuracy",
    scope: Scope = "personal_mean",
    target: float | None = None,
    look: Look = SCREEN,
) -> list[Path]:
    """Draw a metric against time, rounds, joules and bits: four panels of one figure.

    For each label: the mean over seeds (thick), the 95 % t-interval of the mean where there are at
    least two seeds (band), and every seed (faint), all as steps; see `statistics.curve`. With more
    than 7 labels there are means alone. A line that equals a later one is wider. The dotted
    horizontal line is the target, `default_target` unless given. A tick on it stands at the mean
    cost over the seeds that reached it; if some did not, their share is written beside it, of up to
    7 labels. A label that never sends is a dashed level at its final value in the panel against
    bits.

    Returns:
        The paths of PNG, SVG and CSV, named `convergence-<metric>-<scope>`.

    Raises:
        ValueError: A run has no such metric, or a label has a seed twice.
    """
    groups = by_label(runs)
    if target is None:
        target = default_target(runs, metric, scope)
    curves = {
        cost: [curve(members, metric, scope, cost, target) for members in groups.values()]
        for cost in COSTS
    }
    with look():
        figure = Figure(figsize=(9.6, 6.8 + 0.06 * len(groups)))
        panels = figure.subplots(2, 2, sharey=True)
        styles = line_styles(groups)
        for axes, (cost, of_cost) in zip(panels.flat, curves.items(), strict=True):
            name, unit = COSTS[cost]
            factor, prefixed = scale(max(one.x[-1] for one in of_cost), unit)
            set_label(axes, "x", name, prefixed)
            axes.xaxis.set_major_locator(
                MaxNLocator(nbins=8, steps=[1, 2, 5, 10], integer=not unit)
            )
            _draw_curves(axes, of_cost, styles, target, factor, look)
            _draw_levels(axes, of_cost, styles, falling=is_falling(metric))
        for axes in panels[:, 0]:
            axes.set_ylabel(metric)
        _limit(panels[0, 0], curves["rounds"], target)
        finite = any(np.isfinite(one.mean).any() for one in curves["rounds"])
        title = f"{metric}: {SCOPES.get(scope, scope)}"
        figure.suptitle(title if finite else f"{title}: no finite value")
        handles = _handles(curves["rounds"], styles, target)
        intervals = any(len(members) > 1 for members in groups.values())
        if intervals and (look.error_bars or len(groups) <= MOST_BANDS):
            handles.append(interval_handle(band=not look.error_bars))
        add_legend(figure, handles, width=135)
        rows = [row for cost, of_cost in curves.items() for row in _rows(cost, of_cost, target)]
        return look.save(figure, folder, file_name("convergence", metric, scope), HEADER, rows)


def draw_mean(
    axes: Axes,
    one: Curve,
    style: Mapping[str, Any],
    factor: float,
    markevery: float,
    *,
    bars: bool | None = False,
) -> None:
    """Draw the mean of a curve as steps, and the interval of the mean as a band.

    With `bars` the interval is drawn as about eight bars; it is left out if `bars` is None.
    """
    if not np.isfinite(one.mean).any():  # matplotlib cannot place marks on a line without points
        return
    x = one.x * factor
    axes.step(x, one.mean, where="post", markevery=markevery, **style)
    if bars:
        kept = np.unique(np.linspace(0, len(x) - 1, 8).round().astype(int))
        half = one.half_width[kept]
        axes.errorbar(
            x[kept], one.mean[kept], half, fmt="none", ecolor=style["color"], lw=0.9, capsize=2
        )
    elif bars is not None:
        axes.fill_between(x, one.low, one.high, step="post", color=style["color"], alpha=0.14, lw=0)


def _draw_curves(
    axes: Axes,
    curves: Sequence[Curve],
    styles: Styles,
    target: float | None,
    factor: float,
    look: Look,
) -> None:
    shown = [one for one in curves if not one.is_level]
    few = len(shown) <= MOST_BANDS
    extra = halos([(one.x, one.mean) for one in shown])
    for one, wider in zip(shown, extra, strict=True):
        style = {**styles[one.label], "lw": mpl.rcParams["lines.linewidth"] * (1 + wider)}
        for _, x, value in one.seeds if few and not look.error_bars else ():
            axes.step(x * factor, value, where="post", color=style["color"], lw=0.7, alpha=0.45)
        draw_mean(axes, one, style, factor, 0.12, bars=look.error_bars or (False if few else None))
        end = one.x[-1] * factor
        axes.plot(end, one.mean[-1], color=style["color"], marker=style["marker"])
    if target is not None:
        axes.axhline(target, color=GREY, lw=1.0, ls=(0, (1, 2)), zorder=1)
        for one in shown:
            if one.crossings:
                _draw_crossing(axes, one, target, styles[one.label]["color"], factor, named=few)


def _draw_crossing(
    axes: Axes, one: Curve, target: float, colour: str, factor: float, *, named: bool
) -> None:
    x = float(np.mean(one.crossings)) * factor
    for width, shade in ((4.2, "white"), (2.4, colour)):
        axes.plot(x, target, marker="|", ms=17, mew=width, color=shade, ls="", zorder=4)
    if named:
        add_share(axes, len(one.crossings), len(one.seeds), (x, target), colour)


def _draw_levels(axes: Axes, curves: Sequence[Curve], styles: Styles, *, falling: bool) -> None:
    levels = [one for one in curves if one.is_level]
    for one in levels:
        colour = styles[one.label]["color"]
        axes.axhline(one.mean[-1], color=colour, lw=1.5, dashes=(7, 3))
        axes.axhspan(one.low[-1], one.high[-1], color=colour, alpha=0.10, lw=0)
    if levels:
        y, side = (0.97, "top") if falling else (0.03, "bottom")
        names = ", ".join(one.label for one in levels)
        names = names if len(names) <= 40 else f"{len(levels)} labels"
        text = axes.text(0.98, y, f"dashed level, sends nothing: {names}", ha="right", va=side)
        text.set(transform=axes.transAxes, fontsize=8, color=INK, in_layout=False)


def _limit(axes: Axes, curves: Sequence[Curve], target: float | None) -> None:
    """Let seeds and target decide the vertical range; intervals widen it by a quarter at most."""
    values = np.concatenate([value for one in curves for _, _, value in one.seeds])
    edges = np.concatenate([edge for one in curves for edge in (one.low, one.high)])
    if target is not None:
        values = np.append(values, target)
    values, edges = values[np.isfinite(values)], edges[np.isfinite(edges)]
    if not values.size:
        return
    low, high = float(values.min()), float(values.max())
    span = (high - low) or abs(high) or 1.0
    below = np.clip(low - edges.min(initial=low), 0.06 * span, 0.25 * span)
    above = np.clip(edges.max(initial=high) - high, 0.06 * span, 0.25 * span)
    axes.set_ylim(low - below, high + above)


def _handles(curves: Sequence[Curve], styles: Styles, target: float | None) -> list[Artist]:
    names = {f"{c.label} (seeds: {len(c.seeds)})": styles[c.label] for c in curves}
    handles: list[Artist] = [*line_handles(names)]
    if target is not None:
        text = f"target {target:g}; ticks: mean cost to reach it"
        tick: dict[str, Any] = {"marker": "|", "ms": 11, "mew": 1.8}
        handles.append(Line2D([], [], color=GREY, lw=1.0, ls=(0, (1, 2)), label=text, **tick))
    return handles


def _rows(cost: Cost, curves: Sequence[Curve], target: float | None) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for one in curves:
        count, label = len(one.seeds), one.label
        for point in zip(one.x, one.mean, one.low, one.high, strict=True):
            rows.append((label, cost, "mean", None, *point, count))
        for seed, xs, values in one.seeds:
            for x, value in zip(xs, values, strict=True):
                rows.append((label, cost, "seed", seed, x, value, None, None, 1))
        if one.crossings:
            where, reached = float(np.mean(one.crossings)), len(one.crossings)
            rows.append((label, cost, "target", None, where, target, None, None, reached))
    return rows
