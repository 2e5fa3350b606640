"""Checks shared by the fading processes: streams, Doppler shifts, link selections, grids."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from channel_models.validation import FloatArray, check_array, check_finite, check_positive_integer

LinkIndices = NDArray[np.intp]


def check_doppler(doppler: ArrayLike, streams: Sequence[np.random.Generator]) -> FloatArray:
    """Maximum Doppler shifts in Hz, shape (links,), one for every stream; ValueError otherwise."""
    shifts = check_finite("doppler", check_array("doppler", doppler, minimum=0.0, unit="Hz"))
    if shifts.ndim == 0:
        shifts = np.full(len(streams), float(shifts))
    if shifts.shape != (len(streams),):
        raise ValueError(
            f"doppler must have shape ({len(streams)},), one value a stream, got {shifts.shape}"
        )
    return shifts


def select_links(links: ArrayLike | None, count: int) -> LinkIndices:
    """Indices of the chosen links, shape (n,); all of them for None. ValueError when unknown."""
    if links is None:
        return np.arange(count)
    chosen = np.asarray(links)
    if chosen.dtype == np.bool_ and chosen.shape == (count,):
        return np.flatnonzero(chosen)
    if chosen.ndim != 1 or (chosen.size and not np.issubdtype(chosen.dtype, np.integer)):
        raise ValueError(f"links must be indices of shape (n,), got {links!r}")
    if chosen.size and (chosen.min() < 0 or chosen.max() >= count):
        raise ValueError(f"links must be between 0 and {count - 1}, got {chosen.tolist()}")
    return chosen.astype(np.intp)


def check_grid(first: int, count: int, step: float) -> tuple[int, int, float]:
    """First index, number of samples and step (s) of a time grid; ValueError when out of range."""
    if not float(step) > 0.0 or not np.isfinite(step):
        raise ValueError(f"step must be greater than 0 s, got {step}")
    if isinstance(first, (bool, np.bool_)) or not isinstance(first, (int, np.integer)):
        raise ValueError(f"first must be an integer (negative before time 0), got {first!r}")
    return int(first), check_positive_integer("count", count, minimum=0), float(step)


def grid_midpoints(first: int, count: int, step: float) -> FloatArray:
    """Midpoints ``(first + i + 0.5) step`` of grid cells, s, shape (count,)."""
    return np.asarray((np.arange(first, first + count) + 0.5) * step, dtype=float)
