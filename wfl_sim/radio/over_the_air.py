"""Analog over-the-air aggregation: all devices send at once, and their signals add up.

Every device sends its values as amplitudes, inverting its channel, so that the received signal is
the weighted sum of all of them and noise:

    y = sum_k w_k sqrt(eta) s_k + n,    estimate = y / sqrt(eta),    error variance sigma^2 / eta

(over-the-air computation with truncated channel inversion; G. Zhu, Y. Wang, K. Huang, Broadband
analog aggregation for low-latency federated edge learning, arXiv 1812.11494). A device whose fading
is below a threshold does not send, for inversion would need too much power. The band is taken as
flat, with the mean gain over its blocks.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

import channel_models as cm
from channel_models.validation import FloatArray
from wfl_sim.radio.cell import CellConfig

VALUES_PER_SYMBOL: Final = 2
"""One on each of the two carriers in quadrature."""


@dataclass(frozen=True)
class AnalogTransmission:
    """One joint transmission."""

    seconds: float
    """Duration in s."""
    watts: FloatArray
    """(n,) W radiated by each device; 0 for those that do not send."""
    noise: float
    """Standard deviation of the error of each value of the average, as a share of the root mean
    square at which a device sends with the power of channel inversion."""


@dataclass(frozen=True)
class AnalogUplink:
    """Duration, power and noise of a sum over a cell's devices."""

    bandwidth: float
    """Symbols/s, on average over time."""
    noise_power: float
    """W over that band of noise, noise figure included, and of interference from outside."""

    def burst(
        self,
        gain: FloatArray,
        mean_gain: FloatArray,
        weight: FloatArray,
        power: FloatArray,
        *,
        threshold: float,
        values: int,
    ) -> AnalogTransmission:
        """Return the transmission of n devices.

        The scale eta is the largest at which no device exceeds its power: with weights that
        sum to 1 over those who send, device k radiates ``w_k^2 eta / g_k``.

        Args:
            gain: (n,) linear power gains of this moment.
            mean_gain: (n,) the same without fading.
            weight: (n,) weight of each in the average.
            power: (n,) W that each can radiate.
            threshold: value of ``gain / mean_gain`` below which a device does not send.
            values: number of values that each sends.
        """
        sends = gain >= threshold * mean_gain
        if not sends.any():
            return AnalogTransmission(0.0, np.zeros(len(gain)), 0.0)
        share = np.where(sends, weight, 0.0)
        share = share / share.sum()
        need = np.divide(share**2, gain, out=np.zeros(len(gain)), where=sends)
        eta = float((power[sends] / need[sends]).min())
        return AnalogTransmission(
            seconds=values / VALUES_PER_SYMBOL / self.bandwidth,
            watts=need * eta,
            noise=float(np.sqrt(self.noise_power / eta)),
        )


def analog_uplink(cell: CellConfig) -> AnalogUplink:
    """Return the analog uplink on the band of a cell."""
    band = cell.blocks * cell.block_bandwidth
    figure = float(cm.db_to_linear(cell.uplink.noise_figure))
    return AnalogUplink(
        bandwidth=cell.blocks * cell.symbol_rate("uplink"),
        noise_power=cm.thermal_noise_density() * figure * band + cell.uplink.outside * cell.blocks,
    )
