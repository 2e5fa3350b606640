"""Batteries: what is left in them over time, and who was lost when."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from wfl_sim.results.figures.breakdown import bar, panel
from wfl_sim.results.figures.style import (
    INK,
    columns,
    devices,
    file_name,
    fill,
    in_order,
    look,
    natural,
    patches,
    save,
    scale,
)
from wfl_sim.results.run import Run
from wfl_sim.results.statistics import by_label

HEADER: Final = ("what", "device", "time", "value")
MARKS: Final = {"wait": "s", "download": "v", "compute": "D", "upload": "^"}


def batteries(runs: Sequence[Run], folder: Path) -> list[Path]:
    """Draw levels and losses for the lowest seed of each label whose devices have batteries.

    Above, the level of each battery as a share of its capacity, a colour for each group of
    devices; a cross is where it is empty. Below, how many devices can be asked, and a mark where
    work was dropped, by what the device was doing.

    Returns:
        The paths of PNG, SVG and CSV, named `batteries-<label>`.
    """
    paths: list[Path] = []
    for label, members in by_label(runs).items():
        if "battery" in members[0].level_arrays["quantity"]:
            paths += _draw(members[0], label, folder)
    return paths


def presence(run: Run) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the times at which the number of devices that can be asked changes, and that number.

    The first time is 0.
    """
    spans = run.span_arrays
    mine = np.isin(spans["actor"], devices(run)) & (spans["activity"] == "off")
    times = np.concatenate(([0.0], spans["start"][mine], spans["end"][mine]))
    steps = np.concatenate(
        ([len(devices(run))], -np.ones(mine.sum(), int), np.ones(mine.sum(), int))
    )
    known, index = np.unique(times, return_inverse=True)
    counts = np.cumsum(np.bincount(index, weights=steps).astype(int))
    ongoing = known < spans["end"].max()
    return known[ongoing], counts[ongoing]


def _draw(run: Run, label: str, folder: Path) -> list[Path]:
    with look():
        figure = Figure(figsize=(9.6, 5.6))
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        end = float(run.span_arrays["end"].max())
        factor, unit = scale(end, "s")
        rows = levels(above, run, factor) + losses(below, run, factor)
        above.set_xlim(0, end * factor)
        below.set_xlabel(f"simulated time ({unit})")
        figure.suptitle(f"{label}, seed {run.seed}: batteries, and who was lost when")
        return save(figure, folder, file_name("batteries", label), HEADER, rows)


def levels(axes: Axes, run: Run, factor: float) -> list[tuple[Any, ...]]:
    """Draw the levels of batteries in %, at times multiplied with `factor`; return the numbers."""
    rows_of = run.level_arrays
    colours = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
    rows: list[tuple[Any, ...]] = []
    groups: dict[str, str] = {}
    for device, group in _groups(run).items():
        mine = (rows_of["actor"] == device) & (rows_of["quantity"] == "battery")
        if not mine.any():
            continue
        time, share = rows_of["time"][mine], rows_of["value"][mine] / group["battery"]["capacity"]
        name = f"{group['hardware']['name']}, {_energy(group['battery']['capacity'])}"
        colour = groups.setdefault(name, colours[len(groups) % len(colours)])
        axes.plot(time * factor, 100 * share, color=colour, lw=1.2)
        empty = share <= group["battery"]["cutoff"] + 1e-9
        empty[1:] &= ~empty[:-1]
        axes.plot(time[empty] * factor, 100 * share[empty], "x", color=INK, ms=6, mew=1.6, zorder=3)
        rows += [
            ("battery", device, t, v) for t, v in zip(time, rows_of["value"][mine], strict=True)
        ]
    handles = [Line2D([], [], color=colour, label=name) for name, colour in groups.items()]
    handles.append(Line2D([], [], marker="x", color=INK, ls="", mew=1.6, label="empty"))
    axes.legend(
        handles=handles, loc="lower left", ncols=len(handles), fontsize=9, columnspacing=1.2
    )
    axes.set_ylabel("battery level (%)")
    axes.set_ylim(-18, 105)
    return rows


def losses(axes: Axes, run: Run, factor: float) -> list[tuple[Any, ...]]:
    """Draw how many devices can be asked, and what was dropped when; return the numbers."""
    spans, (times, counts) = run.span_arrays, presence(run)
    end, total = float(spans["end"].max()), len(devices(run))
    axes.step(
        np.append(times, end) * factor, np.append(counts, counts[-1]), where="post", color=INK
    )
    axes.fill_between(
        np.append(times, end) * factor, np.append(counts, counts[-1]), step="post", color="#EEEEEE"
    )
    rows: list[tuple[Any, ...]] = [
        ("present", "", t, n) for t, n in zip(times.tolist(), counts.tolist(), strict=True)
    ]
    dropped = spans["outcome"] == "dropped"
    for activity in in_order(spans["activity"][dropped].tolist()):
        mine = dropped & (spans["activity"] == activity)
        when = spans["end"][mine]
        there = counts[np.searchsorted(times, when, side="right") - 1]
        axes.plot(
            when * factor,
            there,
            MARKS.get(activity, "o"),
            color=fill(activity).colour,
            mec=INK,
            mew=0.6,
            ms=7,
            label=f"{activity} ({mine.sum()})",
        )
        rows += [
            (f"dropped {activity}", device, t, n)
            for device, t, n in zip(spans["actor"][mine], when, there, strict=True)
        ]
    if dropped.any():
        axes.legend(loc="lower left", title="dropped while", ncols=4)
    axes.set_ylim(0, 1.08 * total)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel(f"devices there, of {total}")
    return rows


def _energy(joules: float) -> str:
    return f"{joules / 3600:.3g} Wh" if joules >= 3600 else f"{joules:.3g} J"


def _groups(run: Run) -> dict[str, dict[str, Any]]:
    """Return the description of each device's group, for devices with a battery."""
    groups = [group for group in run.scenario["devices"] for _ in range(group["count"])]
    found = {f"device-{i}": group for i, group in enumerate(groups) if group.get("battery")}
    return dict(sorted(found.items(), key=lambda item: natural(item[0])))


FLEET_HEADER: Final = ("label", "what", "of", "time", "value")
LEGEND: Final = 150
"""characters that fit under the figure"""
MOST: Final = 3
"""labels that have room beside one another"""


def fleet(runs: Sequence[Run], folder: Path) -> list[Path]:
    """Draw two or three labels whose devices have batteries side by side.

    Above, the levels of batteries and how many devices can be asked, for the lowest seed of each
    label, as in `batteries`. Below, joules by component of all devices together, means over seeds
    as in `breakdown`.

    Returns:
        The paths of PNG, SVG and CSV, named `fleet`; none for other numbers of labels.
    """
    groups = by_label(runs)
    shown = {
        label: members
        for label, members in groups.items()
        if "battery" in members[0].level_arrays["quantity"]
    }
    if not 2 <= len(shown) <= MOST:
        return []
    end = max(float(members[0].span_arrays["end"].max()) for members in shown.values())
    factor, unit = scale(end, "s")
    rows: list[tuple[Any, ...]] = []
    with look():
        figure = Figure(figsize=(6.4 * len(shown), 7.4 + 0.3 * len(shown)))
        grid = figure.add_gridspec(3, len(shown), height_ratios=(3, 2, 0.9 + 0.25 * len(shown)))
        first: dict[int, Any] = {}
        for place, (label, members) in enumerate(shown.items()):
            run = members[0]
            above = figure.add_subplot(grid[0, place], sharex=first.get(0), sharey=first.get(0))
            below = figure.add_subplot(grid[1, place], sharex=above, sharey=first.get(1))
            first.setdefault(0, above)
            first.setdefault(1, below)
            found = levels(above, run, factor) + losses(below, run, factor)
            rows += [(label, *row) for row in found]
            above.set_title(f"{label}, seed {run.seed}")
            above.set_xlim(0, end * factor)
            above.tick_params(labelbottom=False)
            below.set_xlabel(f"simulated time ({unit})")
        bars = [bar(label, members, "components") for label, members in shown.items()]
        axes = figure.add_subplot(grid[2, :])
        panel(axes, "energy by component, all devices", "J", bars)
        rows += [
            (one.label, "joules", part, None, joules)
            for one in bars
            for part, joules in one.parts.items()
        ]
        handles = patches(in_order(part for one in bars for part in one.parts))
        figure.legend(handles=handles, loc="outside lower center", ncols=columns(handles, LEGEND))
        return save(figure, folder, "fleet", FLEET_HEADER, rows)
