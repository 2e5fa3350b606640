"""The law of shadowing: normal in dB, log-normal in power."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from channel_models.laws._rates import check_probability
from channel_models.units import Decibel, NonNegativeDecibel
from channel_models.validation import validate_fields

_NEPERS = np.log(10.0) / 10.0


@dataclass(frozen=True, kw_only=True)
class NormalDecibels:
    """Normal in dB with ``mean`` and ``sigma``; the power ``10^(X/10)`` is log-normal."""

    mean: Decibel = 0.0
    sigma: NonNegativeDecibel = 8.0

    def __post_init__(self) -> None:
        validate_fields(self)

    @property
    def linear_mean(self) -> float:
        """Mean of the power: ``exp(mean s + (sigma s)^2 / 2)``, s = ln 10 / 10."""
        return float(np.exp(self.mean * _NEPERS + (self.sigma * _NEPERS) ** 2 / 2.0))

    def cdf(self, x: ArrayLike) -> Any:
        """Probability of at most ``x`` dB; a step at the mean for sigma 0."""
        from scipy.special import ndtr

        values = np.asarray(x, dtype=float)
        if self.sigma == 0.0:
            return np.where(values >= self.mean, 1.0, 0.0)[()]
        return np.asarray(ndtr((values - self.mean) / self.sigma))[()]

    def quantile(self, probability: ArrayLike) -> Any:
        """Value in dB below which it lies with that probability."""
        from scipy.special import ndtri

        chance = check_probability(probability)
        if self.sigma == 0.0:
            return np.full(chance.shape, self.mean)[()]
        return (self.mean + self.sigma * np.asarray(ndtri(chance)))[()]
