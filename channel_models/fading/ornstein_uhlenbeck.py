"""Gauss-Markov fading: the process of Ornstein and Uhlenbeck."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from channel_models.elementary import cosine_and_sine, exp
from channel_models.fading.process import ComplexArray
from channel_models.fading.profiles import TappedFading
from channel_models.fading.rayleigh import Sinusoids
from channel_models.fading.sum_of_sinusoids import SumOfSinusoids, draw_sinusoids
from channel_models.units import PositiveSeconds
from channel_models.validation import FloatArray, check_finite


@dataclass(frozen=True, kw_only=True)
class OrnsteinUhlenbeck(TappedFading):
    """Rayleigh fading with ``E[h(t + lag) h*(t)] = exp(-|lag| / coherence_time)``.

    `realise` gives the spectral form, a pure function of time: sinusoids whose frequencies follow
    the Lorentzian spectrum of that correlation (Cauchy, of scale 1/(2 pi coherence_time)), so that
    over realisations the correlation is exact. `walk` gives the Markov form, exact on sorted times.
    The limit process is nowhere differentiable: level crossings and fade durations do not exist.
    ``profile`` and ``delay_spread`` as in `Rayleigh`; the Doppler shift is not used.
    """

    coherence_time: PositiveSeconds = 43e-3
    sinusoids: Sinusoids = 32

    @property
    def sampling_step(self) -> float:
        """A tenth of the coherence time, s: the correlation from one sample to the next is 0.9."""
        return self.coherence_time / 10.0

    def autocorrelation(self, lag: ArrayLike, doppler: ArrayLike = 0.0) -> Any:
        """``exp(-|lag| / coherence_time)``; a specular part, of constant phase, adds to it."""
        specular = self.delay_profile.specular
        tau = np.abs(np.asarray(lag, dtype=float))
        return (specular + (1.0 - specular) * exp(-tau / self.coherence_time))[()]

    def realise(self, streams: Sequence[np.random.Generator], doppler: ArrayLike) -> SumOfSinusoids:
        """Draw the process of one link a stream; frequencies are stratified quantiles."""
        scale = 2.0 * np.pi * self.coherence_time

        def shifts_of(rank: FloatArray, doppler: FloatArray) -> FloatArray:
            cosine, sine = cosine_and_sine((rank - 0.5) / 2.0)
            return np.asarray(sine / cosine / scale)

        return draw_sinusoids(
            self.delay_profile, self.delay_spread, self.sinusoids, streams, doppler, shifts_of, 0.0
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
        decay = exp(-np.diff(moments) / self.coherence_time)
        for n, r in enumerate(decay):
            path[n + 1] = r * path[n] + np.sqrt(1.0 - r * r) * noise[n + 1]
        return path
