"""Laws of a fading power: exponential, gamma, constant and empirical."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import ArrayLike

from channel_models.plots import plot
from channel_models.units import PositiveNumber
from channel_models.validation import FloatArray, Validated, check_array, check_finite

_POINTS: Final = 6001


class PowerDistribution(Validated, ABC):
    """A law of a power X with a density: the rates that follow from it."""

    plot = plot

    mean: float

    @property
    @abstractmethod
    def variance(self) -> float:
        """Variance of X."""

    @abstractmethod
    def pdf(self, x: ArrayLike) -> Any:
        """Density at power ``x``."""

    @abstractmethod
    def cdf(self, x: ArrayLike) -> Any:
        """Probability of a power of at most ``x``."""

    def ergodic_rate(self, snr: ArrayLike) -> Any:
        """``E[log2(1 + snr X)]`` bit/s/Hz, by the trapezoidal rule in ln x."""
        gamma = check_snr(snr)
        spread = float(np.sqrt(self.variance)) / self.mean
        narrow = spread < 0.05  # it would fall between the points of the wide grid
        most = 12 * spread if narrow else max(7.0, 4.0 + 2 * float(np.log(spread)))
        exponent = np.linspace(-12 * spread if narrow else -32.0, most, _POINTS)
        x = self.mean * np.exp(exponent)
        weight = self.pdf(x) * x
        weight *= 1 / weight.sum() if narrow else exponent[1] - exponent[0]
        return (np.log1p(gamma[..., None] * x) @ weight / np.log(2.0))[()]

    def outage(self, rate: ArrayLike, snr: ArrayLike) -> Any:
        """``P(log2(1 + snr X) < rate)``."""
        return self.cdf(outage_threshold(rate, snr))


@dataclass(frozen=True, kw_only=True)
class ExponentialPower(PowerDistribution):
    """``P(X <= x) = 1 - exp(-x / mean)``: the power gain of Rayleigh fading."""

    mean: PositiveNumber = 1.0

    @property
    def variance(self) -> float:
        """``mean^2``."""
        return self.mean**2

    def pdf(self, x: ArrayLike) -> Any:
        """Density at power ``x``."""
        power = np.asarray(x, dtype=float)
        inside = np.exp(-np.maximum(power, 0.0) / self.mean) / self.mean
        return np.where(power < 0.0, 0.0, inside)[()]

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

    def truncated_inversion_rate(self, snr: ArrayLike, cutoff: ArrayLike) -> Any:
        """Rate of channel inversion above a cutoff SNR g_0, silent below (Goldsmith, Varaiya 1997).

        ``log2(1 + g / E_1(g_0/g)) e^(-g_0/g)`` bit/s/Hz with g = snr mean.
        """
        gamma = check_array("snr", snr, minimum=0.0, exclusive=True) * self.mean
        ratio = check_array("cutoff", cutoff, minimum=0.0, exclusive=True) / gamma
        # ln(g / E_1(r)), in which E_1 alone would underflow
        inverted = np.log(gamma / scaled_expn(1, ratio)) + ratio
        return (np.logaddexp(0.0, inverted) / np.log(2.0) * np.exp(-ratio))[()]


@dataclass(frozen=True, kw_only=True)
class GammaPower(PowerDistribution):
    """Gamma with ``shape`` m and ``mean``: the power gain of Nakagami-m fading.

    Shape n and mean n is also the sum of n independent Rayleigh branches of mean one, the output of
    maximum-ratio combining.
    """

    shape: PositiveNumber = 1.0
    mean: PositiveNumber = 1.0

    @property
    def variance(self) -> float:
        """``mean^2 / shape``."""
        return self.mean**2 / self.shape

    def pdf(self, x: ArrayLike) -> Any:
        """Density at power ``x``: ``(m/mean)^m x^(m-1) e^(-m x/mean) / Gamma(m)``."""
        from scipy.special import gammaln

        m, power = self.shape, np.asarray(x, dtype=float)
        positive = np.where(power <= 0.0, 1.0, power)
        logarithm = m * np.log(m / self.mean) + (m - 1.0) * np.log(positive)
        logarithm = logarithm - m * positive / self.mean
        limit = 0.0 if m > 1.0 else (1.0 / self.mean if m == 1.0 else np.inf)
        density = np.where(power < 0.0, 0.0, np.exp(logarithm - gammaln(m)))
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

        For integer m up to 8 ``e^x / ln 2 sum_(k=1..m) E_k(x)`` with x = m / (snr mean).
        """
        if self.shape not in range(1, 9):
            return super().ergodic_rate(snr)
        gamma = check_snr(snr) * self.mean
        with np.errstate(over="ignore"):
            x = self.shape / np.where(gamma > 0.0, gamma, 1.0)
        total = np.sum([scaled_expn(k, x) for k in range(1, int(self.shape) + 1)], axis=0)
        return np.where(gamma > 0.0, total / np.log(2.0), 0.0)[()]


@dataclass(frozen=True, kw_only=True)
class ConstantPower(Validated):
    """All mass at ``mean``."""

    mean: PositiveNumber = 1.0
    variance: ClassVar[float] = 0.0

    def cdf(self, x: ArrayLike) -> Any:
        """0 below the mean, 1 from it on."""
        return np.heaviside(np.asarray(x, dtype=float) - self.mean, 1.0)[()]

    def quantile(self, probability: ArrayLike) -> Any:
        """The mean, whatever the probability."""
        return np.full_like(check_probability(probability), self.mean)[()]

    def ergodic_rate(self, snr: ArrayLike) -> Any:
        """``log2(1 + snr mean)`` bit/s/Hz."""
        return (np.log1p(check_snr(snr) * self.mean) / np.log(2.0))[()]

    def outage(self, rate: ArrayLike, snr: ArrayLike) -> Any:
        """1 where the rate exceeds the capacity, else 0."""
        return np.where(self.mean < outage_threshold(rate, snr), 1.0, 0.0)[()]


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
        power = np.asarray(x, dtype=float)
        rank = np.searchsorted(self.samples, power, side="right")
        return np.where(np.isnan(power), np.nan, rank / self.samples.size)[()]

    def quantile(self, probability: ArrayLike) -> Any:
        """Smallest sample whose cdf reaches the probability."""
        chances = self.cdf(self.samples)
        return self.samples[np.searchsorted(chances, check_probability(probability))][()]

    def ergodic_rate(self, snr: ArrayLike) -> Any:
        """Mean of ``log2(1 + snr x)`` over the samples, bit/s/Hz."""
        gamma = check_snr(snr)
        return (np.log1p(gamma[..., None] * self.samples).mean(axis=-1) / np.log(2.0))[()]

    def outage(self, rate: ArrayLike, snr: ArrayLike) -> Any:
        """Fraction of samples with ``log2(1 + snr x) < rate``."""
        rank = np.searchsorted(self.samples, outage_threshold(rate, snr), side="left")
        return (rank / self.samples.size)[()]


def check_snr(snr: ArrayLike) -> FloatArray:
    """Mean signal-to-noise ratios (linear), at least 0; ValueError otherwise."""
    return check_array("snr", snr, minimum=0.0)


def check_probability(probability: ArrayLike) -> FloatArray:
    """Probabilities between 0 and 1; ValueError otherwise."""
    return check_array("probability", probability, minimum=0.0, maximum=1.0)


def scaled_expn(order: int, x: FloatArray) -> FloatArray:
    """``e^x E_n(x)`` for x > 0 and n up to 8, by its asymptotic series where x is large."""
    from scipy.special import expn

    small, large = np.minimum(x, 50.0), np.maximum(x, 50.0)
    exact = np.exp(small) * expn(order, small)
    term = 1.0 / large
    series = np.zeros_like(large)
    for k in range(20):
        series += term
        term = -term * (order + k) / large
    return np.where(x <= 50.0, exact, series)


def outage_threshold(rate: ArrayLike, snr: ArrayLike) -> FloatArray:
    """Power below which ``log2(1 + snr x) < rate``: ``(2^rate - 1) / snr``, infinite at no SNR."""
    required = np.expm1(check_array("rate", rate, minimum=0.0) * np.log(2.0))
    gamma = check_snr(snr)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(required > 0.0, required / gamma, 0.0)
