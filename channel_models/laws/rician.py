"""The power of Rician fading: noncentral chi-square with two degrees of freedom."""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike

from channel_models.laws._rates import check_probability, outage_threshold, rate_by_quadrature
from channel_models.units import PositiveNumber, Unit
from channel_models.validation import validate_fields


@dataclass(frozen=True, kw_only=True)
class RicianPower:
    """Power gain of Rician fading with factor ``k`` (linear, specular over scattered) and ``mean``.

    ``2 (1 + k) X / mean`` is noncentral chi-square with 2 degrees of freedom and noncentrality 2 k.
    """

    k: Annotated[float, Unit("1", minimum=0.0)] = 1.0
    mean: PositiveNumber = 1.0

    def __post_init__(self) -> None:
        validate_fields(self)

    @property
    def variance(self) -> float:
        """``mean^2 (1 + 2 k) / (1 + k)^2``."""
        return self.mean**2 * (1.0 + 2.0 * self.k) / (1.0 + self.k) ** 2

    def pdf(self, x: ArrayLike) -> Any:
        """Density ``(1+k) e^(-k-(1+k)x) I_0(2 sqrt(k (1+k) x))`` of the power over its mean."""
        from scipy.special import ive

        power = np.asarray(x, dtype=float) / self.mean
        scaled = np.sqrt((1.0 + self.k) * np.maximum(power, 0.0))
        root = np.sqrt(self.k)
        density = np.exp(-((scaled - root) ** 2)) * ive(0, 2.0 * root * scaled)
        return np.where(power >= 0.0, (1.0 + self.k) / self.mean * density, 0.0)[()]

    def cdf(self, x: ArrayLike) -> Any:
        """``1 - Q_1(sqrt(2 k), sqrt(2 (1 + k) x / mean))``, Q_1 the Marcum function."""
        from scipy.special import chndtr

        scaled = 2.0 * (1.0 + self.k) * np.maximum(np.asarray(x, dtype=float), 0.0) / self.mean
        return np.asarray(chndtr(scaled, 2.0, 2.0 * self.k))[()]

    def quantile(self, probability: ArrayLike) -> Any:
        """Power below which it lies with that probability."""
        from scipy.special import chndtrix

        inverse = np.asarray(chndtrix(check_probability(probability), 2.0, 2.0 * self.k))
        return (inverse * self.mean / (2.0 * (1.0 + self.k)))[()]

    def ergodic_rate(self, snr: ArrayLike) -> Any:
        """``E[log2(1 + snr X)]`` bit/s/Hz, by quadrature."""
        return rate_by_quadrature(self.pdf, self.mean, snr)[()]

    def outage(self, rate: ArrayLike, snr: ArrayLike) -> Any:
        """``P(log2(1 + snr X) < rate)``."""
        return self.cdf(outage_threshold(rate, snr))
