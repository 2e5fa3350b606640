"""OFDMA: a band of resource blocks, divided among transfers by an allocator.

The allocator sees channel state of the past only; the rate that is delivered follows the channel
of the present grid cell. What cells do to one another is in `wfl_sim.radio.interference` and
`wfl_sim.radio.load_interference`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

import channel_models as cm
from wfl_sim.radio.allocation.allocator import Allocator, BlockAllocator, Demands, PowerAllocator
from wfl_sim.radio.block_limit import BlockLimit, allocate_within_limits
from wfl_sim.radio.cell import TransportRate
from wfl_sim.radio.channel import SampledChannel
from wfl_sim.radio.medium import ActiveTransfers, RatePlan
from wfl_sim.radio.subbands import Subbands
from wfl_sim.radio.transmit_power import PowerRule, per_held_block

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ChannelState:
    """The channel of m links in one grid cell, or what is known of it."""

    fading: NDArray[np.float32]
    """(blocks, m)"""
    strength: FloatArray
    """(m,) or (blocks, m): mean SINR of a link on a block for each W"""

    def sinr(self, power: FloatArray) -> FloatArray:
        """(blocks, m) where the links send with `power` (m,) in W on a block."""
        return np.asarray(self.fading * (power * self.strength))


@dataclass(frozen=True, kw_only=True)
class OfdmaBand:
    """One direction of one cell's carrier."""

    channel: SampledChannel
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
    limit: BlockLimit | None = None
    """of the blocks that a transfer may hold; only where each has one link"""
    duty: float = 1.0
    """share of the time in which this direction is served"""
    known: SampledChannel | None = None
    """the channel as it is estimated; None where estimates have no errors"""
    background: Callable[[NDArray[np.intp], float], FloatArray] | None = None
    """W of interference on a block, for links (m,) at a time in s; None where there is none"""

    def flow(self, traffic: ActiveTransfers, now: float, steps: int) -> RatePlan:
        """Divide the band among the transfers, one fading sample after the other."""
        links, count = traffic.links, len(traffic.first)
        start = self.channel.index(now)
        known, present = self.fading(links, start, steps)
        noise: float | FloatArray = self.block_noise
        if self.background is not None:
            noise = noise + self.background(links, now)
        strength = self.channel.mean_gain[links] / noise
        efficiency, most = self.expected(traffic, known, strength), self.most(links, strength)
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
                traffic,
                demands,
                most,
                ChannelState(present[planned], strength),
                ChannelState(known[planned], strength),
            )
            left = left - rate[planned] * lengths[planned]
            average = rate[planned] + keep[planned] * (average - rate[planned])
            planned += 1
        return RatePlan(
            until=until[:planned],
            rate=rate[:planned],
            average_rate=averages[:planned],
            time_constant=self.averaging,
            duty=self.duty,
            power=power[:planned],
            sinr_db=_decibels(sinr[:planned]),
        )

    def fading(
        self, links: NDArray[np.intp], start: int, steps: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return (steps, blocks, m) fading that is known, and the one of the grid cells."""
        if self.known is None:
            both = self.channel.fading(links, start - self.lag, steps + self.lag)
            return both[:steps], both[self.lag :]
        known = self.known.fading(links, start - self.lag, steps)
        return known, self.channel.fading(links, start, steps)

    def expected(
        self, traffic: ActiveTransfers, fading: NDArray[np.float32], strength: FloatArray
    ) -> FloatArray:
        """bit/s/Hz (steps, units, n) on known fading, were the band split evenly.

        `strength` (m,) or (blocks, m) is the mean SINR of a link on a block for each W.
        """
        links, count = traffic.links, traffic.transmissions
        even = np.full(len(links), self.blocks / count)
        power = self.power.per_block(links, even)
        sinr = fading * (power * strength).astype(np.float32)
        efficiency = self.rate.spectral_efficiency(sinr)
        return self._units.reported(_worst(traffic, efficiency))

    def averages(self, traffic: ActiveTransfers, efficiency: FloatArray) -> FloatArray:
        """Average rates; a transfer that has just begun has that of an even split of the band."""
        fresh = np.isnan(traffic.average_rate)
        if not fresh.any():
            return traffic.average_rate
        even = self._usable * self.blocks / traffic.transmissions * efficiency.mean(axis=0)
        return np.where(fresh, even, traffic.average_rate)

    def _granted(
        self,
        traffic: ActiveTransfers,
        demands: Demands,
        most: FloatArray | None,
        present: ChannelState,
        known: ChannelState,
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return rate (bit/s), power (W) and mean SINR of n transfers."""
        plain = traffic.unicast and traffic.together is None and most is None
        if self._whole_blocks and plain:
            holders = self.allocator.holders(demands)  # type: ignore[attr-defined]
            if holders is not None:
                return self._of_holders(traffic.links, holders, present, known)
        shares, level = self.decide(demands, most, traffic.together)
        return self.worth(traffic, shares, level, present, known)

    def most(self, links: NDArray[np.intp], strength: FloatArray) -> FloatArray | None:
        """Units (m,) that each link may hold; `strength` (m,). None without a limit."""
        if self.limit is None:
            return None
        return self.limit.most(links, strength) * self._units.count / self.blocks

    def decide(
        self,
        demands: Demands,
        most: FloatArray | None,
        together: NDArray[np.intp] | None = None,
    ) -> tuple[FloatArray, FloatArray]:
        """Return shares of blocks (n, blocks), and what part of its power each may use (n,).

        Those who listen to one transmission are one to the allocator, and all hold its shares.
        """
        if together is not None:
            sizes = np.diff(np.append(together, len(demands.bits_left)))
            shares, level = self.decide(_joined(demands, together, sizes), None)
            return np.repeat(shares, sizes, axis=0), np.repeat(level, sizes)
        if most is None:
            shares, level = self._asked(demands)
        else:
            shares, level = allocate_within_limits(self._asked, demands, most)
        return self._units.given(shares), level

    def _asked(self, demands: Demands) -> tuple[FloatArray, FloatArray]:
        if self._powers is not None:
            return self._powers.shares_and_levels(demands)
        return self.allocator.shares(demands), np.ones(len(demands.bits_left))

    def _of_holders(
        self,
        links: NDArray[np.intp],
        holders: NDArray[np.intp],
        present: ChannelState,
        known: ChannelState,
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """What whole blocks are worth, each held by one link, on one strength for all blocks."""
        count, blocks = len(links), self._every_block
        holders = np.asarray(self._units.given(holders))
        held = np.bincount(holders, minlength=count).astype(float)
        power = self.power.per_block(links.take(holders), held.take(holders))
        sinr = present.fading[blocks, holders] * (power * present.strength.take(holders))
        if self._transport is None:
            efficiency = self.rate.spectral_efficiency(sinr)
            rate = np.asarray(np.bincount(holders, efficiency, count), dtype=float)
        else:
            seen = known.fading[blocks, holders] * (power * known.strength.take(holders))
            order = np.argsort(holders, kind="stable")
            rate = self._transported(
                holders[order], seen[order], sinr[order], np.ones(self.blocks), count
            )
        mean = np.bincount(holders, sinr, count) / np.maximum(held, 1)
        radiated = np.asarray(np.bincount(holders, power, count), dtype=float)
        return np.asarray(rate * self._usable), radiated, mean

    def worth(
        self,
        traffic: ActiveTransfers,
        shares: FloatArray,
        level: FloatArray,
        present: ChannelState,
        known: ChannelState,
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return rate (bit/s), power (W) and mean SINR of n transfers with shares of blocks."""
        if not traffic.unicast:
            receivers = np.diff(np.append(traffic.first, len(traffic.links)))
            shares, level = np.repeat(shares, receivers, axis=0), np.repeat(level, receivers)
        held = shares.sum(axis=1)
        power = per_held_block(self.power, traffic.links, held, level)
        sinr = present.sinr(power)
        if self._transport is None:
            rate = np.einsum("nb,bn->n", shares, self.rate.spectral_efficiency(sinr))
        else:
            link, block = np.nonzero(shares)
            seen = known.sinr(power)
            rate = self._transported(
                link, seen[block, link], sinr[block, link], shares[link, block], len(held)
            )
        heard = np.einsum("nb,bn->n", shares, sinr)
        radiated = (power * held)[traffic.first]
        if traffic.together is not None:
            sizes = np.diff(np.append(traffic.together, len(radiated)))
            radiated = radiated / np.repeat(sizes, sizes)
        return (
            _worst(traffic, rate * self._usable),
            radiated,
            _worst(traffic, heard / np.where(held > 0, held, 1.0)),
        )

    def _transported(
        self,
        link: NDArray[np.intp],
        known: FloatArray,
        sinr: FloatArray,
        share: FloatArray,
        count: int,
    ) -> FloatArray:
        """bit/s/Hz times blocks (count,) of entries sorted by link: one scheme for each link."""
        rate = np.zeros(count)
        if self._transport is not None and len(link):
            first = np.flatnonzero(np.diff(link, prepend=-1))
            efficiency = self._transport.transport_efficiency(known, sinr, share, first)
            rate[link[first]] = efficiency * np.add.reduceat(share, first)
        return rate

    @cached_property
    def _transport(self) -> TransportRate | None:
        return self.rate if isinstance(self.rate, TransportRate) else None

    @cached_property
    def _powers(self) -> PowerAllocator | None:
        return self.allocator if isinstance(self.allocator, PowerAllocator) else None

    @cached_property
    def _whole_blocks(self) -> bool:
        return isinstance(self.allocator, BlockAllocator)

    @cached_property
    def _every_block(self) -> NDArray[np.intp]:
        return np.arange(self.blocks)

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
    def _units(self) -> Subbands:
        return Subbands(self.blocks, self.subband)

    @cached_property
    def block_noise(self) -> float:
        """W on one resource block."""
        return self.noise_density * self.block_bandwidth


def _joined(demands: Demands, begins: NDArray[np.intp], sizes: NDArray[np.intp]) -> Demands:
    """Make one of all who listen to one transmission: the mean channel, the most that is left."""
    return replace(
        demands,
        bits_left=np.maximum.reduceat(demands.bits_left, begins),
        efficiency=np.add.reduceat(demands.efficiency, begins, axis=0) / sizes[:, None],
        average_rate=np.add.reduceat(demands.average_rate, begins) / sizes,
        weight=demands.weight[begins],
        age=demands.age[begins],
        deadline=np.minimum.reduceat(demands.deadline, begins),
    )


def _worst(traffic: ActiveTransfers, values: FloatArray) -> FloatArray:
    """Return the least over the links of each transfer, along the last axis."""
    if traffic.unicast:
        return values
    return np.asarray(np.minimum.reduceat(values, traffic.first, axis=-1))


def _decibels(values: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore"):
        return np.asarray(10 * np.log10(values))
