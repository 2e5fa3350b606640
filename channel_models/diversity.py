"""Diversity: the sum and the largest of independent branches, with their laws."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from channel_models.laws.power import GammaPower, PowerDistribution, check_probability
from channel_models.validation import (
    PositiveInteger,
    check_array,
    check_positive_integer,
)


@dataclass(frozen=True, kw_only=True)
class BestOfPower(PowerDistribution):
    """Maximum of ``branches`` independent exponential powers of mean one: ``(1 - e^-x)^n``.

    The power of selection combining, and of a max-C/I scheduler over users with equal means.
    """

    branches: PositiveInteger = 2

    @property
    def mean(self) -> float:  # type: ignore[override]
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
        return np.where(power < 0.0, 0.0, density)[()]

    def cdf(self, x: ArrayLike) -> Any:
        """Probability of a power of at most ``x``."""
        return ((-np.expm1(-np.maximum(np.asarray(x, dtype=float), 0.0))) ** self.branches)[()]

    def quantile(self, probability: ArrayLike) -> Any:
        """Power below which it lies with that probability."""
        with np.errstate(divide="ignore"):
            return (-np.log1p(-(check_probability(probability) ** (1.0 / self.branches))))[()]


def maximum_ratio(powers: ArrayLike, axis: int = 0) -> Any:
    """Power after maximum-ratio combining: the sum of the branches' SNRs along ``axis``."""
    return np.asarray(check_array("powers", powers, minimum=0.0).sum(axis=axis))[()]


def selection(powers: ArrayLike, axis: int = 0) -> Any:
    """Power after selection combining: the largest branch along ``axis``."""
    return np.asarray(check_array("powers", powers, minimum=0.0).max(axis=axis))[()]


def maximum_ratio_law(branches: int) -> GammaPower:
    """Law of the sum of independent Rayleigh branches of mean one: gamma, shape and mean n."""
    n = check_positive_integer("branches", branches)
    return GammaPower(shape=float(n), mean=float(n))


def selection_law(branches: int) -> BestOfPower:
    """Law of the largest of independent Rayleigh branches of mean one."""
    return BestOfPower(branches=branches)
