"""Batteries: their levels over time, available devices, and dropped work."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from channel_models.validation import FloatArray
from wfl_sim.results.figures.breakdown import bar, bar_handles, draw_bars
from wfl_sim.results.figures.legends import columns
from wfl_sim.results.figures.look import Drawing, saved
from wfl_sim.results.figures.style import INK, fill, in_order, scale, set_label
from wfl_sim.results.run import Run
from wfl_sim.results.statistics import by_label
from wfl_sim.results.tables import file_name
from wfl_sim.results.totals import battery_groups

HEADER: Final = ("what", "device", "time", "value")
FLEET_HEADER: Final = ("label", "what", "of", "time", "value")
MARKS: Final = {"wait": "s", "download": "v", "compute": "D", "upload": "^"}
MOST: Final = 3
"""Labels that have room side by side."""


@saved
def batteries(runs: Sequence[Run]) -> Iterator[Drawing]:
    """Draw levels and losses for the lowest seed of each label whose devices have batteries.

    Above, the level of each battery as a share of its capacity, with a colour for each group of
    devices; a cross marks where it is empty. Below, the number of available devices, and a mark
    where work was dropped, by the activity of the device at that time.

    Named `batteries-<label>`.
    """
    for label, members in _with_batteries(runs).items():
        run = members[0]
        figure = Figure(figsize=(9.6, 5.6))
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        rows = _draw_run(above, below, run, float(run.span_arrays["end"].max()))
        figure.suptitle(f"{label}, seed {run.seed}: batteries, and who was lost when")
        yield Drawing(file_name("batteries", label), figure, HEADER, rows)


@saved
def fleet(runs: Sequence[Run]) -> Iterator[Drawing]:
    """Draw two or three labels whose devices have batteries side by side.

    Above, the levels of batteries and the number of available devices, for the lowest seed of each
    label, as in `batteries`. Below, joules by component of all devices together, means over seeds
    as in `breakdown`.

    Named `fleet`; none for other numbers of labels.
    """
    shown = _with_batteries(runs)
    if not 2 <= len(shown) <= MOST:
        return
    end = max(float(members[0].span_arrays["end"].max()) for members in shown.values())
    rows: list[tuple[Any, ...]] = []
    figure = Figure(figsize=(6.4 * len(shown), 7.4 + 0.3 * len(shown)))
    grid = figure.add_gridspec(3, len(shown), height_ratios=(3, 2, 0.9 + 0.25 * len(shown)))
    above = below = None
    for column, (label, members) in enumerate(shown.items()):
        levels = figure.add_subplot(grid[0, column], sharex=above, sharey=above)
        losses = figure.add_subplot(grid[1, column], sharex=levels, sharey=below)
        above, below = above or levels, below or losses
        rows += [(label, *row) for row in _draw_run(levels, losses, members[0], end)]
        levels.set_title(f"{label}, seed {members[0].seed}")
        levels.tick_params(labelbottom=False)
    bars = [bar(label, members, "components") for label, members in shown.items()]
    axes = figure.add_subplot(grid[2, :])
    draw_bars(axes, "energy by component, all devices", "J", bars)
    rows += [
        (one.label, "joules", part, None, joules.mean)
        for one in bars
        for part, joules in one.parts.items()
    ]
    handles = bar_handles([bars])
    above_bars: dict[str, Any] = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0)}
    axes.legend(handles=handles, ncols=columns(handles, 75 * len(shown)), **above_bars)
    yield Drawing("fleet", figure, FLEET_HEADER, rows)


def presence(run: Run) -> tuple[FloatArray, NDArray[np.int64]]:
    """Return the times in s at which the number of available devices changes, and that number.

    The first time is 0.
    """
    spans, every = run.span_arrays, run.devices
    off = np.isin(spans["actor"], every) & (spans["activity"] == "off")
    times = np.concatenate(([0.0], spans["start"][off], spans["end"][off]))
    steps = np.concatenate(([len(every)], -np.ones(off.sum(), int), np.ones(off.sum(), int)))
    known, index = np.unique(times, return_inverse=True)
    counts = np.cumsum(np.bincount(index, weights=steps).astype(int))
    ongoing = known < spans["end"].max()
    return known[ongoing], counts[ongoing]


def _with_batteries(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Return the labels whose run of the lowest seed has batteries."""
    return {
        label: members
        for label, members in by_label(runs).items()
        if "battery" in members[0].level_arrays["quantity"]
    }


def _draw_run(above: Axes, below: Axes, run: Run, end: float) -> list[tuple[Any, ...]]:
    """Draw the levels and the losses of a run until `end`, in s; return the numbers."""
    factor, unit = scale(end, "s")
    rows = _draw_levels(above, run, factor) + _draw_losses(below, run, factor)
    above.set_xlim(0, end * factor)
    set_label(below, "x", "simulated time", unit)
    return rows


def _draw_levels(axes: Axes, run: Run, factor: float) -> list[tuple[Any, ...]]:
    levels = run.level_arrays
    colours = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
    cross: dict[str, Any] = {"marker": "x", "color": INK, "ls": "", "mew": 1.6}
    rows: list[tuple[Any, ...]] = []
    colour_of: dict[str, str] = {}
    for device, group in battery_groups(run).items():
        mine = (levels["actor"] == device) & (levels["quantity"] == "battery")
        if not mine.any():
            continue
        battery, time, joules = group["battery"], levels["time"][mine], levels["value"][mine]
        share = joules / battery["capacity"]
        name = f"{group['hardware']['name']}, {_energy(battery['capacity'])}"
        colour = colour_of.setdefault(name, colours[len(colour_of) % len(colours)])
        axes.plot(time * factor, 100 * share, color=colour, lw=1.2)
        empty = share <= battery["cutoff"] + 1e-9
        empty[1:] &= ~empty[:-1]
        axes.plot(time[empty] * factor, 100 * share[empty], ms=6, zorder=3, **cross)
        rows += [("battery", device, *pair) for pair in zip(time, joules, strict=True)]
    handles = [Line2D([], [], color=colour, label=name) for name, colour in colour_of.items()]
    handles.append(Line2D([], [], label="empty", **cross))
    axes.legend(
        handles=handles, loc="lower left", ncols=len(handles), fontsize=9, columnspacing=1.2
    )
    axes.set_ylabel("battery level (%)")
    axes.set_ylim(-18, 105)
    return rows


def _draw_losses(axes: Axes, run: Run, factor: float) -> list[tuple[Any, ...]]:
    spans, (times, counts) = run.span_arrays, presence(run)
    total = len(run.devices)
    x, y = np.append(times, spans["end"].max()) * factor, np.append(counts, counts[-1])
    axes.step(x, y, where="post", color=INK)
    axes.fill_between(x, y, step="post", color="#EEEEEE")
    pairs = zip(times.tolist(), counts.tolist(), strict=True)
    rows: list[tuple[Any, ...]] = [("present", "", *pair) for pair in pairs]
    dropped = spans["outcome"] == "dropped"
    for activity in in_order(spans["activity"][dropped].tolist()):
        mine = dropped & (spans["activity"] == activity)
        when = spans["end"][mine]
        available = counts[np.searchsorted(times, when, side="right") - 1]
        axes.plot(
            when * factor,
            available,
            MARKS.get(activity, "o"),
            color=fill(activity).colour,
            mec=INK,
            mew=0.6,
            ms=7,
            label=f"{activity} ({mine.sum()})",
        )
        numbers = zip(spans["actor"][mine], when, available, strict=True)
        rows += [(f"dropped {activity}", *each) for each in numbers]
    if dropped.any():
        axes.legend(loc="lower left", title="dropped while", ncols=4)
    axes.set_ylim(0, 1.08 * total)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel(f"available devices (of {total})")
    return rows


def _energy(joules: float) -> str:
    return f"{joules / 3600:.3g} Wh" if joules >= 3600 else f"{joules:.3g} J"
