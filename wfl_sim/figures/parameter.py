"""Parameter: what becomes of metric, seconds, joules and bits along one axis of a sweep."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from wfl_sim.figures.files import file_name, save
from wfl_sim.figures.lines import Axis, Line, Place, lines
from wfl_sim.figures.scales import scale
from wfl_sim.figures.seeds import mean_and_half_width
from wfl_sim.figures.style import INK, columns, line_styles, look
from wfl_sim.results import Goal, Run, crossing

HEADER: Final = ("quantity", "of", "line", "value", "x", "mean", "half_width", "seeds")
LEGEND: Final = 135
"""characters that fit under the figure"""
WIDE: Final = 8
"""ratio of the largest to the smallest value from which on an axis is logarithmic"""

Quantity = Callable[[Run], float | None]


def parameter(runs: Sequence[Run], folder: Path, goal: Goal, path: str) -> list[Path]:
    """Draw the last value of a metric, seconds, joules and bits against a swept value.

    Marks are means over seeds and bands 95 % t-intervals of the mean (whiskers where values are
    texts), which may leave the picture. Full lines are the costs of the whole run, dashed lines
    those of reaching the target, means over the seeds that did.

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
        figure = Figure(figsize=(9.6, 3.1 * shape[0] + 0.6))
        styles = line_styles([line.label for line in of_axis])
        rows: list[tuple[Any, ...]] = []
        for axes, (title, unit, quantities) in zip(
            np.atleast_2d(figure.subplots(*shape)).flat, panels, strict=True
        ):
            rows += _panel(axes, axis, of_axis, styles, title, unit, quantities)
        figure.suptitle(f"Along {axis.title}")
        handles = [Line2D([], [], label=label, **styles[label]) for label in styles if label]
        if any(len(quantities) > 1 for *_, quantities in panels):
            handles.append(Line2D([], [], color=INK, lw=1.6, label="the whole run"))
            text = f"until {goal.metric} {goal.target:g} ({goal.scope.replace('_', ' ')})"
            handles.append(Line2D([], [], color=INK, lw=1.2, ls=(0, (4, 2)), label=text))
        if handles:
            ncols = columns(handles, LEGEND)
            figure.legend(handles=handles, loc="outside lower center", ncols=ncols)
        return save(figure, folder, file_name("along", path), HEADER, rows)


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
    of_axis: Sequence[Line],
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
    seeds = [v for means in found.values() for *_, values in means for v in values]
    factor, prefixed = scale(max(seeds, default=1.0), unit)
    rows: list[tuple[Any, ...]] = []
    for line in of_axis:
        for name in quantities:
            means = found[line.label, name]
            _line(axes, axis, line, means, styles[line.label], factor, dashed=name == "target")
            rows += [
                (title, name, line.label, place.text, place.x, mean, half, len(values))
                for place, (mean, half, values) in zip(line.places, means, strict=True)
            ]
    _frame(axes, axis, of_axis)
    axes.set_ylabel(f"{title} ({prefixed})" if prefixed else title)
    _limit(axes, np.array(seeds) * factor)
    return rows


def _mean(place: Place, quantity: Quantity) -> tuple[float, float, list[float]]:
    """Return mean and half width over the seeds that have the quantity, and their values."""
    values = [value for value in map(quantity, place.runs) if value is not None]
    if not values:
        return float("nan"), float("nan"), []
    mean, half = mean_and_half_width(values)
    return float(mean), float(half), values


def _line(
    axes: Axes,
    axis: Axis,
    line: Line,
    means: Sequence[tuple[float, float, list[float]]],
    style: Any,
    factor: float,
    *,
    dashed: bool,
) -> None:
    x = np.array([place.x for place in line.places])
    mean = np.array([m for m, *_ in means]) * factor
    half = np.array([h for _, h, _ in means]) * factor
    colour = style["color"]
    look: dict[str, Any] = {"color": colour, "marker": style["marker"], "lw": 1.6, "ls": "-"}
    if dashed:
        look |= {"lw": 1.2, "ls": (0, (4, 2)), "mfc": "white"}
    axes.plot(x, mean, **look)
    if axis.numeric and len(x) > 1:
        axes.fill_between(x, mean - half, mean + half, color=colour, alpha=0.14, lw=0)
    else:
        axes.errorbar(x, mean, yerr=half, color=colour, fmt="none", capsize=3, lw=1)
    for place, (*_, values) in zip(line.places, means, strict=True):
        if len(values) > 1:
            dots = np.array(values) * factor
            axes.plot(np.full(len(dots), place.x), dots, ".", ms=3, color=colour, alpha=0.5)


def _frame(axes: Axes, axis: Axis, of_axis: Sequence[Line]) -> None:
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
        axes.set_yscale("log")
        axes.set_ylim(low / 1.3, high * 1.3)
        return
    reach = (high - low) or abs(high) or 1.0
    axes.set_ylim(low - 0.15 * reach, high + 0.15 * reach)
