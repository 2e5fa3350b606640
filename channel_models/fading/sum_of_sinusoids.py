"""Fading as a sum of sinusoids: a pure function of absolute time."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from channel_models.elementary import cosine_and_sine
from channel_models.fading.grid import GridRotations, ResponseTransform, power_blocks
from channel_models.fading.process import (
    ComplexArray,
    check_doppler,
    check_grid,
    check_offsets,
    frequency_response,
    select_links,
    squared_magnitude,
)
from channel_models.fading.profiles import DelayProfile
from channel_models.plots import plot
from channel_models.validation import FloatArray, check_finite

_ELEMENTS_AT_ONCE = 2_000_000


class SumOfSinusoids:
    """Taps ``h_l(t) = sum_m a_lm exp(j 2 pi (f_lm t + phi_lm))`` of several links.

    ``amplitudes`` has shape (rows, sinusoids), ``frequencies`` (Hz) and ``phases`` (turns) have
    shape (links, rows, sinusoids), ``delays`` (s) has shape (rows,). With ``specular`` the last row
    is the constant-amplitude part of the first tap.
    """

    plot = plot

    def __init__(
        self,
        amplitudes: FloatArray,
        frequencies: FloatArray,
        phases: FloatArray,
        delays: FloatArray,
        *,
        specular: bool = False,
    ) -> None:
        self._amplitudes = amplitudes
        self._frequencies = frequencies
        self._phases = phases
        self._row_delays = delays
        self._specular = specular
        self._rotations = GridRotations(frequencies)
        self._band: tuple[FloatArray, ResponseTransform, FloatArray] | None = None

    def __repr__(self) -> str:
        links, _, sinusoids = self._frequencies.shape
        return f"SumOfSinusoids(links={links}, taps={self.delays.size}, sinusoids={sinusoids})"

    @property
    def links(self) -> int:
        """How many links it has."""
        return int(self._frequencies.shape[0])

    @property
    def delays(self) -> FloatArray:
        """Delays of the taps in s, shape (taps,)."""
        return self._row_delays[:-1] if self._specular else self._row_delays

    def delayed(self, seconds: float) -> "SumOfSinusoids":
        """Return the same fading ``seconds`` earlier."""
        late = SumOfSinusoids(
            self._amplitudes,
            self._frequencies,
            self._phases - self._frequencies * seconds,
            self._row_delays,
            specular=self._specular,
        )
        late._rotations = self._rotations  # they depend on the frequencies alone
        return late

    def forget(self) -> None:
        """Free what `power_grid` keeps for the next call, also for its delayed copies."""
        self._rotations.forget()

    def taps(self, time: ArrayLike, links: ArrayLike | None = None) -> ComplexArray:
        """Complex taps at absolute ``time`` (s), shape (links, *time.shape, taps)."""
        moments = check_finite("time", time)
        chosen = select_links(links, self.links)
        flat = moments.ravel()
        rows = self._row_delays.size
        out = np.empty((chosen.size, flat.size, rows), dtype=np.complex128)
        span = max(1, _ELEMENTS_AT_ONCE // max(1, self._amplitudes.size))
        for index, link in enumerate(chosen):
            frequency, phase = self._frequencies[link], self._phases[link]
            for low in range(0, flat.size, span):
                part = slice(low, low + span)
                turns = flat[part, None, None] * frequency + phase
                cosine, sine = cosine_and_sine(turns)
                out[index, part].real = (self._amplitudes * cosine).sum(axis=-1)
                out[index, part].imag = (self._amplitudes * sine).sum(axis=-1)
        if self._specular:
            out[..., 0] += out[..., -1]
            out = out[..., :-1]
        return out.reshape(chosen.size, *moments.shape, self.delays.size)

    def response(
        self, time: ArrayLike, offsets: ArrayLike, links: ArrayLike | None = None
    ) -> ComplexArray:
        """Response at ``offsets`` (Hz from the carrier), shape (links, *time.shape, F)."""
        return frequency_response(self.taps(time, links), self.delays, offsets)

    def power(self, time: ArrayLike, offsets: ArrayLike, links: ArrayLike | None = None) -> Any:
        """``|response|^2``, mean one, shape (links, *time.shape, F)."""
        return squared_magnitude(self.response(time, offsets, links))

    def power_grid(
        self,
        first: int,
        count: int,
        step: float,
        offsets: ArrayLike,
        links: ArrayLike | None = None,
    ) -> NDArray[np.float32]:
        """``power`` at the midpoints ``(first + i + 0.5) step``, shape (links, count, F).

        A sample's bits depend on its index, the step and its link alone, not on the chunk or the
        other links asked for. It is computed in single precision: its square root, the amplitude,
        lies within 2e-6 of that of `power`.
        """
        first, count, step = check_grid(first, count, step)
        chosen = select_links(links, self.links)
        transform, phases = self._transformed(check_offsets(offsets))
        return power_blocks(
            self._rotations,
            self._amplitudes,
            self._frequencies,
            phases,
            transform,
            chosen,
            first,
            count,
            step,
        )

    def _transformed(self, offsets: FloatArray) -> tuple[ResponseTransform, FloatArray]:
        """Return what leads from taps to the power at the offsets, with the phases it wants.

        The middle of the band joins the phases, so that the transform sees symmetric offsets.
        """
        if self._band is None or not np.array_equal(self._band[0], offsets):
            transform = ResponseTransform(self._row_delays, offsets)
            phases = self._phases - (transform.middle * self._row_delays)[:, None]
            self._band = offsets.copy(), transform, phases
        return self._band[1:]


def draw_sinusoids(
    profile: DelayProfile,
    delay_spread: float,
    sinusoids: int,
    streams: Sequence[np.random.Generator],
    doppler: ArrayLike,
    shifts_of: Callable[[FloatArray, FloatArray], FloatArray],
    specular_shift: float,
) -> SumOfSinusoids:
    """Draw the sinusoids of every tap of every link; phases are uniform.

    ``shifts_of(rank, doppler)`` gives the frequencies in Hz from stratified uniform numbers (links,
    taps, sinusoids) in [0, 1) and ``doppler`` (links, 1, 1). A specular part is one sinusoid at
    ``specular_shift`` Doppler shifts.
    """
    doppler_shifts = check_doppler(doppler, streams)
    taps = profile.delays.size
    rows = taps + (1 if profile.specular else 0)
    amplitudes = np.zeros((rows, sinusoids))
    amplitudes[:taps] = np.sqrt(profile.powers / sinusoids)[:, None]
    frequencies = np.zeros((len(streams), rows, sinusoids))
    phases = np.zeros((len(streams), rows, sinusoids))
    drawn = np.empty((len(streams), taps, sinusoids))
    for link, stream in enumerate(streams):
        stream.random(out=drawn[link])
        stream.random(out=phases[link, :taps])
        if profile.specular:
            frequencies[link, taps, 0] = doppler_shifts[link] * specular_shift
            phases[link, taps, 0] = stream.random()
    rank = (np.arange(sinusoids) + drawn) / sinusoids
    frequencies[:, :taps] = shifts_of(rank, doppler_shifts[:, None, None])
    delays = profile.delays * delay_spread
    if profile.specular:
        amplitudes[taps, 0] = np.sqrt(profile.specular)
        delays = np.append(delays, delays[0])
    return SumOfSinusoids(amplitudes, frequencies, phases, delays, specular=bool(profile.specular))
