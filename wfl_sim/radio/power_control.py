"""Uplink power control: the power that a device may put on a resource block."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike

from channel_models.elementary import power
from channel_models.units import Fraction, PositiveWatt


@dataclass(frozen=True, kw_only=True)
class PowerControl:
    """Open-loop fractional power control of TS 38.213 section 7.1.1.

    ``P = min(P_max, P0 + 10 log10(2^mu M) + alpha PL)`` in dBm for M resource blocks at numerology
    mu, with PL the path loss and shadowing in dB.
    """

    target: PositiveWatt = 1e-11
    """P0 in W for a resource block of 180 kHz; the default, -80 dBm, is wfl_sim's."""
    alpha: Fraction = 0.8

    def density(self, gain: ArrayLike, bandwidth: float) -> Any:
        """W on one resource block of `bandwidth` Hz, 2^mu 180 kHz, at linear large-scale gains."""
        return self.target * (bandwidth / 180e3) * power(gain, -self.alpha)
