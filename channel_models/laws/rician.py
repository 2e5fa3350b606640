"""Laws of Rician fading: its power, and in time, by isotropic scattering (Clarke 1968)."""

from dataclasses import dataclass
from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import ArrayLike

from channel_models.laws.power import PowerDistribution, check_probability
from channel_models.units import PositiveNumber, Unit
from channel_models.validation import FloatArray, check_array

_SPECULAR: Final = 1e4
"""Rician factor above which an amplitude counts as normal: within 4e-6 of its deviation. Older
versions of scipy have NaN in the tails of large factors."""


@dataclass(frozen=True, kw_only=True)
class RicianPower(PowerDistribution):
    """Power gain of Rician fading with factor ``k`` (linear, specular over scattered) and ``mean``.

    ``2 (1 + k) X / mean`` is noncentral chi-square with 2 degrees of freedom and noncentrality 2 k.
    """

    k: Annotated[float, Unit("1", minimum=0.0)] = 1.0
    mean: PositiveNumber = 1.0

    @property
    def variance(self) -> float:
        """``mean^2 (1 + 2 k) / (1 + k)^2``."""
        return self.mean**2 * (1.0 + 2.0 * self.k) / (1.0 + self.k) ** 2

    def pdf(self, x: ArrayLike) -> Any:
        """Density ``(1+k) e^(-k-(1+k)x) I_0(2 sqrt(k (1+k) x))`` of the power over its mean."""
        from scipy.special import ive

        power = np.asarray(x, dtype=float) / self.mean
        scaled, root = np.sqrt((1.0 + self.k) * np.maximum(power, 0.0)), np.sqrt(self.k)
        density = np.exp(-((scaled - root) ** 2)) * ive(0, 2.0 * root * scaled)
        return np.where(power < 0.0, 0.0, (1.0 + self.k) / self.mean * density)[()]

    def cdf(self, x: ArrayLike) -> Any:
        """``1 - Q_1(sqrt(2 k), sqrt(2 (1 + k) x / mean))``, Q_1 the Marcum function."""
        from scipy.special import chndtr, ndtr

        scaled = (1.0 + self.k) * np.maximum(np.asarray(x, dtype=float), 0.0) / self.mean
        if self.k > _SPECULAR:
            middle, deviation = self._amplitude
            return np.asarray(ndtr((np.sqrt(scaled) - middle) / deviation))[()]
        return np.asarray(chndtr(2.0 * scaled, 2.0, 2.0 * self.k))[()]

    def quantile(self, probability: ArrayLike) -> Any:
        """Power below which it lies with that probability."""
        from scipy.special import chndtrix, ndtri

        k, chance = self.k, check_probability(probability)
        if k > _SPECULAR:
            middle, deviation = self._amplitude
            amplitude = np.maximum(middle + deviation * ndtri(chance), 0.0)
            return (amplitude**2 * self.mean / (1.0 + k))[()]
        return (np.asarray(chndtrix(chance, 2.0, 2.0 * k)) * self.mean / (2.0 * (1.0 + k)))[()]

    @property
    def _amplitude(self) -> tuple[float, float]:
        """Mean and deviation of sqrt((1 + k) X / mean) where k is large."""
        root = float(np.sqrt(self.k))
        return root + 0.25 / root, float(np.sqrt(0.5 - 0.125 / self.k))


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
