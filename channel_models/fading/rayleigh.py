"""Rayleigh fading with Clarke's spectrum, flat or with a 3GPP tapped delay line."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from channel_models.fading.clarke import realise_clarke
from channel_models.fading.profiles import DelayProfile, ProfileName, delay_profile
from channel_models.fading.sum_of_sinusoids import SumOfSinusoids
from channel_models.units import Seconds
from channel_models.validation import check_positive_integer, validate_fields


@dataclass(frozen=True, kw_only=True)
class Rayleigh:
    """Rayleigh fading by sum of sinusoids (Xiao, Zheng, Beaulieu 2006), a pure function of time.

    ``profile`` is "flat" or "tdl-a" to "tdl-e" (TR 38.901 Tables 7.7.2-1 to 7.7.2-5) scaled by
    ``delay_spread`` (s); TDL-D and TDL-E have a Rician first tap. Every tap is
    ``M^-1/2 sum_n exp(j (2 pi f_D t cos a_n + phi_n))``, ``a_n = (2 pi n + theta_n)/M`` with
    theta_n and phi_n uniform over a turn and M = ``sinusoids``. Over realisations the
    autocorrelation is exactly J0(2 pi f_D tau); the power's autocovariance is (1 - 1/M) J0^2.
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

    def realise(self, streams: Sequence[np.random.Generator], doppler: ArrayLike) -> SumOfSinusoids:
        """Draw the process of one link a stream; ``doppler`` in Hz, shape (links,).

        A link's process depends on its own stream alone. Raises ValueError when the shapes differ
        or a Doppler shift is negative.
        """
        return realise_clarke(
            self.delay_profile, self.delay_spread, self.sinusoids, streams, doppler
        )
