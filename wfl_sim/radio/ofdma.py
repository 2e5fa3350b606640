"""OFDMA: a band of resource blocks, divided among transfers by an allocator.

The allocator sees channel state of the past only; the rate that is delivered follows the channel
of the present grid cell. What cells do to one another is in `wfl_sim.radio.coupled` and
`wfl_sim.radio.loads`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

import channel_models as cm
from wfl_sim.entities.carrier import Flow, Traffic
from wfl_sim.protocols import Allocator, BlockAllocator, Demands, PowerAllocator
from wfl_sim.radio.channel import Channel
from wfl_sim.radio.granularity import Granularity
from wfl_sim.radio.power import PowerRule

FloatArray = NDArray[np.float64]


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
    background: Callable[[NDArray[np.intp], float], FloatArray] | None = None
    """W of interference on a block, for links (m,) at a time in s; None where there is none"""

    def flow(self, traffic: Traffic, now: float, steps: int) -> Flow:
        """Divide the band among the transfers, one fading sample after the other."""
        links, count = traffic.links, len(traffic.first)
        start, lag = self.channel.index(now), self.lag
        fading = self.channel.fading(links, start - lag, steps + lag)
        noise: float | FloatArray = self.block_noise
        if self.background is not None:
            noise = noise + self.background(links, now)
        strength = self.channel.mean_gain[links] / noise
        efficiency = self.expected(traffic, fading[:steps], strength)
        until = self.channel.step * np.arange(start + 1, start + 1 + steps, dtype=float)
        begins = np.append(now, until[:-1])
        lengths = until - begins
        keep = np.exp(-lengths / self.averaging)
        ages, times_left = (begins[:, None] - traffic.start), (traffic.deadline - begins[:, None])
        left, average = traffic.bits_left, self.averages(traffic, efficiency[0])
        rate, averages, power, sinr = np.empty((4, steps, count))
        planned = 0
        while planned < steps and left.min() > 0:
            demands = Demands(
                bits_left=left,
                efficiency=efficiency[planned].T,
                average_rate=average,
                weight=traffic.weight,
                block_bandwidth=self.unit_bandwidth,
                memory=float(keep[planned]),
                age=ages[planned],
                deadline=times_left[planned],
                step=start + planned,
                spreads=self.power.spreads,
            )
            averages[planned] = average
            rate[planned], power[planned], sinr[planned] = self._granted(
                traffic, demands, fading[planned + lag], strength
            )
            left = left - rate[planned] * lengths[planned]
            average = rate[planned] + keep[planned] * (average - rate[planned])
            planned += 1
        return Flow(
            until=until[:planned],
            rate=rate[:planned],
            average_rate=averages[:planned],
            time_constant=self.averaging,
            duty=self.duty,
            power=power[:planned],
            sinr_db=_decibels(sinr[:planned]),
        )

    def expected(
        self, traffic: Traffic, fading: NDArray[np.float32], strength: FloatArray
    ) -> FloatArray:
        """bit/s/Hz (steps, units, n) on known fading, were the band split evenly.

        `strength` (m,) or (blocks, m) is the mean SINR of a link on a block for each W.
        """
        links, count = traffic.links, len(traffic.first)
        even = np.full(len(links), self.blocks / count)
        power = self.power.per_block(links, even, np.ones(len(links)))
        sinr = fading * (power * strength).astype(np.float32)
        efficiency = self.rate.spectral_efficiency(sinr)
        return self._units.reported(_worst(traffic, efficiency))

    def averages(self, traffic: Traffic, efficiency: FloatArray) -> FloatArray:
        """Average rates; a transfer that has just begun has that of an even split of the band."""
        fresh = np.isnan(traffic.average_rate)
        if not fresh.any():
            return traffic.average_rate
        even = self._usable * self.blocks / len(fresh) * efficiency.mean(axis=0)
        return np.where(fresh, even, traffic.average_rate)

    def _granted(
        self,
        traffic: Traffic,
        demands: Demands,
        fading: NDArray[np.float32],
        strength: FloatArray,
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return rate (bit/s), power (W) and mean SINR of n transfers on present fading."""
        if self._whole_blocks and traffic.unicast:
            holders = self.allocator.holders(demands)  # type: ignore[attr-defined]
            if holders is not None:
                return self._of_holders(traffic.links, holders, fading, strength)
        shares, level = self.decide(demands)
        return self.worth(traffic, shares, level, fading, strength)

    def decide(self, demands: Demands) -> tuple[FloatArray, FloatArray]:
        """Return shares of blocks (n, blocks), and what part of its power each may use (n,)."""
        if isinstance(self.allocator, PowerAllocator):
            shares, level = self.allocator.shares_and_levels(demands)
        else:
            shares, level = self.allocator.shares(demands), np.ones(len(demands.bits_left))
        return self._units.given(shares), level

    def _of_holders(
        self,
        links: NDArray[np.intp],
        holders: NDArray[np.intp],
        fading: NDArray[np.float32],
        strength: FloatArray,
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """What whole blocks are worth, each held by one link."""
        count, holders = len(links), self._units.given(holders)
        held = np.bincount(holders, minlength=count).astype(float)
        power = self.power.per_block(links, held, np.ones(count))
        sinr = fading[np.arange(self.blocks), holders] * (power * strength)[holders]
        rate = np.bincount(holders, self.rate.spectral_efficiency(sinr), count)
        heard = np.bincount(holders, sinr, count)
        sinr = np.asarray(heard / np.maximum(held, 1.0))
        return np.asarray(rate * self._usable), power * held, sinr

    def worth(
        self,
        traffic: Traffic,
        shares: FloatArray,
        level: FloatArray,
        fading: NDArray[np.float32],
        strength: FloatArray,
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return rate (bit/s), power (W) and mean SINR of n transfers with shares of blocks.

        `strength` (m,) or (blocks, m) is the mean SINR of a link on a block for each W.
        """
        if not traffic.unicast:
            receivers = np.diff(np.append(traffic.first, len(traffic.links)))
            shares, level = np.repeat(shares, receivers, axis=0), np.repeat(level, receivers)
        held = shares.sum(axis=1)
        power = self.power.per_block(traffic.links, held, level)
        sinr = fading * (power * strength)
        rate = np.einsum("nb,bn->n", shares, self.rate.spectral_efficiency(sinr))
        heard = np.einsum("nb,bn->n", shares, sinr)
        return (
            _worst(traffic, rate * self._usable),
            (power * held)[traffic.first],
            _worst(traffic, heard / np.where(held > 0, held, 1.0)),
        )

    @cached_property
    def _whole_blocks(self) -> bool:
        return isinstance(self.allocator, BlockAllocator)

    @cached_property
    def lag(self) -> int:
        """Age of the channel state that is known, in samples.

        It is the newest sample that is over and `csi_delay` old when its grid cell begins.
        """
        return math.ceil(0.5 + self.csi_delay / self.channel.step)

    @cached_property
    def _usable(self) -> float:
        """Hz of one resource block that carry data, on average over time."""
        return self.block_bandwidth * (1 - self.overhead) * self.duty

    @cached_property
    def unit_bandwidth(self) -> float:
        """Hz that carry data, of what is known and given together."""
        return self._usable * self.blocks / self._units.count

    @cached_property
    def _units(self) -> Granularity:
        return Granularity(self.blocks, self.subband)

    @cached_property
    def block_noise(self) -> float:
        """W on one resource block."""
        return self.noise_density * self.block_bandwidth


def _worst(traffic: Traffic, values: FloatArray) -> FloatArray:
    """Return the least over the links of each transfer, along the last axis."""
    if traffic.unicast:
        return values
    return np.asarray(np.minimum.reduceat(values, traffic.first, axis=-1))


def _decibels(values: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore"):
        return np.asarray(10 * np.log10(values))
