"""Flat Rician fading: a specular part beside Clarke's scattering."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from channel_models.fading.profiles import DelayProfile
from channel_models.fading.rayleigh import TR_LOS_ANGLE, realise_clarke
from channel_models.fading.sum_of_sinusoids import SumOfSinusoids
from channel_models.laws.power import RicianPower
from channel_models.laws.time import (
    average_fade_duration,
    level_crossing_rate,
    rician_autocorrelation,
)
from channel_models.units import Decibel, Radians, db_to_linear
from channel_models.validation import check_positive_integer, validate_fields


@dataclass(frozen=True, kw_only=True)
class Rician:
    """``sqrt(K/(K+1)) exp(j (2 pi f_D cos(angle) t + phi)) + sqrt(1/(K+1)) h_Rayleigh(t)``.

    ``k_factor`` is K in dB (TR 38.901 Table 7.5-6: 9 dB in UMa and UMi, 7 dB in RMa and InH);
    ``los_angle`` is the arrival angle of the specular part from the direction of motion.
    """

    k_factor: Decibel = 9.0
    los_angle: Radians = TR_LOS_ANGLE
    sinusoids: int = 32

    def __post_init__(self) -> None:
        validate_fields(self)
        check_positive_integer("sinusoids", self.sinusoids, minimum=4)

    @property
    def _k(self) -> float:
        return float(db_to_linear(self.k_factor))

    @property
    def law(self) -> RicianPower:
        """Law of the power, in the limit of many sinusoids."""
        return RicianPower(k=self._k)

    def autocorrelation(self, lag: ArrayLike, doppler: ArrayLike) -> Any:
        """``E[h(t + lag) h*(t)]``, complex."""
        return rician_autocorrelation(lag, doppler, self._k, self.los_angle)

    def level_crossing_rate(self, level: ArrayLike, doppler: ArrayLike) -> Any:
        """Upward crossings a second of an amplitude ``level`` times the rms."""
        return level_crossing_rate(level, doppler, self._k, self.los_angle)

    def average_fade_duration(self, level: ArrayLike, doppler: ArrayLike) -> Any:
        """Mean duration in s of a fade below an amplitude ``level`` times the rms."""
        return average_fade_duration(level, doppler, self._k, self.los_angle)

    def realise(self, streams: Sequence[np.random.Generator], doppler: ArrayLike) -> SumOfSinusoids:
        """Draw the process of one link a stream; ``doppler`` in Hz, shape (links,)."""
        profile = DelayProfile(np.zeros(1), np.ones(1), self._k)
        return realise_clarke(profile, 0.0, self.sinusoids, self.los_angle, streams, doppler)
