"""A fading process given by a function of time: static, block, Nakagami and recorded channels."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from channel_models.fading.links import LinkIndices, check_grid, grid_midpoints, select_links
from channel_models.fading.response import ComplexArray, delay_phasors, squared_magnitude
from channel_models.validation import FloatArray, check_finite

TapsAt = Callable[[FloatArray, LinkIndices], ComplexArray]
"""From times (T,) and link indices (n,) to taps (n, T, taps), elementwise in time and link."""


class TapFunction:
    """A process of ``links`` links whose taps at ``delays`` (s) come from a function of time."""

    def __init__(self, links: int, delays: FloatArray, taps_at: TapsAt) -> None:
        self.links = links
        self.delays = delays
        self._taps_at = taps_at

    def __repr__(self) -> str:
        return f"TapFunction(links={self.links}, taps={self.delays.size})"

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
