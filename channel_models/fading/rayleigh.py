"""Rayleigh and Rician fading with the spectrum of Clarke."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike

from channel_models.elementary import cosine_and_sine
from channel_models.fading.profiles import DelayProfile, TappedFading
from channel_models.fading.sum_of_sinusoids import SumOfSinusoids, draw_sinusoids
from channel_models.laws.rician import (
    RicianPower,
    average_fade_duration,
    level_crossing_rate,
    rician_autocorrelation,
)
from channel_models.units import Decibel, Radians, db_to_linear
from channel_models.validation import Count, FloatArray, Validated

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


def _clarke_shifts(rank: FloatArray, doppler: FloatArray) -> FloatArray:
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
