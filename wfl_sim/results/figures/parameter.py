"""Parameter: what becomes of metric, seconds, joules and bits along one axis of a sweep."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from wfl_sim.results.comparison import Goal
from wfl_sim.results.figures.style import (
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
from wfl_sim.results.figures.sweep_axes import Axis, SweepLine, SweepPoint, lines
from wfl_sim.results.run import Run
from wfl_sim.results.series import crossing
from wfl_sim.results.statistics import mean_and_half_width

HEADER: Final = ("quantity", "of", "line", "value", "x", "mean", "half_width", "seeds")
LEGEND: Final = 110
"""characters that fit under the figure"""
BANDS: Final = 7
"""lines whose bands can be told apart"""
WIDE: Final = 8
"""ratio of the largest to the smallest value from which on an axis is logarithmic"""

Quantity = Callable[[Run], float | None]


def parameter(runs: Sequence[Run], folder: Path, goal: Goal, path: str) -> list[Path]:
    """Draw the last value of a metric, seconds, joules and bits against a swept value.

    Marks are means over seeds, bands and whiskers 95 % t-intervals of the mean, which may leave the
    picture, and thin lines single seeds. Beyond 7 lines, whose bands would cover one another, there
    are whiskers alone. Full lines are the costs of the whole run, dashed lines
    those of reaching the target, means over the seeds that did. Where values are texts, the lines
    of a numeric axis are marks that stand side by side.

    Returns:
        The paths of PNG, SVG and CSV, named `along-<path>`.

    Raises:
        ValueError: no runs, or a label holds a seed twice.
    """
    axis, of_axis = lines(runs, path)
    assert axis is not None
    panels = _panels(runs, goal)
    with look():
        shape = (2, 2) if len(panels) == 4 else (1, len(panels))
        styles = line_styles([line.label for line in of_axis])
        handles = _handles(styles, goal, any(len(quantities) > 1 for *_, quantities in panels))
        figure = Figure(figsize=(9.6, 3.1 * shape[0] + 0.6 + room(handles, LEGEND)))
        rows: list[tuple[Any, ...]] = []
        for axes, (title, unit, quantities) in zip(
            np.atleast_2d(figure.subplots(*shape)).flat, panels, strict=True
        ):
            rows += _panel(axes, axis, of_axis, styles, title, unit, quantities)
        figure.suptitle(f"By {axis.title}")
        if handles:
            ncols = columns(handles, LEGEND)
            figure.legend(handles=handles, loc="outside lower center", ncols=ncols)
        return save(figure, folder, file_name("along", path), HEADER, rows)


def _handles(styles: Any, goal: Goal, targets: bool) -> list[Line2D]:
    """Return the entries of the legend; `targets` says whether costs of the target are drawn."""
    solid = {label: style | {"linestyle": "-"} for label, style in styles.items() if label}
    handles = [Line2D([], [], label=label, **style) for label, style in solid.items()]
    if targets:
        handles.append(Line2D([], [], color=INK, lw=1.6, label="the whole run"))
        text = f"until {goal.metric} {goal.target:g} ({goal.scope.replace('_', ' ')})"
        handles.append(Line2D([], [], color=INK, lw=1.2, ls=(0, (4, 2)), label=text))
    return handles


def _panels(runs: Sequence[Run], goal: Goal) -> list[tuple[str, str, dict[str, Quantity]]]:
    """Return title, unit and quantities of each panel."""
    measured = all((goal.metric, goal.scope) in run.measured for run in runs)
    whole: dict[str, tuple[str, str, Quantity]] = {
        "time": ("simulated time", "s", lambda run: float(run.manifest["simulated_seconds"])),
        "joules": ("energy drawn", "J", lambda run: run.joules),
        "bits": ("sent", "bit", lambda run: float(run.bits)),
    }
    panels: list[tuple[str, str, dict[str, Quantity]]] = []
    if measured:
        scope = goal.scope.replace("_", " ")

        def last(run: Run) -> float:
            return float(run.series(goal.metric, goal.scope).value[-1])

        panels.append((f"final {goal.metric} ({scope})", "", {"final": last}))
    for name, (title, unit, quantity) in whole.items():
        quantities = {"run": quantity}
        if measured and goal.target is not None:
            quantities["target"] = _to_target(goal, name)
        panels.append((title, unit, quantities))
    return panels


def _to_target(goal: Goal, name: str) -> Quantity:
    def cost(run: Run) -> float | None:
        assert goal.target is not None
        series = run.series(goal.metric, goal.scope)
        reached = crossing(series, goal.target, falling=goal.falling)
        return None if reached is None else float(getattr(reached, name))

    return cost


def _panel(
    axes: Axes,
    axis: Axis,
    of_axis: Sequence[SweepLine],
    styles: Any,
    title: str,
    unit: str,
    quantities: dict[str, Quantity],
) -> list[tuple[Any, ...]]:
    found = {
        (line.label, name): [_mean(place, quantity) for place in line.places]
        for line in of_axis
        for name, quantity in quantities.items()
    }
    seeds = [v for means in found.values() for *_, values in means for v in values.values()]
    factor, prefixed = scale(max(seeds, default=1.0), unit)
    rows: list[tuple[Any, ...]] = []
    for number, line in enumerate(of_axis):
        beside = 0.0 if axis.numeric else 0.5 * ((number + 0.5) / len(of_axis) - 0.5)
        for name in quantities:
            means = found[line.label, name]
            look = _look(styles[line.label], dashed=name == "target")
            banded = len(of_axis) <= BANDS
            _line(axes, axis, line, means, look, factor, beside, banded=banded)
            rows += [
                (title, name, line.label, place.text, place.x, mean, half, len(values))
                for place, (mean, half, values) in zip(line.places, means, strict=True)
            ]
    _frame(axes, axis, of_axis)
    axes.set_ylabel(f"{title} ({prefixed})" if prefixed else title)
    _limit(axes, np.array(seeds) * factor)
    return rows


def _mean(place: SweepPoint, quantity: Quantity) -> tuple[float, float, dict[int, float]]:
    """Return mean and half width over the seeds that have the quantity, and the value of each."""
    found = {run.seed: quantity(run) for run in place.runs}
    values = {seed: value for seed, value in found.items() if value is not None}
    if not values:
        return float("nan"), float("nan"), {}
    mean, half = mean_and_half_width(list(values.values()))
    return float(mean), float(half), values


def _look(style: Any, *, dashed: bool) -> dict[str, Any]:
    look = {"color": style["color"], "marker": style["marker"]}
    if dashed:
        return look | {"lw": 1.2, "ls": (0, (4, 2)), "mfc": "white"}
    return look | {"lw": 1.6, "ls": "-"}


def _line(
    axes: Axes,
    axis: Axis,
    line: SweepLine,
    means: Sequence[tuple[float, float, dict[int, float]]],
    look: dict[str, Any],
    factor: float,
    beside: float,
    *,
    banded: bool,
) -> None:
    x = np.array([place.x for place in line.places]) + beside
    mean = np.array([m for m, *_ in means]) * factor
    half = np.array([h for _, h, _ in means]) * factor
    thin: dict[str, Any] = {"color": look["color"], "alpha": 0.4}
    seeds = sorted({seed for *_, values in means for seed in values})
    for seed in seeds if len(seeds) > 1 else ():
        values = np.array([of.get(seed, np.nan) for *_, of in means]) * factor
        axes.plot(x, values, ".", ms=3, lw=0.7, ls=look["ls"] if axis.numeric else "", **thin)
    if axis.numeric and len(x) > 1 and look["ls"] == "-" and banded:
        axes.plot(x, mean, **look)
        axes.fill_between(x, mean - half, mean + half, color=look["color"], alpha=0.1, lw=0)
    else:
        axes.plot(x, mean, **look if axis.numeric else look | {"ls": ""})
        thin["alpha"] = 0.6
        axes.errorbar(x, mean, yerr=half, fmt="none", capsize=3, lw=0.9, **thin)


def _frame(axes: Axes, axis: Axis, of_axis: Sequence[SweepLine]) -> None:
    places = {place.x: place.text for line in of_axis for place in line.places}
    x = sorted(places)
    axes.set_xlabel(axis.title)
    if not axis.numeric:
        axes.set_xticks(x, [places[each] for each in x], fontsize=8)
        axes.set_xlim(x[0] - 0.4, x[-1] + 0.4)
        return
    if x[0] > 0 and x[-1] >= WIDE * x[0]:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
    if len(x) <= 12:
        axes.set_xticks(x, [f"{each:g}" for each in x])


def _limit(axes: Axes, values: Any) -> None:
    """Let seeds decide the vertical range: the interval of two of them can be absurdly wide."""
    values = values[np.isfinite(values)]
    if not values.size:
        return
    low, high = float(values.min()), float(values.max())
    if low > 0 and high > 4 * WIDE * low:
        logarithmic(axes, "y", low, high)
        axes.set_ylim(low / 1.3, high * 1.3)
        return
    reach = (high - low) or abs(high) or 1.0
    axes.set_ylim(low - 0.15 * reach, high + 0.15 * reach)
