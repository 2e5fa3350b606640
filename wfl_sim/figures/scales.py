"""Prefixes of units, so that an axis shows numbers between 1 and 1000."""

from typing import Final

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
