"""The largest of several independent Rayleigh powers: selection diversity, max-C/I scheduling."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from channel_models.laws.power import check_probability, outage_threshold, rate_by_quadrature
from channel_models.validation import check_positive_integer


@dataclass(frozen=True, kw_only=True)
class BestOfPower:
    """Maximum of ``branches`` independent exponential powers of mean one: ``(1 - e^-x)^n``."""

    branches: int = 2

    def __post_init__(self) -> None:
        check_positive_integer("branches", self.branches)

    @property
    def mean(self) -> float:
        """The harmonic number ``H_n``."""
        return float(np.sum(1.0 / np.arange(1, self.branches + 1)))

    @property
    def variance(self) -> float:
        """``sum_k 1/k^2``."""
        return float(np.sum(1.0 / np.arange(1, self.branches + 1) ** 2.0))

    def pdf(self, x: ArrayLike) -> Any:
        """Density ``n (1 - e^-x)^(n-1) e^-x``."""
        power = np.asarray(x, dtype=float)
        positive = np.maximum(power, 0.0)
        density = self.branches * (-np.expm1(-positive)) ** (self.branches - 1) * np.exp(-positive)
        return np.where(power >= 0.0, density, 0.0)[()]

    def cdf(self, x: ArrayLike) -> Any:
        """Probability of a power of at most ``x``."""
        return ((-np.expm1(-np.maximum(np.asarray(x, dtype=float), 0.0))) ** self.branches)[()]

    def quantile(self, probability: ArrayLike) -> Any:
        """Power below which it lies with that probability."""
        with np.errstate(divide="ignore"):
            return (-np.log1p(-(check_probability(probability) ** (1.0 / self.branches))))[()]

    def ergodic_rate(self, snr: ArrayLike) -> Any:
        """``E[log2(1 + snr X)]`` bit/s/Hz: the rate of a max-C/I scheduler over iid users."""
        return rate_by_quadrature(self.pdf, self.mean, snr)[()]

    def outage(self, rate: ArrayLike, snr: ArrayLike) -> Any:
        """``P(log2(1 + snr X) < rate)``."""
        return self.cdf(outage_threshold(rate, snr))
