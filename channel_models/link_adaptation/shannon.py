"""Rates from Shannon's formula: exact, with a gap, attenuated with a cap.

SINR that is an array in single precision gives capacities in single precision.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from channel_models.elementary import capacity, exp, log, log10
from channel_models.plots import plot
from channel_models.units import (
    Decibel,
    Fraction,
    NonNegativeDecibel,
    PositiveNumber,
    db_to_linear,
)
from channel_models.validation import Validated, check_array


def _check_sinr(sinr: ArrayLike) -> Any:
    return check_array("sinr", sinr, minimum=0.0, single=True)


class ShannonForm(NamedTuple):
    """``min(attenuation log2(1 + margin SINR), cap)``, and 0 below a floor of the SINR (linear)."""

    margin: float = 1.0
    attenuation: float = 1.0
    cap: float = float("inf")
    floor: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Shannon:
    """``log2(1 + SINR)`` bit/s/Hz: the capacity of the Gaussian channel (Shannon 1948)."""

    plot = plot

    def spectral_efficiency(self, sinr: ArrayLike) -> Any:
        """bit/s/Hz at linear ``sinr``, elementwise."""
        return capacity(_check_sinr(sinr))[()]

    @property
    def shannon(self) -> ShannonForm:
        """The rate as numbers."""
        return ShannonForm()


@dataclass(frozen=True, kw_only=True)
class ShannonGap(Validated):
    """``min(log2(1 + SINR / Gamma), cap)`` bit/s/Hz with the gap Gamma in dB.

    For uncoded M-QAM at bit error rate b, ``Gamma = -ln(5 b) / 1.5`` (`qam_gap_db`); for NR with
    LDPC codes and implementation margin 2.5 to 3 dB is defensible, hence the default, which is this
    library's choice. The default ``cap`` is the efficiency of CQI 15 with 256QAM (TS 38.214 Table
    5.2.2.1-3); 64QAM ends at 5.5547 (Table 5.2.2.1-2).
    """

    plot = plot

    gap: NonNegativeDecibel = 3.0
    cap: PositiveNumber = 7.4063

    @cached_property
    def _margin(self) -> float:
        return float(db_to_linear(-self.gap))

    def spectral_efficiency(self, sinr: ArrayLike) -> Any:
        """bit/s/Hz at linear ``sinr``, elementwise."""
        return np.minimum(capacity(_check_sinr(sinr) * self._margin), self.cap)[()]

    @property
    def shannon(self) -> ShannonForm:
        """The rate as numbers."""
        return ShannonForm(margin=self._margin, cap=self.cap)


@dataclass(frozen=True, kw_only=True)
class AttenuatedShannon(Validated):
    """Attenuated and truncated Shannon bound of 3GPP TR 36.942 Annex A.

    0 below ``floor``; ``attenuation * log2(1 + SINR)`` up to ``cap`` bit/s/Hz. The downlink uses
    0.6 and 4.4 bit/s/Hz, the uplink 0.4 and 2.0, both a floor of -10 dB (values to be confirmed
    against the TR).
    """

    plot = plot

    attenuation: Fraction = 0.6
    cap: PositiveNumber = 4.4
    floor: Decibel = -10.0

    @cached_property
    def _least_sinr(self) -> float:
        return float(db_to_linear(self.floor))

    def spectral_efficiency(self, sinr: ArrayLike) -> Any:
        """bit/s/Hz at linear ``sinr``, elementwise."""
        values = _check_sinr(sinr)
        rate = np.minimum(self.attenuation * capacity(values), self.cap)
        return np.where(values < self._least_sinr, 0.0, rate)[()]

    @property
    def shannon(self) -> ShannonForm:
        """The rate as numbers."""
        return ShannonForm(1.0, self.attenuation, self.cap, self._least_sinr)


def qam_gap_db(bit_error_rate: ArrayLike) -> Any:
    """SNR gap in dB of uncoded square QAM, ``10 log10(-ln(5 b) / 1.5)``; b up to 0.2 / e^1.5."""
    rate = check_array("bit_error_rate", bit_error_rate, minimum=0.0, exclusive=True)
    if (rate > 0.2 * exp(-1.5)).any():
        raise ValueError(
            f"bit_error_rate must be at most {0.2 * exp(-1.5):.4g}, got {rate.max():g}"
        )
    return (10.0 * log10(-log(5.0 * rate) / 1.5))[()]
