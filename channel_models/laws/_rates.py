"""Rates from power laws: exponential integrals without overflow, and quadrature on a log scale."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from channel_models.validation import FloatArray, check_array

_POINTS = 6001


def check_snr(snr: ArrayLike) -> FloatArray:
    """Mean signal-to-noise ratios (linear), at least 0; ValueError otherwise."""
    return check_array("snr", snr, minimum=0.0)


def check_probability(probability: ArrayLike) -> FloatArray:
    """Probabilities between 0 and 1; ValueError otherwise."""
    return check_array("probability", probability, minimum=0.0, maximum=1.0)


def scaled_expn(order: int, x: FloatArray) -> FloatArray:
    """``e^x E_n(x)`` for x > 0, by its asymptotic series where the exponential is large."""
    from scipy.special import expn

    small = np.minimum(x, 50.0)
    exact = np.exp(small) * expn(order, small)
    large = np.maximum(x, 50.0)
    term = 1.0 / large
    series = np.zeros_like(large)
    for k in range(20):
        series += term
        term = -term * (order + k) / large
    return np.where(x <= 50.0, exact, series)


def rate_by_quadrature(
    density: Callable[[FloatArray], FloatArray], mean: float, snr: ArrayLike
) -> FloatArray:
    """``E[log2(1 + snr X)]`` from the density of X >= 0, by the trapezoidal rule in ln x."""
    gamma = check_snr(snr)
    exponent = np.linspace(np.log(1e-14), np.log(1e3), _POINTS)
    x = mean * np.exp(exponent)
    weight = density(x) * x * (exponent[1] - exponent[0])
    rates = np.log1p(gamma[..., None] * x) @ weight
    return np.asarray(rates / np.log(2.0), dtype=float)


def outage_threshold(rate: ArrayLike, snr: ArrayLike) -> FloatArray:
    """Power below which ``log2(1 + snr x) < rate``: ``(2^rate - 1) / snr``, infinite at no SNR."""
    required = np.expm1(check_array("rate", rate, minimum=0.0) * np.log(2.0))
    gamma = check_snr(snr)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(required > 0.0, required / gamma, 0.0)
