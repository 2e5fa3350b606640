"""A fading process given by a function of time: static, block, Nakagami and recorded channels."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from channel_models.elementary import cosine_and_sine
from channel_models.plots import plot
from channel_models.protocols import FadingProcess
from channel_models.validation import (
    FloatArray,
    check_array,
    check_finite,
    check_positive_integer,
)

LinkIndices = NDArray[np.intp]


ComplexArray = NDArray[np.complex128]


TapsAt = Callable[[FloatArray, LinkIndices], ComplexArray]
"""From times (T,) and link indices (n,) to taps (n, T, taps), elementwise in time and link."""


class FunctionProcess:
    """A process of ``links`` links whose taps at ``delays`` (s) come from a function of time."""

    plot = plot

    def __init__(self, links: int, delays: FloatArray, taps_at: TapsAt) -> None:
        self.links = links
        self.delays = delays
        self._taps_at = taps_at

    def __repr__(self) -> str:
        return f"FunctionProcess(links={self.links}, taps={self.delays.size})"

    def taps(self, time: ArrayLike, links: ArrayLike | None = None) -> ComplexArray:
        """Complex taps at absolute ``time`` (s), shape (links, *time.shape, taps)."""
        moments = check_finite("time", time)
        chosen = select_links(links, self.links)
        values = self._taps_at(moments.ravel(), chosen)
        return values.reshape(chosen.size, *moments.shape, self.delays.size)

    def response(
        self, time: ArrayLike, offsets: ArrayLike, links: ArrayLike | None = None
    ) -> ComplexArray:
        """Response at ``offsets`` (Hz from the carrier), shape (links, *time.shape, F)."""
        taps = self.taps(time, links)
        phasors = delay_phasors(self.delays, offsets)
        out = np.zeros((*taps.shape[:-1], phasors.shape[1]), dtype=np.complex128)
        # one tap after another in real arithmetic: no sample's bits depend on the samples beside it
        for tap, phasor in enumerate(phasors):
            real, imaginary = taps[..., tap, None].real, taps[..., tap, None].imag
            out.real += real * phasor.real - imaginary * phasor.imag
            out.imag += real * phasor.imag + imaginary * phasor.real
        return out

    def power(self, time: ArrayLike, offsets: ArrayLike, links: ArrayLike | None = None) -> Any:
        """``|response|^2``, shape (links, *time.shape, F)."""
        return squared_magnitude(self.response(time, offsets, links))

    def power_grid(
        self,
        first: int,
        count: int,
        step: float,
        offsets: ArrayLike,
        links: ArrayLike | None = None,
    ) -> FloatArray:
        """`power` at the midpoints ``(first + i + 0.5) step``, shape (links, count, F)."""
        first, count, step = check_grid(first, count, step)
        return np.asarray(self.power(grid_midpoints(first, count, step), offsets, links))


class DelayedProcess:
    """Power of another process ``seconds`` earlier: what is known of it after that time."""

    def __init__(self, process: FadingProcess, seconds: float) -> None:
        self._process = process
        self._seconds = seconds

    def __repr__(self) -> str:
        return f"DelayedProcess({self._process!r}, {self._seconds:g} s)"

    def power_grid(
        self,
        first: int,
        count: int,
        step: float,
        offsets: ArrayLike,
        links: ArrayLike | None = None,
    ) -> FloatArray:
        """`power` at ``(first + i + 0.5) step - seconds``, shape (links, count, F)."""
        first, count, step = check_grid(first, count, step)
        moments = grid_midpoints(first, count, step) - self._seconds
        return np.asarray(self._process.power(moments, offsets, links))


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


def check_offsets(offsets: ArrayLike) -> FloatArray:
    """Frequencies relative to the carrier, Hz, shape (F,); ValueError otherwise."""
    array = check_finite("offsets", offsets)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"offsets must have shape (F,) with F >= 1, got {array.shape}")
    return array


def delay_phasors(delays: FloatArray, offsets: ArrayLike) -> ComplexArray:
    """``exp(-j 2 pi f tau)``, shape (taps, F)."""
    cosine, sine = cosine_and_sine(delays[:, None] * check_offsets(offsets))
    phasors = np.empty(cosine.shape, dtype=np.complex128)
    phasors.real, phasors.imag = cosine, -sine
    return phasors


def frequency_response(taps: ComplexArray, delays: FloatArray, offsets: ArrayLike) -> ComplexArray:
    """Response of shape (..., F) from ``taps`` of shape (..., taps) at ``delays`` (s)."""
    return np.asarray(taps @ delay_phasors(delays, offsets), dtype=np.complex128)


def squared_magnitude(values: Any) -> Any:
    """``|h|^2`` without the square root."""
    return values.real**2 + values.imag**2
