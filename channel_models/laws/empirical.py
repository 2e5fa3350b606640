"""The law of recorded powers: the empirical distribution."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from channel_models.laws._rates import check_probability, check_snr, outage_threshold
from channel_models.validation import FloatArray, check_array, check_finite


@dataclass(frozen=True, eq=False)
class EmpiricalPower:
    """Equal mass at every one of ``samples`` (any shape; kept sorted)."""

    samples: FloatArray

    def __post_init__(self) -> None:
        values = check_finite("samples", check_array("samples", self.samples, minimum=0.0))
        if values.size == 0:
            raise ValueError("samples must not be empty")
        object.__setattr__(self, "samples", np.sort(values, axis=None))

    @property
    def mean(self) -> float:
        """Sample mean."""
        return float(self.samples.mean())

    @property
    def variance(self) -> float:
        """Sample variance (divided by the number of samples)."""
        return float(self.samples.var())

    def cdf(self, x: ArrayLike) -> Any:
        """Fraction of samples of at most ``x``."""
        rank = np.searchsorted(self.samples, np.asarray(x, dtype=float), side="right")
        return (rank / self.samples.size)[()]

    def quantile(self, probability: ArrayLike) -> Any:
        """Smallest sample whose cdf reaches the probability."""
        index = np.ceil(check_probability(probability) * self.samples.size).astype(int) - 1
        return self.samples[np.maximum(index, 0)][()]

    def ergodic_rate(self, snr: ArrayLike) -> Any:
        """Mean of ``log2(1 + snr x)`` over the samples, bit/s/Hz."""
        gamma = check_snr(snr)
        return (np.log1p(gamma[..., None] * self.samples).mean(axis=-1) / np.log(2.0))[()]

    def outage(self, rate: ArrayLike, snr: ArrayLike) -> Any:
        """Fraction of samples with ``log2(1 + snr x) < rate``."""
        rank = np.searchsorted(self.samples, outage_threshold(rate, snr), side="left")
        return (rank / self.samples.size)[()]
