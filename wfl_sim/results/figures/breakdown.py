"""Breakdown: seconds and joules of the devices, by activity and by component."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from wfl_sim.config.errors import counted
from wfl_sim.results.figures.legends import add_legend
from wfl_sim.results.figures.look import Drawing, saved
from wfl_sim.results.figures.style import (
    CUT_INTERVAL,
    INK,
    INTERVAL,
    fill,
    in_order,
    patches,
    scale,
    set_label,
    set_rows,
)
from wfl_sim.results.run import Run
from wfl_sim.results.statistics import Estimate, by_label, estimate
from wfl_sim.results.totals import Quantity, spent

PANELS: Final[dict[Quantity, tuple[str, str]]] = {
    "seconds": ("time by activity", "s"),
    "joules": ("energy by activity", "J"),
    "components": ("energy by component", "J"),
}
_SEEN: Final = 0.004
"""Share of a bar from which a part is wider than the line around it."""
HEADER: Final = ("label", "quantity", "part", "mean", "half_width", "seeds")


class BarText(Text):
    """A text in the middle of a bar, which is drawn where it fits in at the printed size."""

    def __init__(self, bar: Rectangle, text: str, **style: Any) -> None:
        middle = (bar.get_x() + bar.get_width() / 2, bar.get_y() + bar.get_height() / 2)
        super().__init__(*middle, text, ha="center", va="center", **style)
        self._bar = bar

    def draw(self, renderer: RendererBase) -> None:
        """Draw it, if it is no wider than the bar."""
        if self.get_window_extent(renderer).width <= self._bar.get_window_extent().width:
            super().draw(renderer)


@dataclass(frozen=True)
class Bar:
    """One stacked bar: means over the seeds of a label."""

    label: str
    parts: dict[str, Estimate]
    """Estimate of each activity or component, in s or J."""
    total: Estimate
    """Estimate of the sum, in s or J."""


def bar(label: str, runs: Sequence[Run], quantity: Quantity) -> Bar:
    """Return what all devices together spent, by its parts, averaged over seeds.

    Args:
        label: The name of the bar.
        runs: Runs of different seeds.
        quantity: "seconds" or "joules", by activity from the spans; or "components", joules from
            the manifest.
    """
    sums = {run.seed: spent(run, quantity) for run in runs}
    names = in_order(name for parts in sums.values() for name in parts)
    return Bar(
        label,
        {name: estimate({s: parts.get(name, 0.0) for s, parts in sums.items()}) for name in names},
        estimate({seed: sum(parts.values()) for seed, parts in sums.items()}),
    )


@saved
def breakdown(runs: Sequence[Run]) -> Iterator[Drawing]:
    """Draw stacked bars of device-seconds and joules, one bar for each label.

    A part is the mean over seeds. Dots are the totals of single seeds, and the whisker is the 95 %
    t-interval of the mean total, as far as twice the largest seed. Only devices count, not the
    server. Joules of an activity are all that a device drew in it, idle power included. Joules by
    component list idle power separately; they are drawn if all manifests state them.

    Named `breakdown`.

    Raises:
        ValueError: There are no runs, or a label has a seed twice.
    """
    groups = by_label(runs)
    stated = all(run.components for run in runs)
    panels = [name for name in PANELS if stated or name != "components"]
    bars = {q: [bar(label, members, q) for label, members in groups.items()] for q in panels}
    figure = Figure(figsize=(1.4 + 3.6 * len(panels), 1.6 + 0.6 * len(groups)))
    subplots = figure.subplots(1, len(panels), sharey=True)
    for axes, (quantity, of_quantity) in zip(subplots, bars.items(), strict=True):
        draw_bars(axes, *PANELS[quantity], of_quantity)
    add_legend(figure, bar_handles(list(bars.values())), width=170)
    figure.suptitle("Where the time and the energy of all devices together go")
    rows = [
        (one.label, quantity, part, value.mean, value.half_width, len(value.by_seed))
        for quantity, of_quantity in bars.items()
        for one in of_quantity
        for part, value in (*one.parts.items(), ("total", one.total))
    ]
    yield Drawing("breakdown", figure, HEADER, rows)


def draw_bars(axes: Axes, name: str, unit: str, bars: Sequence[Bar]) -> None:
    """Draw stacked bars of a quantity with this name and unit."""
    limit = _limit(bars)
    factor, prefixed = scale(limit, unit)
    for row, one in enumerate(bars):
        left = 0.0
        for part in in_order(one.parts):
            amount, style = one.parts[part].mean, fill(part)
            (patch,) = axes.barh(
                row,
                amount * factor,
                left=left * factor,
                height=0.66,
                color=style.colour,
                hatch=style.hatch,
                edgecolor="#999999" if style.hatch else "white",
                lw=0.6,
            )
            if amount:
                share = f"{amount / one.total.mean:.0%}"
                axes.add_artist(BarText(patch, share, fontsize=8, color=style.ink))
            left += amount
        if np.isfinite(one.total.half_width):
            total, half = one.total.mean * factor, one.total.half_width * factor
            low = row + 0.24
            axes.errorbar(total, low, xerr=half, fmt="none", color=INK, capsize=3, lw=1)
            dots = [each * factor for each in one.total.by_seed.values()]
            axes.plot(dots, [low] * len(dots), "o", ms=4, mfc="white", mec=INK, zorder=3)
    set_rows(axes, [_name(one) for one in bars])
    axes.set_xlim(0, limit * factor)
    set_label(axes, "x", name, prefixed)


def bar_handles(panels: Sequence[Sequence[Bar]]) -> list[Artist]:
    """Return the entries of a legend: parts that are seen, and what dots and whiskers are."""
    bars = [one for panel in panels for one in panel]
    seen = (
        part
        for one in bars
        for part, value in one.parts.items()
        if value.mean > _SEEN * one.total.mean
    )
    handles: list[Artist] = [*patches(in_order(seen))]
    if any(len(one.total.by_seed) > 1 for one in bars):
        text = f"total: seeds, {CUT_INTERVAL if any(map(_is_cut, panels)) else INTERVAL}"
        handles.append(Line2D([], [], color=INK, lw=1, label=text, marker="o", ms=4, mfc="white"))
    return handles


def _is_cut(bars: Sequence[Bar]) -> bool:
    """Whether a whisker ends beyond the axis."""
    limit = _limit(bars)
    ends = (
        (one.total.mean - one.total.half_width, one.total.mean + one.total.half_width)
        for one in bars
    )
    return any(low < 0.0 or high > limit for low, high in ends)  # not where a seed has no interval


def _limit(bars: Sequence[Bar]) -> float:
    """Return the end of the axis: the longest whisker, or twice the largest seed if less."""
    longest = max(max(one.total.by_seed.values()) for one in bars) or 1.0
    whisker = max(one.total.mean + np.nan_to_num(one.total.half_width) for one in bars)
    return 1.05 * float(np.clip(whisker, longest, 2.0 * longest))


def _name(one: Bar) -> str:
    return f"{one.label}\n({counted(len(one.total.by_seed), 'seed')})"
