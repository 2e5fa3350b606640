"""OFDMA: a band of resource blocks, divided among transfers by an allocator.

The allocator knows the channel as it was some time before; the rate that is delivered follows the
channel of the present grid cell. `wfl_sim.radio.interference` couples cells.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

import channel_models as cm
from channel_models.elementary import exp, log10
from wfl_sim.radio.allocation.allocator import Allocator, BlockAllocator, Demands, PowerAllocator
from wfl_sim.radio.block_limit import BlockLimit, allocate_within_limits
from wfl_sim.radio.block_rates import BlockRates, ChannelState, Rates
from wfl_sim.radio.channel import SampledChannel
from wfl_sim.radio.link_samples import link_samples
from wfl_sim.radio.medium import ActiveTransfers, LinkSamples, RatePlan
from wfl_sim.radio.plan_ahead import compiled_loop
from wfl_sim.radio.subbands import Subbands
from wfl_sim.radio.transmit_power import PowerRule

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class OfdmaBand:
    """One direction of one cell's carrier."""

    channel: SampledChannel
    allocator: Allocator
    rate: cm.RateMap
    power: PowerRule
    noise_density: float
    """W/Hz, noise figure included."""
    blocks: int
    """Number of resource blocks."""
    block_bandwidth: float
    """Hz of one resource block."""
    symbol_rate: float
    """Symbols/s of data on one resource block, on average over time."""
    averaging: float
    """Time constant in s of the average rates."""
    subband: int = 1
    """Resource blocks that are reported and allocated together."""
    limit: BlockLimit | None = None
    """Limit of the blocks that a transfer may hold; only where each transfer has one link."""
    duty: float = 1.0
    """Share of the time in which this direction is served."""
    known: SampledChannel | None = None
    """The channel as it is known: of an age, perhaps with errors; None where it is the present."""
    recorded: Mapping[str, str] | None = None
    """Values of every sample, if plans are to hold what each link has in every step."""
    background: Callable[[NDArray[np.intp], float], FloatArray] | None = None
    """W of interference on a block, for links (m,) at a time in s; None where there is none."""

    def plan(self, traffic: ActiveTransfers, now: float, steps: int) -> RatePlan:
        """Divide the band among the transfers, one fading sample after the other."""
        plan = BandPlan(self, traffic, now, min(steps, self.channel.most_steps(len(traffic.links))))
        noise: float | FloatArray = self.block_noise
        if self.background is not None:
            noise = noise + self.background(traffic.links, now)
        plan.expect(noise)
        loop = None
        if traffic.unicast and traffic.together is None and self.recorded is None:
            loop = compiled_loop(self.allocator, self.rates, self.subband, traffic.links)
        while plan.unfinished:
            if loop is not None:
                plan.bring_forward(loop)
            # A step that the loop leaves: a tie, or more blocks than a transfer may hold.
            if plan.unfinished:
                plan.record(self._plan_step(plan))
        return plan.result()

    def _plan_step(self, plan: "BandPlan") -> Rates:
        traffic, demands = plan.traffic, plan.demands()
        present, known = plan.states(plan.strength)
        if self._whole_blocks and traffic.unicast and traffic.together is None:
            holders = self.allocator.holders(demands)  # type: ignore[attr-defined]
            if holders is not None and plan.within_limits(holders):
                blocks = self._units.to_blocks(holders)
                if self.recorded is not None:
                    owned = np.arange(len(traffic.links))[:, None] == blocks
                    plan.keep(owned.astype(float), np.ones(len(owned)), present, known)
                return self.rates.of_holders(traffic.links, blocks, present, known)
        shares, level = self.allocate(demands, plan.max_units, traffic.together)
        if self.recorded is not None:
            plan.keep(shares, level, present, known)
        return self.rates.of_shares(traffic, shares, level, present, known)

    def fading(
        self, links: NDArray[np.intp], start: int, steps: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return (steps, blocks, m) the fading that is known, and that of the grid cells."""
        present = self.channel.fading(links, start, steps)
        known = present if self.known is None else self.known.fading(links, start, steps)
        return known, present

    def expected(
        self,
        traffic: ActiveTransfers,
        fading: NDArray[np.float32],
        strength: FloatArray,
        max_units: FloatArray | None,
    ) -> FloatArray:
        """bit/s/Hz (steps, units, n) on known fading, if the band were split evenly."""
        most = None if max_units is None else max_units * self.blocks / self._units.count
        return self._units.to_units(self.rates.even_split(traffic, fading, strength, most))

    def averages(self, traffic: ActiveTransfers, efficiency: FloatArray) -> FloatArray:
        """Average rates; a transfer that has just begun has that of an even split of the band."""
        fresh = np.isnan(traffic.average_rate)
        if not fresh.any():
            return traffic.average_rate
        even = self.rates.usable * self.blocks / traffic.transmissions * efficiency.mean(axis=0)
        return np.where(fresh, even, traffic.average_rate)

    def max_units(self, links: NDArray[np.intp], strength: FloatArray) -> FloatArray | None:
        """Units (m,) that each link may hold; `strength` (m,). None where none has a limit."""
        if self.limit is None:
            return None
        most = self.limit.max_blocks(links, strength)
        return None if most.min() >= self.blocks else most * self._units.count / self.blocks

    def allocate(
        self,
        demands: Demands,
        max_units: FloatArray | None,
        together: NDArray[np.intp] | None = None,
    ) -> tuple[FloatArray, FloatArray]:
        """Return shares of blocks (n, blocks), and what part of its power each may use (n,).

        The receivers of one transmission are one transfer to the allocator; all hold its shares.
        """
        if together is not None:
            sizes = np.diff(np.append(together, len(demands.bits_left)))
            shares, level = self.allocate(demands.joined(together, sizes), None)
            return np.repeat(shares, sizes, axis=0), np.repeat(level, sizes)
        if max_units is None:
            shares, level = self._shares_and_levels(demands)
        else:
            shares, level = allocate_within_limits(self._shares_and_levels, demands, max_units)
        return self._units.to_blocks(shares), level

    def _shares_and_levels(self, demands: Demands) -> tuple[FloatArray, FloatArray]:
        if self._powers is not None:
            return self._powers.shares_and_levels(demands)
        return self.allocator.shares(demands), np.ones(len(demands.bits_left))

    @cached_property
    def rates(self) -> BlockRates:
        """Rate map and power rule."""
        return BlockRates(
            rate=self.rate, power=self.power, blocks=self.blocks, usable=self.symbol_rate
        )

    @cached_property
    def _powers(self) -> PowerAllocator | None:
        return self.allocator if isinstance(self.allocator, PowerAllocator) else None

    @cached_property
    def _whole_blocks(self) -> bool:
        return isinstance(self.allocator, BlockAllocator)

    @cached_property
    def unit_bandwidth(self) -> float:
        """Hz of one unit (subband) that carry data."""
        return self.rates.usable * self.blocks / self._units.count

    @cached_property
    def _units(self) -> Subbands:
        return Subbands(self.blocks, self.subband)

    @cached_property
    def block_noise(self) -> float:
        """W of noise on one resource block."""
        return self.noise_density * self.block_bandwidth


class BandPlan:
    """The rates of one band's transfers while they are planned, one fading sample a step.

    The order of calls: `expect` once, then for every step `demands`, `states` and `record`.
    """

    def __init__(self, band: OfdmaBand, traffic: ActiveTransfers, now: float, steps: int) -> None:
        channel = band.channel
        self.band, self.traffic = band, traffic
        self.start = channel.index(now)
        """Number of the first fading sample."""
        self.gain = channel.mean_gain[traffic.links]
        """(m,) mean gains of the links."""
        self.left = traffic.bits_left
        """(n,) bits left at the beginning of the step."""
        self.planned = 0
        """Number of steps planned."""
        self.strength = np.empty(0)
        """(m,) mean SINR of a link on a block for each W, as the allocator knows it."""
        self.max_units: FloatArray | None = None
        """(m,) units that each link may hold; None without a limit."""
        self.shares = self.level = np.empty(0)
        """Shares of blocks (n, blocks) and levels of power (n,), while cells are coupled."""
        self._known, self._present = band.fading(traffic.links, self.start, steps)
        self._until = channel.step * np.arange(self.start + 1, self.start + 1 + steps, dtype=float)
        begins = np.append(now, self._until[:-1])
        self._lengths = self._until - begins
        self._keep = exp(-self._lengths / band.averaging)
        self._ages = begins[:, None] - traffic.start
        self._times_left = traffic.deadline - begins[:, None]
        self._average = traffic.average_rate
        self._efficiency = np.empty(0)
        self.samples: list[LinkSamples] = []
        self._results = np.empty((4, steps, len(traffic.first)))
        self._rate, self._averages, self._power, self._sinr = self._results

    def expect(self, noise: float | FloatArray) -> None:
        """Set noise and mean interference in W on a block, all that the allocator knows of them."""
        self.strength = self.gain / noise
        self.max_units = self.band.max_units(self.traffic.links, self.strength)
        self._efficiency = self.band.expected(
            self.traffic, self._known, self.strength, self.max_units
        )
        self._average = self.band.averages(self.traffic, self._efficiency[0])

    def within_limits(self, holders: NDArray[np.intp]) -> bool:
        """Whether no transfer holds more units than its power carries; `holders` (units,)."""
        if self.max_units is None:
            return True
        held = np.bincount(holders, minlength=len(self.max_units))
        return bool((held <= self.max_units).all())

    @property
    def unfinished(self) -> bool:
        """Whether steps are left and no transfer has ended."""
        return bool(self.planned < len(self._until) and self.left.min() > 0)

    def demands(self) -> Demands:
        """Return what the allocator sees in this step."""
        step = self.planned
        return Demands(
            bits_left=self.left,
            efficiency=self._efficiency[step].T,
            average_rate=self._average,
            weight=self.traffic.weight,
            block_bandwidth=self.band.unit_bandwidth,
            memory=float(self._keep[step]),
            age=self._ages[step],
            deadline=self._times_left[step],
            step=self.start + step,
            spreads=self.band.power.spreads,
            least_bandwidth=self.band.rates.usable * self.band.power.least_blocks,
        )

    def states(self, strength: FloatArray) -> tuple[ChannelState, ChannelState]:
        """Return the present channel at a `strength`, (m,) or (blocks, m), and the known one."""
        present, known = self._present[self.planned], self._known[self.planned]
        return ChannelState(present, strength), ChannelState(known, self.strength)

    def record(self, rates: Rates) -> None:
        """Take the rates of this step and go on to the next."""
        step = self.planned
        rate = rates[0]
        self._averages[step] = self._average
        self._rate[step], self._power[step], self._sinr[step] = rates
        self.left = self.left - rate * self._lengths[step]
        self._average = rate + self._keep[step] * (self._average - rate)
        self.planned += 1

    def keep(
        self, shares: FloatArray, level: FloatArray, present: ChannelState, known: ChannelState
    ) -> None:
        """Keep what the links have in this step, before `record`."""
        grid, rate = (self.band.rates, self.traffic, shares, level), self._rate[self.planned]
        self.samples.append(partial(link_samples, *grid, present, known, rate, self.band.recorded))

    def bring_forward(self, loop: Callable[..., int]) -> None:
        """Plan the next steps by a compiled loop, as far as it can."""
        state = np.array((self.left, self._average))
        most = np.full(len(self.left), np.inf) if self.max_units is None else self.max_units
        channel = self._efficiency, self._present, self.strength, self.traffic.weight, most
        given = *map(np.ascontiguousarray, channel), self._lengths, self._keep
        self.planned = loop(*given, state, self._results, self.planned)
        self.left, self._average = state

    def result(self) -> RatePlan:
        """Return the steps planned."""
        done = slice(self.planned)
        return RatePlan(
            until=self._until[done],
            rate=self._rate[done],
            average_rate=self._averages[done],
            time_constant=self.band.averaging,
            duty=self.band.duty,
            power=self._power[done],
            sinr_db=10 * log10(self._sinr[done]),
            samples=self.samples,
        )
