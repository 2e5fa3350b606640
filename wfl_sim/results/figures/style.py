"""Colours, line styles and axes of all figures."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Annotation
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import ArrayLike, NDArray

INK: Final = "#222222"
GREY: Final = "#444444"
INTERVAL: Final = "95 % interval of the mean"
CUT_INTERVAL: Final = f"{INTERVAL} (cut at the axes)"
LINES: Final = ("-", "--", "-.", ":")
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")

Styles = Mapping[str, Mapping[str, Any]]
"""Colour, line style and marker of each label."""


def line_styles(labels: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return colour, line style and marker of each label; no two of the first 49 are alike."""
    colours = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
    styles = {}
    for number, label in enumerate(labels):
        shifted = number + number // len(colours)
        styles[label] = {
            "color": colours[number % len(colours)],
            "linestyle": LINES[shifted % len(LINES)],
            "marker": MARKERS[shifted % len(MARKERS)],
        }
    return styles


@dataclass(frozen=True)
class Fill:
    """How an activity is filled. Lightness differs as well, so that prints in grey can be read."""

    colour: str
    hatch: str = ""
    ink: str = INK
    """Colour of text on the area."""


FILLS: Final[dict[str, Fill]] = {
    "download": Fill("#56B4E9"),
    "receive": Fill("#56B4E9"),
    "compute": Fill("#D55E00", ink="white"),
    "upload": Fill("#0072B2", ink="white"),
    "transmit": Fill("#0072B2", ink="white"),
    "backhaul": Fill("#E69F00"),
    "handover": Fill("#F0E442"),
    "wait": Fill("#B8B8B8"),
    "idle": Fill("#DDDDDD"),
    "off": Fill("#FFFFFF", hatch="xxx"),
    "transfer": Fill("#CC79A7"),
    "user-download": Fill("#A6D5F0", hatch="//"),
    "user-upload": Fill("#6FA8CF", hatch="//"),
    "aggregate": Fill("#009E73", ink="white"),
}
"""Fill of each activity or component of energy, in the order of stacks and legends."""


def fill(activity: str) -> Fill:
    """Return how an activity is filled; one that is not in `FILLS` is black."""
    return FILLS.get(activity, Fill("#000000", ink="white"))


def in_order(activities: Iterable[str]) -> list[str]:
    """Return activities in the order of `FILLS`, unknown ones last and sorted by name."""
    known = list(FILLS)
    return sorted(set(activities), key=lambda a: (known.index(a) if a in FILLS else len(known), a))


def patches(activities: Iterable[str]) -> list[Patch]:
    """Return the entries of a legend; activities that look the same share one."""
    names: dict[Fill, list[str]] = {}
    for activity in activities:
        names.setdefault(fill(activity), []).append(activity)
    border: dict[str, Any] = {"edgecolor": "#666666", "lw": 0.5}
    return [
        Patch(facecolor=style.colour, hatch=style.hatch, label=" / ".join(alike), **border)
        for style, alike in names.items()
    ]


def line_handles(styles: Styles, **changes: Any) -> list[Line2D]:
    """Return the entries of a legend for labelled lines, with changes to their styles."""
    return [
        # matplotlib hides what begins with an underscore.
        Line2D([], [], label=f" {label}" if label[0] == "_" else label, **{**style, **changes})
        for label, style in styles.items()
        if label
    ]


def interval_handle(*, band: bool) -> Artist:
    """Return the entry of a legend for intervals, drawn as bands or as whiskers."""
    if band:
        return Patch(facecolor=INK, alpha=0.14, lw=0, label=CUT_INTERVAL)
    return Line2D([], [], color=INK, lw=0.9, marker="|", ms=6, label=CUT_INTERVAL)


def halos(lines: Sequence[tuple[NDArray[Any], NDArray[Any]]]) -> list[float]:
    """Return how much wider than one line each is drawn, so that later equal ones do not hide it.

    Of three equal lines the first is three times as wide as the last, and no line is wider.
    """
    later = [
        sum(all(map(np.array_equal, one, other)) for other in lines[number + 1 :])
        for number, one in enumerate(lines)
    ]
    return [count * min(1.0, 2.0 / max(later)) if count else 0.0 for count in later]


PREFIXES: Final = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def scale(largest: float, unit: str) -> tuple[float, str]:
    """Return the factor by which to multiply values, and the unit with its prefix.

    Seconds become hours from three hours on. Values without a unit are not scaled.

    >>> scale(2.5e7, "bit")
    (1e-06, 'Mbit')
    """
    if unit == "s":
        return (1 / 3600, "h") if largest >= 3 * 3600 else (1.0, "s")
    if unit:
        for size, prefix in PREFIXES:
            if largest >= size:
                return 1 / size, prefix + unit
    return 1.0, unit


def logarithmic(axes: Axes, which: Literal["x", "y"], low: float, high: float) -> None:
    """Make an axis logarithmic, with plain numbers at 1, 2 and 5 of each decade.

    Where those are too few, matplotlib puts ticks at even distances. Over three decades or more,
    only powers of ten have numbers. An axis of one value stays as it is.
    """
    if not high > low:
        return
    axes.set(**{f"{which}scale": "log"})
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(subs=(1,) if high >= 1000 * low else (1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def add_share(
    axes: Axes, counted: int, seeds: int, place: tuple[float, float], colour: str
) -> None:
    """Write beside a mean of how many of all seeds it is, where it is not of all.

    It goes below the mean, and below what stands there already of others.
    """
    if not 0 < counted < seeds:
        return
    points = 72 / mpl.rcParams["figure.dpi"]
    x, y = axes.transData.transform(place) * points
    others = [text for text in axes.texts if isinstance(text, Annotation)]
    taken = [axes.transData.transform(each.xy) * points + each.xyann for each in others]
    near = sorted((level for left, level in taken if abs(left - x - 3) < 18), reverse=True)
    low = y - 12
    for level in near:
        if abs(level - low) < 9:
            low = level - 9
    axes.annotate(
        f"{counted}/{seeds}",
        place,
        xytext=(3, low - y),
        textcoords="offset points",
        fontsize=8,
        color=colour,
    )


def set_label(axes: Axes, which: Literal["x", "y"], name: str, unit: str) -> None:
    """Label an axis with a name and, where there is one, a unit."""
    axes.set(**{f"{which}label": f"{name} ({unit})" if unit else name})


def set_rows(axes: Axes, names: Sequence[str], **text: Any) -> None:
    """Make the vertical axis one of named rows, the first on top; `text` is the names' style."""
    axes.set_yticks(range(len(names)), list(names), **text)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.set_ylim(len(names) - 0.4, -0.6)


def fit_to_seeds(axes: Axes, values: ArrayLike, above: float = 0.15) -> None:
    """Let the values of single seeds decide the vertical range, with margins as shares of it.

    The t-interval of two seeds can be many times as wide as their distance. What is never negative,
    such as a time or a count, has no axis below zero, but for the width of a marker.
    """
    finite = np.asarray(values)[np.isfinite(values)]
    if finite.size:
        low, high = float(finite.min()), float(finite.max())
        span = (high - low) or abs(high) or 1.0
        below = 0.15 * span if low < 0 else min(0.15 * span, low + 0.03 * span)
        axes.set_ylim(low - below, high + above * span)


def share_of_figure(axes: Axes) -> tuple[float, float]:
    """Return the shares of the figure's width and height that a panel takes."""
    place = axes.get_subplotspec()
    if place is None:
        return 1.0, 1.0
    grid = place.get_gridspec()
    widths, heights = np.array(grid.get_width_ratios()), np.array(grid.get_height_ratios())
    across = widths[place.colspan.start : place.colspan.stop].sum() / widths.sum()
    down = heights[place.rowspan.start : place.rowspan.stop].sum() / heights.sum()
    return float(across), float(down)


def take_names(axes: Axes, panels: Sequence[Axes]) -> None:
    """Give a panel the names of axes that it shares with others of its row or column."""
    place = axes.get_subplotspec()
    for other in panels:
        theirs = other.get_subplotspec()
        if place is not None and theirs is not None and place.rowspan == theirs.rowspan:
            axes.set_ylabel(axes.get_ylabel() or other.get_ylabel())
        if place is not None and theirs is not None and place.colspan == theirs.colspan:
            axes.set_xlabel(axes.get_xlabel() or other.get_xlabel())
