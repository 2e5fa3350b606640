"""OFDMA: a band of resource blocks, divided among transfers by an allocator.

The allocator sees channel state of the past only; the rate that is delivered follows the channel
of the present grid cell. Inter-cell interference is not modelled: cells are taken to be orthogonal.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

import channel_models as cm
from wfl_sim.entities.carrier import Flow, Traffic
from wfl_sim.protocols import Allocator, Demands
from wfl_sim.radio.channel import Channel

Direction = Literal["uplink", "downlink"]


@dataclass(frozen=True, kw_only=True)
class Band:
    """One direction of one cell's carrier."""

    direction: Direction
    channel: Channel
    allocator: Allocator
    rate: cm.RateMap
    power: NDArray[np.float64]
    """(links,) W, what each device radiates (uplink) or the base station (downlink, all alike)"""
    noise_density: float
    """W/Hz, noise figure included"""
    blocks: int
    block_bandwidth: float
    """Hz"""
    overhead: float
    csi_delay: float
    """s"""
    averaging: float
    """s"""

    def flow(self, traffic: Traffic, now: float) -> Flow:
        """Divide the band among the transfers until the next fading sample."""
        channel = self.channel
        k = channel.index(now)
        # The newest sample that is over and `csi_delay` old at the start of this grid cell.
        known = math.floor(k - 0.5 - self.csi_delay / channel.step)
        count = len(traffic.bits_left)
        alone = len(traffic.links) == count
        snr_per_watt_hertz = 1.0 / (self.noise_density * self.block_bandwidth)
        efficiency = self.rate.spectral_efficiency(
            channel.gain(traffic.links, known)
            * (self._even_block_power(traffic, count) * snr_per_watt_hertz)[:, None]
        )
        if not alone:
            efficiency = np.minimum.reduceat(efficiency, traffic.first, axis=0)
        usable = self.block_bandwidth * (1 - self.overhead)
        even_rate = usable / count * efficiency.sum(axis=1)
        average = np.where(np.isnan(traffic.average_rate), even_rate, traffic.average_rate)
        shares = self.allocator.shares(
            Demands(
                bits_left=traffic.bits_left,
                efficiency=efficiency,
                average_rate=average,
                weight=traffic.weight,
                block_bandwidth=self.block_bandwidth,
            )
        )
        held = shares.sum(axis=1)
        per_link = shares if alone else np.repeat(shares, self._receivers(traffic), axis=0)
        sinr = (
            channel.gain(traffic.links, k)
            * (self._block_power(traffic, held) * snr_per_watt_hertz)[:, None]
        )
        rate = usable * (per_link * self.rate.spectral_efficiency(sinr)).sum(axis=1)
        mean_sinr = (per_link * sinr).sum(axis=1)
        if not alone:
            rate = np.minimum.reduceat(rate, traffic.first)
            mean_sinr = np.minimum.reduceat(mean_sinr, traffic.first)
        on_air = held > 0
        with np.errstate(divide="ignore", invalid="ignore"):
            sinr_db = 10 * np.log10(mean_sinr / held)
        return Flow(
            rate=rate,
            until=(k + 1) * channel.step,
            average_rate=average,
            time_constant=self.averaging,
            on_air=on_air,
            sinr_db=sinr_db,
        )

    def _receivers(self, traffic: Traffic) -> NDArray[np.intp]:
        return np.diff(np.append(traffic.first, len(traffic.links)))

    def _even_block_power(self, traffic: Traffic, count: int) -> NDArray[np.float64]:
        """W on each block were the band split evenly among `count` transfers; shape (links,)."""
        power = self.power[traffic.links] / self.blocks
        return power * count if self.direction == "uplink" else power

    def _block_power(self, traffic: Traffic, held: NDArray[np.float64]) -> NDArray[np.float64]:
        """W on each block held: a device splits its power over its blocks, a cell over all."""
        power = self.power[traffic.links]
        if self.direction == "downlink":
            return power / self.blocks
        return np.divide(power, held, out=np.zeros_like(power), where=held > 0)
