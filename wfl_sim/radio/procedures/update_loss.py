"""Loss of whole updates: after its time and energy are spent, an upload may be of no use."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from channel_models.elementary import LN10, expm1
from channel_models.units import Fraction, PositiveNumber, db_to_linear
from wfl_sim.config.registry import Registry


class UpdateLoss(Protocol):
    """Whether an update that was sent is lost as a whole.

    >>> class Outage:  # lost below 3 dB
    ...     def probability(self, sinr_db: float) -> float:
    ...         return 1.0 if sinr_db < 3.0 else 0.0
    >>> Outage().probability(2.5)
    1.0
    """

    def probability(self, sinr_db: float) -> float:
        """Return the probability, given the mean SINR in dB over the upload."""


_RAYLEIGH_DB: Final = 10.0 * np.euler_gamma / LN10
LOSSES: Registry[UpdateLoss] = Registry("loss", UpdateLoss)


@LOSSES("never")
@dataclass(frozen=True)
class Never:
    """Every update arrives: block errors are repaired, and the rate map has their cost."""

    def probability(self, sinr_db: float) -> float:
        """Return 0."""
        return 0.0


@LOSSES("constant")
@dataclass(frozen=True, kw_only=True)
class ConstantLoss:
    """Every update is lost with one probability."""

    rate: Fraction

    def probability(self, sinr_db: float) -> float:
        """Return `rate`."""
        return self.rate


@LOSSES("waterfall")
@dataclass(frozen=True, kw_only=True)
class Waterfall:
    """``q = 1 - exp(-m / SINR)`` of the mean SINR in dB over the upload, with a linear m.

    Y. Xi, A. Burr, J. Wei, D. Grace, A general upper bound to evaluate packet error rate over
    quasi-static fading channels, 2011; used by M. Chen et al., arXiv 1909.07972, with m = 0.023 dB,
    which is 1.0053: read as a linear 0.023 it makes losses thirty times too rare.
    """

    threshold: PositiveNumber = 1.0053099940231343
    rayleigh: bool = False
    """Whether q is the mean over Rayleigh fading, as in that paper, where the fading changed during
    the upload: ``1 - x K_1(x)``, ``x = 2 sqrt(m / SINR)``. The mean of the SINR in dB then lies
    10 gamma / ln 10 = 2.51 dB (gamma of Euler) below that without fading."""

    def probability(self, sinr_db: float) -> float:
        """Return q."""
        if not self.rayleigh:
            return float(-expm1(-self.threshold / db_to_linear(sinr_db)))
        from scipy.special import k1

        x = 2.0 * math.sqrt(self.threshold / db_to_linear(sinr_db + _RAYLEIGH_DB))
        return float(1.0 - x * k1(x))
