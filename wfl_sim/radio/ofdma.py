"""OFDMA: a band of resource blocks, divided among transfers by an allocator.

The allocator sees channel state of the past only; the rate that is delivered follows the channel
of the present grid cell. Inter-cell interference is not modelled: cells are taken to be orthogonal.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

import channel_models as cm
from wfl_sim.entities.carrier import Flow, Traffic
from wfl_sim.protocols import Allocator, Demands, PowerAllocator
from wfl_sim.radio.channel import Channel
from wfl_sim.radio.granularity import Granularity
from wfl_sim.radio.power import PowerRule

FloatArray = NDArray[np.float64]

_SPARSE = 4


@dataclass(frozen=True, kw_only=True)
class Band:
    """One direction of one cell's carrier."""

    channel: Channel
    allocator: Allocator
    rate: cm.RateMap
    power: PowerRule
    noise_density: float
    """W/Hz, noise figure included"""
    blocks: int
    block_bandwidth: float
    """Hz"""
    overhead: float
    """share of the resource elements that carry no data"""
    csi_delay: float
    """s"""
    averaging: float
    """s"""
    subband: int = 1
    """blocks that are known and given together"""
    duty: float = 1.0
    """share of the time in which this direction is served"""

    def flow(self, traffic: Traffic, now: float, steps: int) -> Flow:
        """Divide the band among the transfers, one fading sample after the other."""
        start, lag = self.channel.index(now), self._lag
        gain = self.channel.gain(traffic.links, start - lag, steps + lag)
        efficiency = self._expected(traffic, gain[:steps])
        until = self.channel.step * np.arange(start + 1, start + 1 + steps, dtype=float)
        begins = np.append(now, until[:-1])
        lengths = until - begins
        keep = np.exp(-lengths / self.averaging)
        left, average = traffic.bits_left, self._averages(traffic, efficiency[0])
        allocate, units = self._allocation(), self._units
        grants: list[_Grant] = []
        averages: list[FloatArray] = []
        while len(grants) < steps and left.min() > 0:
            step = len(grants)
            demands = Demands(
                bits_left=left,
                efficiency=efficiency[step],
                average_rate=average,
                weight=traffic.weight,
                block_bandwidth=self._usable * self.blocks / units.count,
                memory=float(keep[step]),
                age=begins[step] - traffic.start,
                deadline=traffic.deadline - begins[step],
                step=start + step,
                spreads=self.power.spreads,
            )
            shares, level = allocate(demands)
            grant = self._delivered(traffic, units.given(shares), level, gain[step + lag])
            grants.append(grant)
            averages.append(average)
            left = left - grant.rate * lengths[step]
            average = keep[step] * average + (1 - keep[step]) * grant.rate
        return Flow(
            until=until[: len(grants)],
            rate=np.array([grant.rate for grant in grants]),
            average_rate=np.array(averages),
            time_constant=self.averaging,
            duty=self.duty,
            power=np.array([grant.power for grant in grants]),
            sinr_db=_decibels(np.array([grant.sinr for grant in grants])),
        )

    def _expected(self, traffic: Traffic, gain: FloatArray) -> FloatArray:
        """bit/s/Hz (steps, n, blocks) on known gains, were the band split evenly."""
        links, count = traffic.links, len(traffic.first)
        even = np.full(len(links), self.blocks / count)
        power = self.power.per_block(links, even, np.ones(len(links)))
        efficiency = self.rate.spectral_efficiency(gain * (power / self._block_noise)[:, None])
        return self._units.reported(_worst(traffic, efficiency, axis=1))

    def _averages(self, traffic: Traffic, efficiency: FloatArray) -> FloatArray:
        """Average rates; a transfer that has just begun has that of an even split of the band."""
        fresh = np.isnan(traffic.average_rate)
        if not fresh.any():
            return traffic.average_rate
        even = self._usable * self.blocks / len(fresh) * efficiency.mean(axis=1)
        return np.where(fresh, even, traffic.average_rate)

    def _allocation(self) -> Callable[[Demands], tuple[FloatArray, FloatArray]]:
        """Return what gives shares (n, units) and the part of its power that each may use (n,)."""
        allocator = self.allocator
        if isinstance(allocator, PowerAllocator):
            return allocator.shares_and_levels
        return lambda demands: (allocator.shares(demands), np.ones(len(demands.bits_left)))

    def _delivered(
        self, traffic: Traffic, shares: FloatArray, level: FloatArray, gain: FloatArray
    ) -> "_Grant":
        """What the shares are worth on present gains."""
        if not _alone(traffic):
            receivers = np.diff(np.append(traffic.first, len(traffic.links)))
            shares, level = np.repeat(shares, receivers, axis=0), np.repeat(level, receivers)
        held = shares.sum(axis=1)
        power = self.power.per_block(traffic.links, held, level)
        scale, count = power / self._block_noise, len(held)
        # Many rules give a block to one transfer: logarithms are dear, so take only those needed.
        places = np.flatnonzero(shares.T > 0)
        if _SPARSE * places.size < shares.size:
            block, link = divmod(places, count)
            part, sinr = shares[link, block], gain[link, block] * scale[link]
            rate = np.bincount(link, part * self.rate.spectral_efficiency(sinr), count)
            heard = np.bincount(link, part * sinr, count)
        else:
            sinr = gain * scale[:, None]
            rate = np.einsum("nb,nb->n", shares, self.rate.spectral_efficiency(sinr))
            heard = np.einsum("nb,nb->n", shares, sinr)
        return _Grant(
            rate=_worst(traffic, np.asarray(rate * self._usable, dtype=float)),
            power=(power * held)[traffic.first],
            sinr=_worst(traffic, np.asarray(heard / np.where(held > 0, held, 1.0), dtype=float)),
        )

    @property
    def _lag(self) -> int:
        """Age of the channel state that is known, in samples.

        It is the newest sample that is over and `csi_delay` old when its grid cell begins.
        """
        return math.ceil(0.5 + self.csi_delay / self.channel.step)

    @property
    def _usable(self) -> float:
        """Hz of one resource block that carry data, on average over time."""
        return self.block_bandwidth * (1 - self.overhead) * self.duty

    @property
    def _units(self) -> Granularity:
        return Granularity(self.blocks, self.subband)

    @property
    def _block_noise(self) -> float:
        """W on one resource block."""
        return self.noise_density * self.block_bandwidth


@dataclass(slots=True)
class _Grant:
    """What n transfers get in one step."""

    rate: FloatArray
    """(n,) bit/s"""
    power: FloatArray
    """(n,) W radiated"""
    sinr: FloatArray
    """(n,) mean over the blocks held, linear"""


def _alone(traffic: Traffic) -> bool:
    """Return whether every transfer has one link."""
    return len(traffic.links) == len(traffic.first)


def _worst(traffic: Traffic, values: FloatArray, axis: int = 0) -> FloatArray:
    """Return the least over the links of each transfer, along the axis of the links."""
    if _alone(traffic):
        return values
    return np.asarray(np.minimum.reduceat(values, traffic.first, axis=axis))


def _decibels(values: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore"):
        return np.asarray(10 * np.log10(values))
