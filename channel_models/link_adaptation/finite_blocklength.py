"""Rates and errors of short codes: the normal approximation (Polyanskiy, Poor, Verdu 2010)."""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike

from channel_models.elementary import LN2, log1p, log2
from channel_models.plots import plot
from channel_models.units import Unit
from channel_models.validation import FloatArray, PositiveInteger, Validated, check_array

ErrorRate = Annotated[float, Unit("1", minimum=0.0, maximum=0.5, exclusive=True)]


def channel_dispersion(sinr: ArrayLike) -> Any:
    """``V = (1 - 1/(1 + SINR)^2) log2(e)^2`` of the complex Gaussian channel, bit^2 a use."""
    values = check_array("sinr", sinr, minimum=0.0)
    # written without the difference, which cancels at low SINR
    return (values * (2.0 + values) / np.square(1.0 + values) / LN2 / LN2)[()]


def normal_approximation_rate(
    sinr: ArrayLike, blocklength: ArrayLike, error: ArrayLike, *, third_order: bool = True
) -> Any:
    """``C - sqrt(V/n) Q^-1(error) + log2(n) / (2 n)`` bit a use, at least 0.

    Polyanskiy, Poor, Verdu 2010. ``blocklength`` n in complex channel uses; ``third_order`` keeps
    the last term. ``error`` lies between 0 and 1, both excluded.
    """
    from scipy.special import ndtri

    values, uses = _check(sinr, blocklength)
    chance = check_array("error", error, minimum=0.0, maximum=1.0, exclusive=True)
    if (chance >= 1.0).any():
        raise ValueError(f"error must be below 1, got {chance.max():g}")
    backoff = np.sqrt(channel_dispersion(values) / uses) * -ndtri(chance)
    rate = log1p(values) / LN2 - backoff
    if third_order:
        rate = rate + log2(uses) / (2.0 * uses)
    return np.maximum(rate, 0.0)[()]


def normal_approximation_error(
    sinr: ArrayLike, blocklength: ArrayLike, bits: ArrayLike, *, third_order: bool = True
) -> Any:
    """``Q((n C - bits + log2(n) / 2) / sqrt(n V))``: error probability of the best code."""
    from scipy.special import ndtr

    values, uses = _check(sinr, blocklength)
    payload = check_array("bits", bits, minimum=0.0, unit="bit")
    margin = uses * log1p(values) / LN2 - payload
    if third_order:
        margin = margin + 0.5 * log2(uses)
    spread = np.sqrt(uses * channel_dispersion(values))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(spread > 0.0, margin / spread, np.where(margin >= 0.0, np.inf, -np.inf))
    return np.asarray(ndtr(-ratio))[()]


def _check(sinr: ArrayLike, blocklength: ArrayLike) -> tuple[FloatArray, FloatArray]:
    return (
        check_array("sinr", sinr, minimum=0.0),
        check_array("blocklength", blocklength, minimum=1.0),
    )


@dataclass(frozen=True, kw_only=True)
class FiniteBlocklength(Validated):
    """``(1 - error) max(0, C - sqrt(V/n) Q^-1(error))`` bit/s/Hz in blocks of ``blocklength``.

    What arrives: a block that fails is sent again. The third-order term is left out, as it would
    make the rate fall with SINR near zero.
    """

    plot = plot

    blocklength: PositiveInteger = 2000
    error: ErrorRate = 0.1

    def spectral_efficiency(self, sinr: ArrayLike) -> Any:
        """bit/s/Hz at linear ``sinr``, elementwise."""
        sent = normal_approximation_rate(sinr, self.blocklength, self.error, third_order=False)
        return (1.0 - self.error) * sent
