"""Laws in time under isotropic scattering (Clarke 1968): autocorrelation, crossings, fades.

``level`` is an amplitude over the root-mean-square amplitude (rho); ``doppler`` is the maximum
shift f_D in Hz.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from channel_models.laws.rician import RicianPower
from channel_models.validation import FloatArray, check_array

_NODES = 64


def clarke_autocorrelation(lag: ArrayLike, doppler: ArrayLike) -> Any:
    """``E[h(t + lag) h*(t)] = J_0(2 pi f_D lag)`` of a scattered tap of power one."""
    from scipy.special import j0

    shift = check_array("doppler", doppler, minimum=0.0, unit="Hz")
    return np.asarray(j0(2.0 * np.pi * shift * np.asarray(lag, dtype=float)))[()]


def rician_autocorrelation(lag: ArrayLike, doppler: ArrayLike, k: float, los_angle: float) -> Any:
    """``[K exp(j 2 pi f_D cos(angle) lag) + J_0(2 pi f_D lag)] / (K + 1)``, complex."""
    tau = np.asarray(lag, dtype=float)
    shift = check_array("doppler", doppler, minimum=0.0, unit="Hz")
    specular = np.exp(2j * np.pi * shift * np.cos(los_angle) * tau)
    return ((k * specular + clarke_autocorrelation(tau, shift)) / (k + 1.0))[()]


def level_crossing_rate(
    level: ArrayLike, doppler: ArrayLike, k: float = 0.0, los_angle: float = np.pi / 2.0
) -> Any:
    """Upward crossings of ``level`` a second, of Rayleigh (k = 0) or Rician fading.

    Rayleigh: ``sqrt(2 pi) f_D rho exp(-rho^2)``. Rician with a specular part arriving at right
    angles: ``sqrt(2 pi (K+1)) f_D rho exp(-K - (K+1) rho^2) I_0(2 rho sqrt(K (K+1)))``. A specular
    part with its own shift adds a factor, the mean over theta, weighted by
    ``cosh(2 rho sqrt(K (K+1)) cos theta)``, of ``exp(-x^2) + sqrt(pi) x erf x`` with
    ``x = sqrt(2 K) cos(angle) sin theta`` (Rice 1948).
    """
    from scipy.special import erf

    rho = check_array("level", level, minimum=0.0)
    shift = check_array("doppler", doppler, minimum=0.0, unit="Hz")
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    argument = 2.0 * rho * np.sqrt(k * (k + 1.0))
    # The weight is exp(-argument theta^2 / 2) where the argument is large, and nothing beyond.
    top = np.minimum(np.pi / 2.0, 12.0 / np.sqrt(np.maximum(argument, 1.0)))
    theta = 0.5 * top[..., None] * (nodes + 1.0)
    x = np.sqrt(2.0 * k) * np.cos(los_angle) * np.sin(theta)
    factor = np.exp(-(x**2)) + np.sqrt(np.pi) * x * erf(x)
    # cosh(a cos theta) exp(-a), so that a large K does not overflow
    cosine = argument[..., None] * np.cos(theta)
    kernel = 0.5 * (np.exp(cosine - argument[..., None]) + np.exp(-cosine - argument[..., None]))
    mean = (kernel * factor) @ weights * top / np.pi
    exponent = argument - k - (k + 1.0) * rho**2
    return (np.sqrt(2.0 * np.pi * (k + 1.0)) * shift * rho * np.exp(exponent) * mean)[()]


def average_fade_duration(
    level: ArrayLike, doppler: ArrayLike, k: float = 0.0, los_angle: float = np.pi / 2.0
) -> Any:
    """Mean time below ``level`` a fade, s: the cdf of the power over the crossing rate.

    Rayleigh: ``(exp(rho^2) - 1) / (rho f_D sqrt(2 pi))``.
    """
    rho = check_array("level", level, minimum=0.0, exclusive=True)
    below: FloatArray = np.asarray(RicianPower(k=k).cdf(rho**2))
    rate = level_crossing_rate(
        rho, check_array("doppler", doppler, minimum=0.0, exclusive=True, unit="Hz"), k, los_angle
    )
    return (below / rate)[()]
