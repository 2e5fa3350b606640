"""The power without fading: a constant."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from channel_models.laws._rates import check_probability, check_snr, outage_threshold
from channel_models.units import PositiveNumber
from channel_models.validation import validate_fields


@dataclass(frozen=True, kw_only=True)
class ConstantPower:
    """All mass at ``mean``."""

    mean: PositiveNumber = 1.0

    def __post_init__(self) -> None:
        validate_fields(self)

    @property
    def variance(self) -> float:
        """Zero."""
        return 0.0

    def cdf(self, x: ArrayLike) -> Any:
        """0 below the mean, 1 from it on."""
        return np.where(np.asarray(x, dtype=float) >= self.mean, 1.0, 0.0)[()]

    def quantile(self, probability: ArrayLike) -> Any:
        """The mean, whatever the probability."""
        return np.full_like(check_probability(probability), self.mean)[()]

    def ergodic_rate(self, snr: ArrayLike) -> Any:
        """``log2(1 + snr mean)`` bit/s/Hz."""
        return (np.log1p(check_snr(snr) * self.mean) / np.log(2.0))[()]

    def outage(self, rate: ArrayLike, snr: ArrayLike) -> Any:
        """1 where the rate exceeds the capacity, else 0."""
        return np.where(self.mean < outage_threshold(rate, snr), 1.0, 0.0)[()]
