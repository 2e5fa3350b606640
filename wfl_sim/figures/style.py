"""One look for all figures: the style file, a colour for each label and for each activity."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.patches import Patch

INK: Final = "#222222"
GREY: Final = "#444444"
HANDLE: Final = 9
"""characters that the line or patch of a legend entry takes"""
LINES: Final = ("-", "--", "-.", ":")
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")


@contextmanager
def look() -> Iterator[None]:
    """Draw and save in the style of wfl_sim; the caller's settings come back afterwards."""
    with as_file(files("wfl_sim.figures") / "style.mplstyle") as path, mpl.rc_context(fname=path):
        yield


def line_styles(labels: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return colour, line style and marker of each label; no two of the first 49 are alike."""
    colours = mpl.rcParams["axes.prop_cycle"].by_key()["color"]
    styles = {}
    for number, label in enumerate(labels):
        turn = number + number // len(colours)
        styles[label] = {
            "color": colours[number % len(colours)],
            "linestyle": LINES[turn % len(LINES)],
            "marker": MARKERS[turn % len(MARKERS)],
        }
    return styles


@dataclass(frozen=True)
class Fill:
    """How an activity is filled. Lightness differs too, so that grey prints can be read."""

    colour: str
    hatch: str = ""
    ink: str = INK
    """colour of text on it"""


FILLS: Final[dict[str, Fill]] = {
    "download": Fill("#56B4E9"),
    "receive": Fill("#56B4E9"),
    "compute": Fill("#D55E00", ink="white"),
    "upload": Fill("#0072B2", ink="white"),
    "transmit": Fill("#0072B2", ink="white"),
    "handover": Fill("#F0E442"),
    "wait": Fill("#CCCCCC"),
    "idle": Fill("#EEEEEE"),
    "off": Fill("#FFFFFF", hatch="xxx"),
    "transfer": Fill("#CC79A7"),
    "aggregate": Fill("#009E73", ink="white"),
}
"""By activity or component of energy, in the order of stacks and legends."""


def fill(activity: str) -> Fill:
    """Return how an activity is filled; one that is not in `FILLS` is black."""
    return FILLS.get(activity, Fill("#000000", ink="white"))


def in_order(activities: Iterable[str]) -> list[str]:
    """Return activities in the order of `FILLS`, unknown ones last by name."""
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


def room(handles: Sequence[Artist], width: int) -> float:
    """Return the inches that a legend below a figure takes beyond its first two rows."""
    rows = -(-len(handles) // columns(handles, width))
    return 0.21 * max(rows - 2, 0)


def columns(handles: Sequence[Artist], width: int) -> int:
    """Return how many columns of a legend fit beside one another into `width` characters."""
    lengths = [len(str(handle.get_label())) + HANDLE for handle in handles]
    fitting = (
        count
        for count in range(len(lengths), 1, -1)
        if sum(max(column) for column in np.array_split(lengths, count)) <= width
    )
    return next(fitting, 1)
