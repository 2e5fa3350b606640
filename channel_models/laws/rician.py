"""The law of a power with a specular part: Rician fading."""

from dataclasses import dataclass
from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import ArrayLike

from channel_models.laws.power import PowerDistribution, check_probability
from channel_models.units import PositiveNumber, Unit

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
