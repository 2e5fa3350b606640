"""Pareto: how good runs get against what they cost, and which of them nothing else beats."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from wfl_sim.results.comparison import Goal
from wfl_sim.results.figures.style import (
    GREY,
    INK,
    columns,
    file_name,
    line_styles,
    logarithmic,
    look,
    room,
    save,
    scale,
)
from wfl_sim.results.figures.sweep_axes import SweepLine, lines, main_axis
from wfl_sim.results.run import Run
from wfl_sim.results.statistics import mean_and_half_width

COSTS: Final = {"seconds": ("simulated time of the run", "s"), "joules": ("energy drawn", "J")}
HEADER: Final = (
    "cost",
    "line",
    "value",
    "x",
    "x_half_width",
    "y",
    "y_half_width",
    "seeds",
    "on_front",
)
LEGEND: Final = 110
"""characters that fit under the figure"""
LETTER: Final = 8.0
"""pixels that a letter takes"""
PALE: Final = 0.3
"""opacity of what is dominated"""


@dataclass(frozen=True)
class ParetoPoint:
    """One point of a sweep: means over its seeds."""

    line: str
    text: str
    x: float
    """in s or J"""
    y: float
    x_half: float
    """half the width of the 95 % t-interval of the mean; NaN with one seed"""
    y_half: float
    seeds: tuple[tuple[float, float], ...]
    """x and y of each"""


def front(cost: ArrayLike, value: ArrayLike, *, falling: bool = False) -> NDArray[np.bool_]:
    """Return which of n points no other one dominates.

    A point dominates another if it costs no more and is as good at least, and is better in one of
    the two. Equal points do not dominate each other.

    Args:
        cost: (n,) of each.
        value: (n,) how good each is.
        falling: smaller values are better.
    """
    costs, values = np.asarray(cost, np.float64), np.asarray(value, np.float64)
    worth = -values if falling else values
    no_dearer, as_good = costs[:, None] <= costs, worth[:, None] >= worth
    better = (costs[:, None] < costs) | (worth[:, None] > worth)
    beaten = (no_dearer & as_good & better).any(axis=0)
    return np.asarray(~beaten & np.isfinite(costs) & np.isfinite(worth))


def pareto(runs: Sequence[Run], folder: Path, goal: Goal) -> list[Path]:
    """Draw the last value of a metric against seconds and joules of the whole run.

    A mark is the mean over seeds and small dots are seeds. The staircase joins the marks that no
    other dominates, which is decided by the means; they have whiskers, 95 % t-intervals of the mean
    (which may leave the picture), and the others are pale. Where a sweep goes along numbers, a thin
    line joins the marks along the axis with the most values, written beside them where there is
    room.

    Returns:
        The paths of PNG, SVG and CSV, named `pareto-<metric>-<scope>`.

    Raises:
        ValueError: no runs, or a label holds a seed twice.
    """
    axis, of_axis = lines(runs, main_axis(runs))
    spots = {cost: [_spots(line, cost, goal) for line in of_axis] for cost in COSTS}
    with look():
        styles = line_styles([line.label for line in of_axis])
        handles = [
            Line2D([], [], label=label, **style | {"linestyle": ""})
            for label, style in styles.items()
            if label
        ]
        step: dict[str, Any] = {"color": INK, "lw": 1.2, "ls": (0, (4, 2))}
        handles.append(Line2D([], [], label="Pareto front (of the means)", **step))
        figure = Figure(figsize=(9.6, 4.6 + room(handles, LEGEND)))
        panels = figure.subplots(1, 2, sharey=True)
        rows: list[tuple[Any, ...]] = []
        _limit(panels[0], [spot for of_line in spots["seconds"] for spot in of_line])
        for axes, (cost, of_cost) in zip(panels, spots.items(), strict=True):
            rows += _panel(axes, cost, of_cost, styles, goal)
        scope = goal.scope.replace("_", " ")
        panels[0].set_ylabel(f"final {goal.metric} ({scope})")
        along = "" if axis is None else f"; beside the marks: {axis.title}"
        figure.suptitle(f"What {goal.metric} costs{along}")
        figure.legend(handles=handles, loc="outside lower center", ncols=columns(handles, LEGEND))
        return save(figure, folder, file_name("pareto", goal.metric, goal.scope), HEADER, rows)


def _spots(line: SweepLine, cost: str, goal: Goal) -> list[ParetoPoint]:
    spots = []
    for place in line.places:
        xs = [_cost(run, cost) for run in place.runs]
        ys = [float(run.series(goal.metric, goal.scope).value[-1]) for run in place.runs]
        x, x_half = mean_and_half_width(xs)
        y, y_half = mean_and_half_width(ys)
        seeds = tuple(zip(xs, ys, strict=True))
        spots.append(
            ParetoPoint(
                line.label, place.text, float(x), float(y), float(x_half), float(y_half), seeds
            )
        )
    return spots


def _cost(run: Run, cost: str) -> float:
    return float(run.manifest["simulated_seconds"]) if cost == "seconds" else run.joules


def _panel(
    axes: Axes, cost: str, of_lines: Sequence[Sequence[ParetoPoint]], styles: Any, goal: Goal
) -> list[tuple[Any, ...]]:
    every = [spot for line in of_lines for spot in line]
    best = front([s.x for s in every], [s.y for s in every], falling=goal.falling)
    name, unit = COSTS[cost]
    factor, prefixed = scale(max(spot.x for spot in every), unit)
    on_front = dict(zip(map(id, every), best.tolist(), strict=True))
    for line in of_lines:
        style = styles[line[0].line]
        colour, marker = style["color"], style["marker"]
        joined = [s.x * factor for s in line], [s.y for s in line]
        axes.plot(*joined, color=colour, lw=0.8, alpha=PALE, zorder=1)
        for spot in line:
            _mark(axes, spot, factor, colour, marker, pale=not on_front[id(spot)])
    staircase = sorted((s.x * factor, s.y) for s in every if on_front[id(s)])
    if staircase:
        x, y = zip(*staircase, strict=True)
        axes.step(x, y, where="post", color=INK, lw=1.2, ls=(0, (4, 2)), zorder=2)
    axes.set_xlabel(f"{name} ({prefixed})")
    seeds = [x * factor for spot in every for x, _ in spot.seeds]
    low, high = min(seeds), max(seeds)
    if low > 0 and high > 20 * low:
        logarithmic(axes, "x", low, high)
    else:
        reach = (high - low) or high or 1.0
        axes.set_xlim(max(low - 0.12 * reach, 0.0), high + 0.16 * reach)
    _name(axes, of_lines, factor, on_front)
    return [
        (cost, s.line, s.text, s.x, s.x_half, s.y, s.y_half, len(s.seeds), on_front[id(s)])
        for s in every
    ]


def _mark(
    axes: Axes, spot: ParetoPoint, factor: float, colour: str, marker: str, *, pale: bool
) -> None:
    x, y, shade = spot.x * factor, spot.y, PALE if pale else 1.0
    if len(spot.seeds) > 1:
        xs, ys = zip(*((sx * factor, sy) for sx, sy in spot.seeds), strict=True)
        axes.plot(xs, ys, ".", ms=3, color=colour, alpha=0.6 * shade, zorder=2)
        if not pale:
            half = spot.x_half * factor
            thin: dict[str, Any] = {"color": colour, "lw": 0.9, "alpha": 0.6}
            axes.errorbar(x, y, xerr=half, yerr=spot.y_half, **thin)
    axes.plot(x, y, marker=marker, ms=8, color=colour, alpha=shade, ls="", zorder=3 if pale else 4)


def _name(
    axes: Axes,
    of_lines: Sequence[Sequence[ParetoPoint]],
    factor: float,
    on_front: Mapping[int, bool],
) -> None:
    """Write values beside marks: those on the front first, then the ends of lines, then others."""
    ends = {id(spot) for line in of_lines for spot in (line[0], line[-1])}
    every = [spot for line in of_lines for spot in line if spot.text]
    taken: list[tuple[float, float, float]] = []
    for spot in sorted(every, key=lambda spot: (not on_front[id(spot)], id(spot) not in ends)):
        x, y = axes.transData.transform((spot.x * factor, spot.y))
        end = x + LETTER * len(spot.text)
        if all(end < left or x > right or abs(y - level) > LETTER for left, right, level in taken):
            taken.append((x, end, y))
            colour, place = INK if on_front[id(spot)] else GREY, (spot.x * factor, spot.y)
            axes.annotate(
                spot.text,
                place,
                xytext=(5, 6),
                textcoords="offset points",
                fontsize=8,
                color=colour,
            )


def _limit(axes: Axes, spots: Sequence[ParetoPoint]) -> None:
    """Let seeds decide the vertical range: the interval of two of them can be absurdly wide."""
    values = np.array([y for spot in spots for _, y in spot.seeds])
    values = values[np.isfinite(values)]
    if values.size:
        low, high = float(values.min()), float(values.max())
        reach = (high - low) or abs(high) or 1.0
        axes.set_ylim(low - 0.15 * reach, high + 0.2 * reach)
