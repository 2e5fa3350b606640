"""Rayleigh and Rician fading with the spectrum of Clarke, and Nakagami and Gauss-Markov fading."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike

from channel_models.elementary import cosine_and_sine, exp, log1p, rounded
from channel_models.fading.process import (
    ComplexArray,
    FunctionProcess,
    LinkIndices,
    squared_magnitude,
)
from channel_models.fading.profiles import DelayProfile, TappedFading
from channel_models.fading.sum_of_sinusoids import SumOfSinusoids, draw_sinusoids
from channel_models.laws.power import GammaPower
from channel_models.laws.rician import (
    RicianPower,
    average_fade_duration,
    level_crossing_rate,
    rician_autocorrelation,
)
from channel_models.units import Decibel, PositiveSeconds, Radians, Unit, db_to_linear
from channel_models.validation import (
    Count,
    FloatArray,
    Validated,
    check_array,
    check_finite,
)

Sinusoids = Annotated[int, Count(4)]
TR_LOS_ANGLE = float(np.arccos(0.7))
"""Arrival angle of the specular part: a Doppler shift of 0.7 f_D (TR 38.901 section 7.7.2)."""


class _ClarkeFading(ABC):
    """Isotropic scattering, and a specular part of factor K from one angle (radians)."""

    sinusoids: int

    @property
    @abstractmethod
    def _specular(self) -> tuple[float, float]:
        """Rician K (linear) at any one frequency, and the arrival angle of the specular part."""

    @property
    @abstractmethod
    def _taps(self) -> tuple[DelayProfile, float]:
        """Delay profile and delay spread in s."""

    def autocorrelation(self, lag: ArrayLike, doppler: ArrayLike) -> Any:
        """``E[H(t + lag) H*(t)]`` at any one frequency, complex; J0 without a specular part."""
        return rician_autocorrelation(lag, doppler, *self._specular)

    def level_crossing_rate(self, level: ArrayLike, doppler: ArrayLike) -> Any:
        """Upward crossings a second of an amplitude ``level`` times the rms, at one frequency."""
        return level_crossing_rate(level, doppler, *self._specular)

    def average_fade_duration(self, level: ArrayLike, doppler: ArrayLike) -> Any:
        """Mean duration in s of a fade below an amplitude ``level`` times the rms."""
        return average_fade_duration(level, doppler, *self._specular)

    def realise(self, streams: Sequence[np.random.Generator], doppler: ArrayLike) -> SumOfSinusoids:
        """Draw the process of one link a stream; ``doppler`` in Hz, shape (links,).

        Arrival angles ``a_n = (2 pi n + theta_n)/M`` with uniform ``theta_n`` (Xiao, Zheng,
        Beaulieu 2006). A link's process depends on its own stream alone. Raises ValueError when
        the shapes differ or a Doppler shift is negative.
        """
        specular_shift = float(cosine_and_sine(self._specular[1] / (2.0 * np.pi))[0])
        return draw_sinusoids(
            *self._taps, self.sinusoids, streams, doppler, _clarke_shifts, specular_shift
        )


def _clarke_shifts(rank: FloatArray, doppler: float) -> FloatArray:
    return np.asarray(doppler * cosine_and_sine(rank)[0])


@dataclass(frozen=True, kw_only=True)
class Rayleigh(TappedFading, _ClarkeFading):
    """Rayleigh fading by sum of sinusoids (Xiao, Zheng, Beaulieu 2006), a pure function of time.

    ``profile`` is "flat" or "tdl-a" to "tdl-e" (TR 38.901 Tables 7.7.2-1 to 7.7.2-5) scaled by
    ``delay_spread`` (s); TDL-D and TDL-E have a Rician first tap whose specular part has a Doppler
    shift of 0.7 f_D. Every tap is ``M^-1/2 sum_n exp(j (2 pi f_D t cos a_n + phi_n))``,
    ``a_n = (2 pi n + theta_n)/M`` with theta_n and phi_n uniform over a turn and M = ``sinusoids``.
    Over realisations the autocorrelation is exactly J0(2 pi f_D tau); the autocovariance of the
    power is (1 - 1/M) J0^2, so a flat channel wants more sinusoids than a tapped one.
    """

    sinusoids: Sinusoids = 16

    @property
    def _specular(self) -> tuple[float, float]:
        return self.specular_to_scattered, TR_LOS_ANGLE

    @property
    def _taps(self) -> tuple[DelayProfile, float]:
        return self.delay_profile, self.delay_spread


@dataclass(frozen=True, kw_only=True)
class Rician(Validated, _ClarkeFading):
    """``sqrt(K/(K+1)) exp(j (2 pi f_D cos(angle) t + phi)) + sqrt(1/(K+1)) h_Rayleigh(t)``.

    ``k_factor`` is K in dB (TR 38.901 Table 7.5-6: 9 dB in UMa and UMi, 7 dB in RMa and InH);
    ``los_angle`` is the arrival angle of the specular part from the direction of motion.
    """

    k_factor: Decibel = 9.0
    los_angle: Radians = TR_LOS_ANGLE
    sinusoids: Sinusoids = 32

    @property
    def law(self) -> RicianPower:
        """Law of the power, in the limit of many sinusoids."""
        return RicianPower(k=self._specular[0])

    @property
    def _specular(self) -> tuple[float, float]:
        return float(db_to_linear(self.k_factor)), self.los_angle

    @property
    def _taps(self) -> tuple[DelayProfile, float]:
        return DelayProfile(np.zeros(1), np.ones(1), self._specular[0]), 0.0


@dataclass(frozen=True, kw_only=True)
class Nakagami(Validated):
    """Nakagami fading with parameter ``m`` >= 1/2: power Gamma(m) of mean one.

    A Rayleigh process z(t) by sum of sinusoids keeps its phase, and its power goes through the
    inverse of the distribution (Beaulieu, Cheng 2005): ``|h|^2 = Q_m(1 - exp(-|z|^2))``. The law of
    the power is exact for every m (in the limit of many sinusoids); the autocorrelation is not J0
    and has no closed form here; level crossings are those of z at the matching level, exactly.
    """

    m: Annotated[float, Unit("1", minimum=0.5)] = 2.0
    sinusoids: Sinusoids = 32

    @property
    def law(self) -> GammaPower:
        """Law of the power."""
        return GammaPower(shape=self.m)

    def level_crossing_rate(self, level: ArrayLike, doppler: ArrayLike) -> Any:
        """Upward crossings a second of an amplitude ``level`` times the rms."""
        rho = check_array("level", level, minimum=0.0)
        matching = np.sqrt(-log1p(-np.asarray(self.law.cdf(rho**2))))
        return level_crossing_rate(matching, doppler)

    def average_fade_duration(self, level: ArrayLike, doppler: ArrayLike) -> Any:
        """Mean duration in s of a fade below an amplitude ``level`` times the rms."""
        rho = check_array("level", level, minimum=0.0, exclusive=True)
        return (np.asarray(self.law.cdf(rho**2)) / self.level_crossing_rate(rho, doppler))[()]

    def realise(
        self, streams: Sequence[np.random.Generator], doppler: ArrayLike
    ) -> FunctionProcess:
        """Draw the process of one link a stream; ``doppler`` in Hz, shape (links,)."""
        from scipy.special import gammainccinv

        scattered = Rayleigh(sinusoids=self.sinusoids).realise(streams, doppler)

        def taps_at(time: FloatArray, links: LinkIndices) -> ComplexArray:
            taps = scattered.taps(time, links)
            power = squared_magnitude(taps)
            target = rounded(gammainccinv(self.m, exp(-power))) / self.m
            return np.asarray(taps * np.sqrt(target / np.maximum(power, 1e-300)))

        return FunctionProcess(scattered.links, scattered.delays, taps_at)


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

        def shifts_of(rank: FloatArray, doppler: float) -> FloatArray:
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
