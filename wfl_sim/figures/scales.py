"""Prefixes of units, so that an axis shows numbers between 1 and 1000, and logarithmic axes."""

from typing import Final, Literal

from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullFormatter

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
