"""Rayleigh fading with Clarke's spectrum, flat or with a 3GPP tapped delay line."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from channel_models.fading.process import check_doppler
from channel_models.fading.profiles import DelayProfile, ProfileName, delay_profile
from channel_models.fading.sum_of_sinusoids import SumOfSinusoids
from channel_models.laws.power import ExponentialPower, RicianPower
from channel_models.laws.time import (
    average_fade_duration,
    level_crossing_rate,
    rician_autocorrelation,
)
from channel_models.units import Seconds
from channel_models.validation import check_positive_integer, validate_fields


@dataclass(frozen=True, kw_only=True)
class Rayleigh:
    """Rayleigh fading by sum of sinusoids (Xiao, Zheng, Beaulieu 2006), a pure function of time.

    ``profile`` is "flat" or "tdl-a" to "tdl-e" (TR 38.901 Tables 7.7.2-1 to 7.7.2-5) scaled by
    ``delay_spread`` (s); TDL-D and TDL-E have a Rician first tap whose specular part has a Doppler
    shift of 0.7 f_D. Every tap is ``M^-1/2 sum_n exp(j (2 pi f_D t cos a_n + phi_n))``,
    ``a_n = (2 pi n + theta_n)/M`` with theta_n and phi_n uniform over a turn and M = ``sinusoids``.
    Over realisations the autocorrelation is exactly J0(2 pi f_D tau); the autocovariance of the
    power is (1 - 1/M) J0^2, so a flat channel wants more sinusoids than a tapped one.
    """

    profile: ProfileName = "flat"
    delay_spread: Seconds = 300e-9
    sinusoids: int = 16

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
        k = self._k
        return RicianPower(k=k) if k else ExponentialPower()

    @property
    def _k(self) -> float:
        specular = self.delay_profile.specular
        return specular / (1.0 - specular)

    def autocorrelation(self, lag: ArrayLike, doppler: ArrayLike) -> Any:
        """``E[H(t + lag) H*(t)]`` at any one frequency, complex; J0 without a specular part."""
        return rician_autocorrelation(lag, doppler, self._k, TR_LOS_ANGLE)

    def frequency_correlation(self, spacing: ArrayLike) -> Any:
        """``E[H(f + spacing) H*(f)]``, complex (spacing in Hz)."""
        return self.delay_profile.frequency_correlation(spacing, self.delay_spread)

    def level_crossing_rate(self, level: ArrayLike, doppler: ArrayLike) -> Any:
        """Upward crossings a second of an amplitude ``level`` times the rms, at one frequency."""
        return level_crossing_rate(level, doppler, self._k, TR_LOS_ANGLE)

    def average_fade_duration(self, level: ArrayLike, doppler: ArrayLike) -> Any:
        """Mean duration in s of a fade below an amplitude ``level`` times the rms."""
        return average_fade_duration(level, doppler, self._k, TR_LOS_ANGLE)

    def realise(self, streams: Sequence[np.random.Generator], doppler: ArrayLike) -> SumOfSinusoids:
        """Draw the process of one link a stream; ``doppler`` in Hz, shape (links,).

        A link's process depends on its own stream alone. Raises ValueError when the shapes differ
        or a Doppler shift is negative.
        """
        return realise_clarke(
            self.delay_profile, self.delay_spread, self.sinusoids, TR_LOS_ANGLE, streams, doppler
        )


TR_LOS_ANGLE = float(np.arccos(0.7))
"""Arrival angle of the specular part: a Doppler shift of 0.7 f_D (TR 38.901 section 7.7.2)."""


def realise_clarke(
    profile: DelayProfile,
    delay_spread: float,
    sinusoids: int,
    los_angle: float,
    streams: Sequence[np.random.Generator],
    doppler: ArrayLike,
) -> SumOfSinusoids:
    """Draw the sinusoids of every tap of every link (Xiao, Zheng, Beaulieu 2006).

    Arrival angles ``a_n = (2 pi n + theta_n)/M``; ``theta_n`` and the phases are uniform. A
    specular part is one sinusoid from ``los_angle`` (radians from the direction of motion).
    """
    shifts = check_doppler(doppler, streams)
    taps = profile.delays.size
    rows = taps + (1 if profile.specular else 0)
    amplitudes = np.zeros((rows, sinusoids))
    amplitudes[:taps] = np.sqrt(profile.powers / sinusoids)[:, None]
    frequencies = np.zeros((len(streams), rows, sinusoids))
    phases = np.zeros((len(streams), rows, sinusoids))
    sectors = np.arange(sinusoids)
    for link, stream in enumerate(streams):
        angles = (sectors + stream.random((taps, sinusoids))) / sinusoids
        frequencies[link, :taps] = shifts[link] * np.cos(2.0 * np.pi * angles)
        phases[link, :taps] = stream.random((taps, sinusoids))
        if profile.specular:
            frequencies[link, taps, 0] = shifts[link] * np.cos(los_angle)
            phases[link, taps, 0] = stream.random()
    delays = profile.delays * delay_spread
    if profile.specular:
        amplitudes[taps, 0] = np.sqrt(profile.specular)
        delays = np.append(delays, delays[0])
    return SumOfSinusoids(amplitudes, frequencies, phases, delays, specular=bool(profile.specular))
