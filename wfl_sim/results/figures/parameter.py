"""Parameter: metric, seconds, joules and bits against a swept value."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator
from matplotlib.transforms import ScaledTranslation

from channel_models.validation import FloatArray
from wfl_sim.results.comparison import Goal
from wfl_sim.results.figures.legends import add_legend, legend_height
from wfl_sim.results.figures.look import Drawing, saved
from wfl_sim.results.figures.style import (
    INK,
    Styles,
    add_share,
    fit_to_seeds,
    halos,
    interval_handle,
    line_handles,
    line_styles,
    logarithmic,
    scale,
    set_label,
)
from wfl_sim.results.figures.sweep_axes import Axis, RunValue, SweepLine, lines
from wfl_sim.results.run import Run
from wfl_sim.results.statistics import Estimate
from wfl_sim.results.tables import file_name
from wfl_sim.results.totals import COUNTED, FURTHER, further_totals

HEADER: Final = ("quantity", "of", "line", "value", "x", "mean", "half_width", "seeds")
LEGEND: Final = 110
"""Characters that fit below the figure."""
BANDS: Final = 7
"""The most lines whose bands can be distinguished."""
_APART: Final = 1.5
"""Points between the whiskers of lines, where there are many."""
_SIGN: Final = 4.8
"""Width of a sign of a category, in points."""
WIDE: Final = 8
"""Ratio of the largest to the smallest value from which on an axis is logarithmic."""
DASHED: Final = (0, (4, 2))


@dataclass(frozen=True)
class Panel:
    """One panel of the figure."""

    title: str
    unit: str
    quantities: dict[str, RunValue]
    """What is drawn, by its name in the CSV; "target" is drawn dashed."""


@saved
def parameter(
    runs: Sequence[Run], goal: Goal, path: str, *, error_bars: bool = False
) -> Iterator[Drawing]:
    """Draw the last value of a metric, seconds, joules and bits against a swept value.

    Where runs have them, so are joules of base stations, CO2, handovers, epsilon and other users.
    Marks are means over seeds, bands and whiskers 95 % t-intervals of the mean, which may leave the
    picture, and thin lines single seeds. Beyond 7 lines, and with `error_bars`, there are whiskers,
    since bands would cover one another; beyond 7 lines these stand side by side, without single
    seeds. Full lines are the costs of the whole run; dashed
    lines are the costs of reaching the target, means over the seeds that did, with their share
    where not all did. A line that equals a later one is wider. If values are texts, marks side by
    side take the place of lines.

    Named `along-<path>`.

    Raises:
        ValueError: There are no runs, or a label has a seed twice.
    """
    axis, of_axis = lines(runs, path)
    assert axis is not None
    panels = _panels(runs, goal)
    styles = line_styles([line.label for line in of_axis])
    handles: list[Artist] = [*line_handles(styles, linestyle="-")]
    if any("target" in panel.quantities for panel in panels):
        text = f"until {goal.metric} {goal.target:g} ({goal.whose})"
        shown: tuple[dict[str, Any], ...] = ({"ls": "-"}, {"ls": DASHED})
        if not axis.numeric:
            shown = ({"ls": "", "marker": "o"}, {"ls": "", "marker": "o", "mfc": "white"})
        for style, label in zip(shown, ("the whole run", text), strict=True):
            handles.append(Line2D([], [], color=INK, label=label, **style))
    banded = len(of_axis) <= BANDS and not error_bars
    if len({run.seed for run in runs}) > 1:
        handles.append(interval_handle(band=banded and axis.numeric))
    shape = (-(-len(panels) // 2), 2) if len(panels) > 3 else (1, len(panels))
    height = 3.1 * shape[0] + 0.6 + legend_height(handles, LEGEND)
    figure = Figure(figsize=(9.6, height))
    rows: list[tuple[Any, ...]] = []
    subplots = [*figure.subplots(*shape, squeeze=False).flat]
    for unused in subplots[len(panels) :]:
        unused.remove()
    for axes, panel in zip(subplots, panels, strict=False):
        rows += _draw_panel(axes, axis, of_axis, styles, panel, banded=banded)
    figure.suptitle(f"By {axis.title}")
    if handles:
        add_legend(figure, handles, LEGEND)
    yield Drawing(file_name("along", path), figure, HEADER, rows)


def _panels(runs: Sequence[Run], goal: Goal) -> list[Panel]:
    measured = all(goal.is_measured(run) for run in runs)
    costs: dict[str, tuple[str, str, RunValue]] = {
        "time": ("simulated time", "s", lambda run: run.seconds),
        "joules": ("energy drawn", "J", lambda run: run.joules),
        "bits": ("sent", "bit", lambda run: float(run.bits)),
    }
    panels = [Panel(f"final {goal.metric} ({goal.whose})", "", {"final": goal.final})]
    for name, (title, unit, quantity) in costs.items():
        quantities = {"run": quantity}
        if measured and goal.target is not None:
            quantities["target"] = partial(_until_target, goal=goal, name=name)
        panels.append(Panel(title, unit, quantities))
    there = {name for each in further_totals(runs) for name in each} - {"server_joules"}
    for name in (name for name in FURTHER if name in there):
        panels.append(Panel(*FURTHER[name], {"run": partial(_further, name=name)}))
    return panels if measured else panels[1:]


def _further(run: Run, name: str) -> float | None:
    return further_totals([run])[0].get(name, COUNTED.get(name))


def _until_target(run: Run, goal: Goal, name: str) -> float | None:
    reached = goal.reached(run)
    return None if reached is None else float(getattr(reached, name))


def _draw_panel(
    axes: Axes,
    axis: Axis,
    of_axis: Sequence[SweepLine],
    styles: Styles,
    panel: Panel,
    *,
    banded: bool,
) -> list[tuple[Any, ...]]:
    found = {
        (line.label, name): [point.estimate(quantity) for point in line.points]
        for line in of_axis
        for name, quantity in panel.quantities.items()
    }
    seeds = [value for each in found.values() for one in each for value in one.by_seed.values()]
    factor, prefixed = scale(max(seeds, default=1.0), panel.unit)
    rows: list[tuple[Any, ...]] = []
    wider = {
        name: halos([_points(line, found[line.label, name]) for line in of_axis])
        for name in panel.quantities
    }
    many = axis.numeric and len(of_axis) > BANDS
    for number, line in enumerate(of_axis):
        shift = 0.0 if axis.numeric else 0.5 * ((number + 0.5) / len(of_axis) - 0.5)
        x = np.array([point.x for point in line.points]) + shift
        for name in panel.quantities:
            estimates, dashed = found[line.label, name], name == "target"
            beside = 0.1 if dashed and not axis.numeric else 0.0
            style = {key: styles[line.label][key] for key in ("color", "marker")}
            style |= {"lw": 1.2, "mfc": "white"} if dashed else {"lw": 1.6}
            style["lw"] *= 1 + 2 * wider[name][number]
            style["ls"] = "" if not axis.numeric else DASHED if dashed else "-"
            _draw_line(
                axes,
                x + beside,
                estimates,
                style,
                factor,
                banded=banded and style["ls"] == "-" and len(x) > 1,
                beside=_APART * (number - (len(of_axis) - 1) / 2) if many else None,
            )
            for at, point, one in zip(x + beside, line.points, estimates, strict=True):
                place = (float(at), one.mean * factor)
                add_share(axes, len(one.by_seed), len(point.runs), place, style["color"])
            rows += [
                (panel.title, name, line.label, point.text, point.x, *one[:2], len(one.by_seed))
                for point, one in zip(line.points, estimates, strict=True)
            ]
    _set_axis(axes, axis, of_axis)
    if many:
        axes.margins(x=0.05)
    set_label(axes, "y", panel.title, prefixed)
    _limit(axes, np.array(seeds) * factor)
    return rows


def _points(line: SweepLine, estimates: Sequence[Estimate]) -> tuple[FloatArray, FloatArray]:
    x, mean = [point.x for point in line.points], [one.mean for one in estimates]
    return np.array(x), np.array(mean)


def _draw_line(
    axes: Axes,
    x: FloatArray,
    estimates: Sequence[Estimate],
    style: dict[str, Any],
    factor: float,
    *,
    banded: bool,
    beside: float | None = None,
) -> None:
    """Draw single seeds, if there are several, and means with bands or else whiskers.

    With `beside`, in points, seeds are left out, and whiskers stand so far beside the means.
    """
    colour = style["color"]
    seeds = sorted({seed for each in estimates for seed in each.by_seed})
    for seed in seeds if len(seeds) > 1 and beside is None else ():
        y = np.array([each.by_seed.get(seed, np.nan) for each in estimates]) * factor
        axes.plot(x, y, ".", ms=3, lw=0.7, ls=style["ls"], color=colour, alpha=0.4)
    mean = np.array([each.mean for each in estimates]) * factor
    half = np.array([each.half_width for each in estimates]) * factor
    axes.plot(x, mean, **style)
    if banded:
        axes.fill_between(x, mean - half, mean + half, color=colour, alpha=0.1, lw=0)
        return
    apart = ScaledTranslation((beside or 0.0) / 72, 0.0, axes.figure.dpi_scale_trans)
    whiskers: dict[str, Any] = {"fmt": "none", "capsize": 3 if beside is None else 1.5, "lw": 0.9}
    whiskers |= {"color": colour, "alpha": 0.6, "transform": axes.transData + apart}
    axes.errorbar(x, mean, yerr=half, **whiskers)


def _set_axis(axes: Axes, axis: Axis, of_axis: Sequence[SweepLine]) -> None:
    texts = {point.x: point.text for line in of_axis for point in line.points}
    x = sorted(texts)
    axes.set_xlabel(axis.title)
    if not axis.numeric:
        axes.set_xticks(x, [texts[each] for each in x], fontsize=8)
        points = 72 * axes.get_window_extent().width / axes.figure.dpi
        if _SIGN * max(map(len, texts.values())) > points / len(x):
            for label in axes.get_xticklabels():
                label.set(rotation=30, horizontalalignment="right", rotation_mode="anchor")
        axes.set_xlim(x[0] - 0.4, x[-1] + 0.4)
        return
    if x[0] > 0 and x[-1] >= WIDE * x[0]:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
    if len(x) <= 12:
        axes.set_xticks(x, [f"{each:g}" for each in x])


def _limit(axes: Axes, values: Any) -> None:
    finite = values[np.isfinite(values)]
    if finite.size and finite.min() > 0 and finite.max() > 4 * WIDE * finite.min():
        low, high = float(finite.min()), float(finite.max())
        logarithmic(axes, "y", low, high)
        axes.set_ylim(low / 1.3, high * 1.3)
    else:
        fit_to_seeds(axes, finite)
