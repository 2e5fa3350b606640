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

_SPARSE = 4

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

    def flow(self, traffic: Traffic, now: float, steps: int) -> Flow:
        """Divide the band among the transfers, one fading sample after the other."""
        channel, lag = self.channel, self._lag
        start, count = channel.index(now), len(traffic.bits_left)
        gain = channel.gain(traffic.links, start - lag, steps + lag)
        efficiency = self._expected(traffic, gain[:steps])
        until = (start + 1 + np.arange(steps)) * channel.step
        lengths = np.diff(until, prepend=now)
        keep = np.exp(-lengths / self.averaging)
        left, average = traffic.bits_left, self._averages(traffic, efficiency[0])
        rates, averages = np.empty((2, steps, count))
        held, sinr = np.empty((2, steps, count))
        for step in range(steps):
            shares = self.allocator.shares(
                Demands(
                    bits_left=left,
                    efficiency=efficiency[step],
                    average_rate=average,
                    weight=traffic.weight,
                    block_bandwidth=self._usable,
                    memory=float(keep[step]),
                )
            )
            averages[step] = average
            rates[step], held[step], sinr[step] = self._delivered(traffic, shares, gain[step + lag])
            left = left - rates[step] * lengths[step]
            average = keep[step] * average + (1 - keep[step]) * rates[step]
            if left.min() <= 0:
                break
        used = slice(step + 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            sinr_db = 10 * np.log10(sinr[used] / held[used])
        return Flow(
            until=until[used],
            rate=rates[used],
            average_rate=averages[used],
            time_constant=self.averaging,
            on_air=held[used] > 0,
            sinr_db=sinr_db,
        )

    @property
    def _lag(self) -> int:
        """Age of the channel state that is known, in samples.

        It is the newest sample that is over and `csi_delay` old when its grid cell begins.
        """
        return math.ceil(0.5 + self.csi_delay / self.channel.step)

    def _expected(self, traffic: Traffic, gain: NDArray[np.float64]) -> NDArray[np.float64]:
        """bit/s/Hz (steps, n, blocks) on known gains, were the band split evenly."""
        power = self.power[traffic.links] / self.blocks
        if self.direction == "uplink":
            power = power * len(traffic.bits_left)
        sinr = gain * (power / self._block_noise)[:, None]
        efficiency: NDArray[np.float64] = self.rate.spectral_efficiency(sinr)
        if _alone(traffic):
            return efficiency
        return np.minimum.reduceat(efficiency, traffic.first, axis=1)

    def _averages(self, traffic: Traffic, efficiency: NDArray[np.float64]) -> NDArray[np.float64]:
        """Average rates; a transfer that has just begun has that of an even split of the band."""
        fresh = np.isnan(traffic.average_rate)
        if not fresh.any():
            return traffic.average_rate
        even = self._usable / len(fresh) * efficiency.sum(axis=1)
        return np.where(fresh, even, traffic.average_rate)

    def _delivered(
        self, traffic: Traffic, shares: NDArray[np.float64], gain: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Rates (bit/s), blocks held and SINR summed over them, all (n,), on present gains."""
        alone = _alone(traffic)
        if not alone:
            shares = np.repeat(shares, _receivers(traffic), axis=0)
        held = shares.sum(axis=1)
        spread = held if self.direction == "uplink" else self.blocks
        with np.errstate(divide="ignore"):
            scale = self.power[traffic.links] / spread / self._block_noise
        # Many rules give a block to one transfer: logarithms are dear, so take only those needed.
        places = np.flatnonzero(shares.T > 0)
        if _SPARSE * places.size < shares.size:
            block, link = divmod(places, len(held))
            part, sinr = shares[link, block], gain[link, block] * scale[link]
            rate = np.bincount(link, part * self.rate.spectral_efficiency(sinr), len(held))
            heard = np.bincount(link, part * sinr, len(held))
        else:
            sinr = gain * np.where(held > 0, scale, 0.0)[:, None]
            rate = np.einsum("nb,nb->n", shares, self.rate.spectral_efficiency(sinr))
            heard = np.einsum("nb,nb->n", shares, sinr)
        rate = rate * self._usable
        if alone:
            return rate, held, heard
        first = traffic.first
        return np.minimum.reduceat(rate, first), held[first], np.minimum.reduceat(heard, first)

    @property
    def _usable(self) -> float:
        """Hz of one resource block that carry data."""
        return self.block_bandwidth * (1 - self.overhead)

    @property
    def _block_noise(self) -> float:
        """W on one resource block."""
        return self.noise_density * self.block_bandwidth


def _alone(traffic: Traffic) -> bool:
    """Return whether every transfer has one link."""
    return len(traffic.links) == len(traffic.first)


def _receivers(traffic: Traffic) -> NDArray[np.intp]:
    return np.diff(np.append(traffic.first, len(traffic.links)))
