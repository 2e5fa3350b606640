"""The power of Nakagami fading, and of maximum-ratio combining: gamma."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from channel_models.laws._rates import (
    check_probability,
    check_snr,
    outage_threshold,
    rate_by_quadrature,
    scaled_expn,
)
from channel_models.units import PositiveNumber
from channel_models.validation import validate_fields


@dataclass(frozen=True, kw_only=True)
class GammaPower:
    """Gamma with ``shape`` m and ``mean``: the power gain of Nakagami-m fading.

    Shape n and mean n is also the sum of n independent Rayleigh branches of mean one, the output of
    maximum-ratio combining.
    """

    shape: PositiveNumber = 1.0
    mean: PositiveNumber = 1.0

    def __post_init__(self) -> None:
        validate_fields(self)

    @property
    def variance(self) -> float:
        """``mean^2 / shape``."""
        return self.mean**2 / self.shape

    def pdf(self, x: ArrayLike) -> Any:
        """Density at power ``x``: ``(m/mean)^m x^(m-1) e^(-m x/mean) / Gamma(m)``."""
        from scipy.special import gammaln

        m, power = self.shape, np.asarray(x, dtype=float)
        positive = np.where(power > 0.0, power, 1.0)
        logarithm = (
            m * np.log(m / self.mean) + (m - 1.0) * np.log(positive) - m * positive / self.mean
        )
        limit = 0.0 if m > 1.0 else (1.0 / self.mean if m == 1.0 else np.inf)
        density = np.where(power > 0.0, np.exp(logarithm - gammaln(m)), 0.0)
        return np.where(power == 0.0, limit, density)[()]

    def cdf(self, x: ArrayLike) -> Any:
        """Probability of a power of at most ``x``: the regularised ``gammainc(m, m x/mean)``."""
        from scipy.special import gammainc

        scaled = self.shape * np.maximum(np.asarray(x, dtype=float), 0.0) / self.mean
        return np.asarray(gammainc(self.shape, scaled))[()]

    def quantile(self, probability: ArrayLike) -> Any:
        """Power below which it lies with that probability."""
        from scipy.special import gammaincinv

        inverse = gammaincinv(self.shape, check_probability(probability))
        return (np.asarray(inverse) * self.mean / self.shape)[()]

    def ergodic_rate(self, snr: ArrayLike) -> Any:
        """``E[log2(1 + snr X)]`` bit/s/Hz.

        For integer m ``e^x / ln 2 sum_(k=1..m) E_k(x)`` with x = m / (snr mean), else quadrature.
        """
        if self.shape != round(self.shape) or self.shape > 64:
            return rate_by_quadrature(self.pdf, self.mean, snr)[()]
        gamma = check_snr(snr) * self.mean
        with np.errstate(over="ignore"):
            x = self.shape / np.where(gamma > 0.0, gamma, 1.0)
        total = np.sum([scaled_expn(k, x) for k in range(1, round(self.shape) + 1)], axis=0)
        return np.where(gamma > 0.0, total / np.log(2.0), 0.0)[()]

    def outage(self, rate: ArrayLike, snr: ArrayLike) -> Any:
        """``P(log2(1 + snr X) < rate)``."""
        return self.cdf(outage_threshold(rate, snr))
