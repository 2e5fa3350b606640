"""Rayleigh fading with exponential correlation: the Ornstein-Uhlenbeck (Gauss-Markov) process."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from channel_models.fading.process import ComplexArray, check_doppler
from channel_models.fading.profiles import DelayProfile, ProfileName, delay_profile
from channel_models.fading.sum_of_sinusoids import SumOfSinusoids
from channel_models.laws.power import ExponentialPower, RicianPower
from channel_models.units import PositiveSeconds, Seconds
from channel_models.validation import check_finite, check_positive_integer, validate_fields


@dataclass(frozen=True, kw_only=True)
class OrnsteinUhlenbeck:
    """Rayleigh fading with ``E[h(t + lag) h*(t)] = exp(-|lag| / coherence_time)``.

    `realise` gives the spectral form, a pure function of time: sinusoids whose frequencies follow
    the Lorentzian spectrum of that correlation (Cauchy, of scale 1/(2 pi coherence_time)), so that
    over realisations the correlation is exact. `walk` gives the Markov form, exact on sorted times.
    The limit process is nowhere differentiable: level crossings and fade durations do not exist.
    ``profile`` and ``delay_spread`` as in `Rayleigh`; the Doppler shift is not used.
    """

    coherence_time: PositiveSeconds = 43e-3
    profile: ProfileName = "flat"
    delay_spread: Seconds = 300e-9
    sinusoids: int = 32

    def __post_init__(self) -> None:
        validate_fields(self)
        check_positive_integer("sinusoids", self.sinusoids, minimum=4)

    @property
    def delay_profile(self) -> DelayProfile:
        """The taps: delays in units of the delay spread, and powers."""
        return delay_profile(self.profile)

    @property
    def law(self) -> ExponentialPower | RicianPower:
        """Law of the power at any one frequency, in the limit of many sinusoids."""
        specular = self.delay_profile.specular
        return RicianPower(k=specular / (1.0 - specular)) if specular else ExponentialPower()

    def autocorrelation(self, lag: ArrayLike, doppler: ArrayLike = 0.0) -> Any:
        """``exp(-|lag| / coherence_time)``; a specular part, of constant phase, adds to it."""
        specular = self.delay_profile.specular
        tau = np.abs(np.asarray(lag, dtype=float))
        return (specular + (1.0 - specular) * np.exp(-tau / self.coherence_time))[()]

    def realise(self, streams: Sequence[np.random.Generator], doppler: ArrayLike) -> SumOfSinusoids:
        """Draw the process of one link a stream; frequencies are stratified quantiles."""
        profile, count = self.delay_profile, self.sinusoids
        links = check_doppler(doppler, streams).size
        taps = profile.delays.size
        rows = taps + (1 if profile.specular else 0)
        amplitudes = np.zeros((rows, count))
        amplitudes[:taps] = np.sqrt(profile.powers / count)[:, None]
        frequencies = np.zeros((links, rows, count))
        phases = np.zeros((links, rows, count))
        for link, stream in enumerate(streams):
            rank = (np.arange(count) + stream.random((taps, count))) / count
            frequencies[link, :taps] = np.tan(np.pi * (rank - 0.5)) / (
                2.0 * np.pi * self.coherence_time
            )
            phases[link, :taps] = stream.random((taps, count))
            if profile.specular:
                phases[link, taps, 0] = stream.random()
        delays = profile.delays * self.delay_spread
        if profile.specular:
            amplitudes[taps, 0] = np.sqrt(profile.specular)
            delays = np.append(delays, delays[0])
        return SumOfSinusoids(
            amplitudes, frequencies, phases, delays, specular=bool(profile.specular)
        )

    def walk(self, time: ArrayLike, stream: np.random.Generator) -> ComplexArray:
        """One flat Gaussian path at sorted times (T,), by the exact transition.

        ``h(t + d) = r h(t) + sqrt(1 - r^2) w``, ``r = exp(-d / coherence_time)``. Raises ValueError
        when the times decrease.
        """
        moments = check_finite("time", time)
        if moments.ndim != 1 or moments.size == 0 or (np.diff(moments) < 0.0).any():
            raise ValueError("time must be a sorted array of shape (T,)")
        noise: Any = stream.standard_normal((moments.size, 2)) @ np.array([1.0, 1j]) / np.sqrt(2.0)
        path = np.empty(moments.size, dtype=np.complex128)
        path[0] = noise[0]
        decay = np.exp(-np.diff(moments) / self.coherence_time)
        for n, r in enumerate(decay):
            path[n + 1] = r * path[n] + np.sqrt(1.0 - r * r) * noise[n + 1]
        return path
