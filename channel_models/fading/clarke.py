"""Clarke's isotropic scattering as a sum of sinusoids: the generator behind Rayleigh and Rician."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from channel_models.fading.links import check_doppler
from channel_models.fading.profiles import DelayProfile
from channel_models.fading.sum_of_sinusoids import SumOfSinusoids

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
