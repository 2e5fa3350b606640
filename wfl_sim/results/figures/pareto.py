"""Pareto: final values of a metric against costs, and the points that no other dominates."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from wfl_sim.results.comparison import Goal
from wfl_sim.results.figures.legends import add_legend, legend_height
from wfl_sim.results.figures.look import Drawing, saved
from wfl_sim.results.figures.style import (
    GREY,
    INK,
    Styles,
    fit_to_seeds,
    interval_handle,
    line_handles,
    line_styles,
    logarithmic,
    scale,
    set_label,
)
from wfl_sim.results.figures.sweep_axes import RunValue, SweepLine, lines, main_axis
from wfl_sim.results.run import Run
from wfl_sim.results.statistics import Estimate
from wfl_sim.results.tables import file_name

COSTS: Final[dict[str, tuple[str, str, RunValue]]] = {
    "seconds": ("simulated time of the run", "s", lambda run: run.seconds),
    "joules": ("energy drawn", "J", lambda run: run.joules),
}
HEADER: Final = (
    *("cost", "line", "value", "x", "x_half_width", "y", "y_half_width"),
    *("seeds", "on_front"),
)
LEGEND: Final = 110
"""Characters that fit below the figure."""
LETTER: Final = 8.0
"""Pixels that a letter takes."""
PALE: Final = 0.3
"""Opacity of dominated points."""
STAIRCASE: Final[dict[str, Any]] = {"color": INK, "lw": 1.2, "ls": (0, (4, 2))}


@dataclass(frozen=True)
class ParetoPoint:
    """One point of a sweep: means over its seeds."""

    line: str
    text: str
    """The value along the axis, as written."""
    x: Estimate
    """Cost in s or J."""
    y: Estimate
    """Final value of the metric."""
    on_front: bool
    """Whether no other point dominates the means."""
    is_end: bool
    """Whether it is the first or last point of its line."""


def front(cost: ArrayLike, value: ArrayLike, *, falling: bool = False) -> NDArray[np.bool_]:
    """Return which of n points no other one dominates.

    A point dominates another if it costs no more and its value is no worse, and at least one of
    the two is better. Equal points do not dominate each other.

    Args:
        cost: Costs of the points, (n,).
        value: Values of the points, (n,).
        falling: Whether smaller values are better.
    """
    costs, values = np.asarray(cost, np.float64), np.asarray(value, np.float64)
    quality = -values if falling else values
    no_worse = (costs[:, None] <= costs) & (quality[:, None] >= quality)
    better = (costs[:, None] < costs) | (quality[:, None] > quality)
    dominated = (no_worse & better).any(axis=0)
    return np.asarray(~dominated & np.isfinite(costs) & np.isfinite(quality))


@saved
def pareto(runs: Sequence[Run], goal: Goal) -> Iterator[Drawing]:
    """Draw the last value of a metric against seconds and joules of the whole run.

    A mark is the mean over seeds, and small dots are seeds. The staircase joins the marks whose
    means no other mark dominates. Those have whiskers, 95 % t-intervals of the mean, which may
    leave the picture; the others are pale. If a sweep goes along numbers, a thin line joins the
    marks along the axis with the most values, which are written beside the marks where there is
    room.

    Named `pareto-<metric>-<scope>`.

    Raises:
        ValueError: There are no runs, or a label has a seed twice.
    """
    axis, of_axis = lines(runs, main_axis(runs))
    points = {cost: _points(of_axis, cost, goal) for cost in COSTS}
    styles = line_styles([line.label for line in of_axis])
    handles: list[Artist] = [*line_handles(styles, linestyle="")]
    handles.append(Line2D([], [], label="Pareto front (of the means)", **STAIRCASE))
    if any(len(point.y.by_seed) > 1 for point in points["seconds"]):
        handles.append(interval_handle(band=False))
    figure = Figure(figsize=(9.6, 4.6 + legend_height(handles, LEGEND)))
    panels = figure.subplots(1, 2, sharey=True)
    finals = [y for point in points["seconds"] for y in point.y.by_seed.values()]
    fit_to_seeds(panels[0], finals, above=0.2)
    for axes, (cost, of_cost) in zip(panels, points.items(), strict=True):
        _draw_panel(axes, cost, of_cost, styles)
    panels[0].set_ylabel(f"final {goal.metric} ({goal.whose})")
    along = "" if axis is None else f"; beside the marks: {axis.title}"
    figure.suptitle(f"What {goal.metric} costs{along}")
    add_legend(figure, handles, LEGEND)
    rows = [
        (cost, p.line, p.text, *p.x[:2], *p.y[:2], len(p.x.by_seed), p.on_front)
        for cost, of_cost in points.items()
        for p in of_cost
    ]
    yield Drawing(file_name("pareto", goal.metric, goal.scope), figure, HEADER, rows)


def _points(of_axis: Sequence[SweepLine], cost: str, goal: Goal) -> list[ParetoPoint]:
    *_, quantity = COSTS[cost]
    found = [
        (line, number, point.estimate(quantity), point.estimate(goal.final))
        for line in of_axis
        for number, point in enumerate(line.points)
    ]
    best = front([x.mean for *_, x, _ in found], [y.mean for *_, y in found], falling=goal.falling)
    return [
        ParetoPoint(
            line.label,
            line.points[number].text,
            x,
            y,
            on_front=on_front,
            is_end=number in (0, len(line.points) - 1),
        )
        for (line, number, x, y), on_front in zip(found, best.tolist(), strict=True)
    ]


def _draw_panel(axes: Axes, cost: str, points: Sequence[ParetoPoint], styles: Styles) -> None:
    name, unit, _ = COSTS[cost]
    factor, prefixed = scale(max(point.x.mean for point in points), unit)
    for label, style in styles.items():
        of_line = [point for point in points if point.line == label]
        x, y = [p.x.mean * factor for p in of_line], [p.y.mean for p in of_line]
        axes.plot(x, y, color=style["color"], lw=0.8, alpha=PALE, zorder=1)
        for point in of_line:
            _draw_point(axes, point, factor, style["color"], style["marker"])
    staircase = sorted((p.x.mean * factor, p.y.mean) for p in points if p.on_front)
    if staircase:
        axes.step(*zip(*staircase, strict=True), where="post", zorder=2, **STAIRCASE)
    set_label(axes, "x", name, prefixed)
    seeds = [x * factor for point in points for x in point.x.by_seed.values()]
    low, high = min(seeds), max(seeds)
    if low > 0 and high > 20 * low:
        logarithmic(axes, "x", low, high)
    else:
        span = (high - low) or high or 1.0
        axes.set_xlim(max(low - 0.12 * span, 0.0), high + 0.16 * span)
    _write_values(axes, points, factor)


def _draw_point(axes: Axes, point: ParetoPoint, factor: float, colour: str, marker: str) -> None:
    x, y, shade = point.x.mean * factor, point.y.mean, 1.0 if point.on_front else PALE
    if len(point.x.by_seed) > 1:
        xs = [each * factor for each in point.x.by_seed.values()]
        ys = list(point.y.by_seed.values())
        axes.plot(xs, ys, ".", ms=3, color=colour, alpha=0.6 * shade, zorder=2)
        if point.on_front:
            half = point.x.half_width * factor
            thin: dict[str, Any] = {"color": colour, "lw": 0.9, "alpha": 0.6}
            axes.errorbar(x, y, xerr=half, yerr=point.y.half_width, **thin)
    zorder = 4 if point.on_front else 3
    axes.plot(x, y, marker=marker, ms=8, color=colour, alpha=shade, ls="", zorder=zorder)


def _write_values(axes: Axes, points: Sequence[ParetoPoint], factor: float) -> None:
    """Write values beside marks: those on the front first, then the ends of lines, then others."""
    named = [point for point in points if point.text]
    taken: list[tuple[float, float, float]] = []
    for point in sorted(named, key=lambda point: (not point.on_front, not point.is_end)):
        at = point.x.mean * factor, point.y.mean
        x, y = axes.transData.transform(at)
        end = x + LETTER * len(point.text)
        if all(end < left or x > right or abs(y - level) > LETTER for left, right, level in taken):
            taken.append((x, end, y))
            axes.annotate(
                point.text,
                at,
                xytext=(5, 6),
                textcoords="offset points",
                fontsize=8,
                color=INK if point.on_front else GREY,
            )
