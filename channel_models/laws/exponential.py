"""The power of Rayleigh fading: exponential."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from channel_models.laws._rates import check_probability, check_snr, outage_threshold, scaled_expn
from channel_models.units import PositiveNumber
from channel_models.validation import check_array, validate_fields


@dataclass(frozen=True, kw_only=True)
class ExponentialPower:
    """``P(X <= x) = 1 - exp(-x / mean)``: the power gain of Rayleigh fading."""

    mean: PositiveNumber = 1.0

    def __post_init__(self) -> None:
        validate_fields(self)

    @property
    def variance(self) -> float:
        """``mean^2``."""
        return self.mean**2

    def pdf(self, x: ArrayLike) -> Any:
        """Density at power ``x``."""
        power = np.asarray(x, dtype=float)
        inside = np.exp(-np.maximum(power, 0.0) / self.mean) / self.mean
        return np.where(power >= 0.0, inside, 0.0)[()]

    def cdf(self, x: ArrayLike) -> Any:
        """Probability of a power of at most ``x``."""
        return (-np.expm1(-np.maximum(np.asarray(x, dtype=float), 0.0) / self.mean))[()]

    def quantile(self, probability: ArrayLike) -> Any:
        """Power below which it lies with that probability."""
        with np.errstate(divide="ignore"):
            return (-self.mean * np.log1p(-check_probability(probability)))[()]

    def ergodic_rate(self, snr: ArrayLike) -> Any:
        """``E[log2(1 + snr X)] = e^(1/g) E_1(1/g) / ln 2`` bit/s/Hz, with g = snr mean."""
        gamma = check_snr(snr) * self.mean
        positive = np.where(gamma > 0.0, gamma, 1.0)
        with np.errstate(over="ignore"):
            rate = scaled_expn(1, 1.0 / positive) / np.log(2.0)
        return np.where(gamma > 0.0, rate, 0.0)[()]

    def outage(self, rate: ArrayLike, snr: ArrayLike) -> Any:
        """``P(log2(1 + snr X) < rate) = 1 - exp(-(2^rate - 1) / (snr mean))``."""
        return self.cdf(outage_threshold(rate, snr))

    def truncated_inversion_rate(self, snr: ArrayLike, cutoff: ArrayLike) -> Any:
        """Rate of channel inversion above a cutoff SNR g_0, silent below (Goldsmith, Varaiya 1997).

        ``log2(1 + g / E_1(g_0/g)) e^(-g_0/g)`` bit/s/Hz with g = snr mean.
        """
        from scipy.special import exp1

        gamma = check_array("snr", snr, minimum=0.0, exclusive=True) * self.mean
        ratio = check_array("cutoff", cutoff, minimum=0.0, exclusive=True) / gamma
        return (np.log1p(gamma / exp1(ratio)) / np.log(2.0) * np.exp(-ratio))[()]
