"""Breakdown: where the devices' seconds and joules go, by activity and by component."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from wfl_sim.results.figures.style import (
    INK,
    columns,
    devices,
    fill,
    in_order,
    look,
    patches,
    save,
    scale,
)
from wfl_sim.results.run import Run
from wfl_sim.results.statistics import by_label, mean_and_half_width

PANELS: Final[dict[str, tuple[str, str]]] = {
    "seconds": ("time by activity", "s"),
    "joules": ("energy by activity", "J"),
    "components": ("energy by component", "J"),
}
HEADER: Final = ("label", "quantity", "part", "mean", "half_width", "seeds")
LEGEND: Final = 170
"""characters that fit under the figure"""
SHOWN = 0.09
"""the least share of the axis that has room for its percentage"""


@dataclass(frozen=True)
class Bar:
    """One stacked bar: means over the seeds of a label."""

    label: str
    parts: dict[str, float]
    """by activity or component, in s or J"""
    half_widths: dict[str, float]
    total: float
    half_width: float
    """half the 95 % t-interval of the total; NaN with one seed"""
    totals: tuple[float, ...]
    """of each seed"""


def bar(label: str, runs: Sequence[Run], quantity: str) -> Bar:
    """Return what all devices together spent, by its parts, averaged over seeds.

    Args:
        label: what to call the bar.
        runs: of different seeds.
        quantity: "seconds" or "joules", by activity from the spans, or "components", joules from
            the manifest.
    """
    sums = [_components(run) if quantity == "components" else _sums(run, quantity) for run in runs]
    names = in_order(name for one in sums for name in one)
    parts = {name: mean_and_half_width([one.get(name, 0.0) for one in sums]) for name in names}
    totals = tuple(sum(one.values()) for one in sums)
    total, half_width = mean_and_half_width(totals)
    return Bar(
        label=label,
        parts={name: float(mean) for name, (mean, _) in parts.items()},
        half_widths={name: float(half) for name, (_, half) in parts.items()},
        total=float(total),
        half_width=float(half_width),
        totals=totals,
    )


def breakdown(runs: Sequence[Run], folder: Path) -> list[Path]:
    """Draw stacked bars of device-seconds and joules, one bar for each label.

    A part is the mean over seeds; dots are the totals of single seeds and the whisker is the 95 %
    t-interval of the mean total, which may leave the picture. Only devices count, not the server.
    Joules of an activity are all that a device drew in it, idle power included; joules by
    component tell idle power apart, where all manifests state them.

    Returns:
        The paths of PNG, SVG and CSV, named `breakdown`.

    Raises:
        ValueError: no runs, or a label holds a seed twice.
    """
    groups = by_label(runs)
    stated = all(_components(run) for run in runs)
    panels = {name: PANELS[name] for name in PANELS if stated or name != "components"}
    bars = {q: [bar(label, members, q) for label, members in groups.items()] for q in panels}
    with look():
        figure = Figure(figsize=(1.4 + 3.6 * len(panels), 1.6 + 0.6 * len(groups)))
        for axes, (quantity, of_quantity) in zip(
            figure.subplots(1, len(panels), sharey=True), bars.items(), strict=True
        ):
            panel(axes, *PANELS[quantity], of_quantity)
        seen = in_order(a for stack in bars.values() for one in stack for a in one.parts)
        handles: list[Patch | Line2D] = [*patches(seen)]
        if any(len(members) > 1 for members in groups.values()):
            text = "total: seeds, 95 % interval of the mean"
            dot: dict[str, Any] = {"marker": "o", "ms": 4, "mfc": "white"}
            handles.append(Line2D([], [], color=INK, lw=1, label=text, **dot))
        figure.legend(handles=handles, loc="outside lower center", ncols=columns(handles, LEGEND))
        figure.suptitle("Where the time and the energy of all devices together go")
        return save(figure, folder, "breakdown", HEADER, _rows(bars))


def _sums(run: Run, quantity: str) -> dict[str, float]:
    spans = run.span_arrays
    mine = np.isin(spans["actor"], devices(run))
    amount = spans["end"] - spans["start"] if quantity == "seconds" else spans["joules"]
    activities, index = np.unique(spans["activity"][mine], return_inverse=True)
    sums = np.bincount(index, weights=amount[mine], minlength=len(activities))
    return dict(zip(activities.tolist(), sums.tolist(), strict=True))


def _components(run: Run) -> dict[str, float]:
    stated = run.manifest.get("joules")
    return {str(k): float(v) for k, v in stated.items()} if isinstance(stated, dict) else {}


def panel(axes: Axes, name: str, unit: str, bars: Sequence[Bar]) -> None:
    """Draw stacked bars of a quantity of this name and unit."""
    limit = _limit(bars)
    factor, prefixed = scale(limit, unit)
    for row, one in enumerate(bars):
        left = 0.0
        for activity in in_order(one.parts):
            amount, style = one.parts[activity], fill(activity)
            axes.barh(
                row,
                amount * factor,
                left=left * factor,
                height=0.66,
                color=style.colour,
                hatch=style.hatch,
                edgecolor="#999999" if style.hatch else "white",
                lw=0.6,
            )
            if amount >= SHOWN * limit:
                axes.text(
                    (left + amount / 2) * factor,
                    row,
                    f"{amount / one.total:.0%}",
                    ha="center",
                    va="center",
                    fontsize=8,
                    color=style.ink,
                )
            left += amount
        if np.isfinite(one.half_width):
            total, half = one.total * factor, one.half_width * factor
            low = row + 0.24
            axes.errorbar(total, low, xerr=half, fmt="none", color=INK, capsize=3, lw=1)
            dots = [each * factor for each in one.totals]
            axes.plot(dots, [low] * len(dots), "o", ms=4, mfc="white", mec=INK, zorder=3)
    axes.set_yticks(range(len(bars)), [_name(one) for one in bars])
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_xlim(0, limit * factor)
    axes.set_xlabel(f"{name} ({prefixed})")


def _limit(bars: Sequence[Bar]) -> float:
    """Return where the axis ends: at the longest whisker, unless that dwarfs every seed."""
    longest = max(max(one.totals) for one in bars) or 1.0
    whisker = max(one.total + np.nan_to_num(one.half_width) for one in bars)
    return 1.05 * float(np.clip(whisker, longest, 1.2 * longest))


def _name(one: Bar) -> str:
    return f"{one.label}\n({len(one.totals)} seed{'s' if len(one.totals) > 1 else ''})"


def _rows(bars: dict[str, list[Bar]]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for quantity, of_quantity in bars.items():
        for one in of_quantity:
            for activity, mean in one.parts.items():
                half = one.half_widths[activity]
                rows.append((one.label, quantity, activity, mean, half, len(one.totals)))
            rows.append((one.label, quantity, "total", one.total, one.half_width, len(one.totals)))
    return rows
