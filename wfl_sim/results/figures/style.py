"""One look for all figures: the style file, a colour for each label and for each activity."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullFormatter

from wfl_sim.results.run import Run

INK: Final = "#222222"
GREY: Final = "#444444"
HANDLE: Final = 9
"""characters that the line or patch of a legend entry takes"""
LINES: Final = ("-", "--", "-.", ":")
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X")


@contextmanager
def look() -> Iterator[None]:
    """Draw and save in the style of wfl_sim; the caller's settings come back afterwards."""
    with (
        as_file(files("wfl_sim.results.figures") / "style.mplstyle") as path,
        mpl.rc_context(fname=path),
    ):
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


INFRASTRUCTURE: Final = ("aggregate", "transfer")
"""Activities of servers and cells, which no device has."""


def actors(run: Run) -> list[str]:
    """Return servers and cells, then devices, each in natural order (2 before 10)."""
    names = np.unique(run.span_arrays["actor"]).tolist()
    ours = set(devices(run))
    return sorted(names, key=lambda name: (name in ours, natural(name)))


def devices(run: Run) -> list[str]:
    """Return the devices in natural order."""
    spans = run.span_arrays
    others = set(spans["actor"][np.isin(spans["activity"], INFRASTRUCTURE)].tolist())
    return sorted(set(spans["actor"].tolist()) - others, key=natural)


def natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts the numbers within names as numbers."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)
    ]


def save(
    figure: Figure, folder: Path, name: str, header: Sequence[str], rows: Iterable[Sequence[object]]
) -> list[Path]:
    """Write `<name>.png`, `.svg` and `.csv` into a folder, which is made, and return the paths.

    Equal figures give equal files: no date is written and identifiers in the SVG are salted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    png, svg = folder / f"{name}.png", folder / f"{name}.svg"
    figure.savefig(png, metadata={"Software": None})
    figure.savefig(svg, metadata={"Date": None, "Creator": "wfl_sim"})
    return [png, svg, write_csv(folder / f"{name}.csv", header, rows)]


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """Write rows under a header in full precision; None and NaN become empty."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for row in rows:
            writer.writerow(["" if value is None or value != value else value for value in row])
    return path


def file_name(*words: object) -> str:
    """Return words as one lower-case file name."""
    text = "-".join(str(word) for word in words)
    return re.sub(r"[^\w.-]+", "-", text).strip("-").lower()


PREFIXES: Final = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def scale(largest: float, unit: str) -> tuple[float, str]:
    """Return the factor to multiply values with and the unit with its prefix.

    Seconds become hours from three hours on; what has no unit keeps its numbers.

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

    Where those are too few, matplotlib puts ticks at even distances; over three decades and more
    powers of ten alone have numbers.

    Args:
        axes: of the figure.
        which: of its two axes.
        low: the smallest value shown.
        high: the largest.
    """
    axes.set(**{f"{which}scale": "log"})
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(subs=(1,) if high >= 1000 * low else (1, 2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())
