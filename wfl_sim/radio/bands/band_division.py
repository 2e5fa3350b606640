"""One direction of a cell's carrier: how its resource blocks are divided, and known."""

from abc import ABC
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

import channel_models as cm
from channel_models.validation import FloatArray
from wfl_sim.config.answers import AnswerError
from wfl_sim.radio.allocation.allocator import (
    Allocator,
    BlockAllocator,
    Demands,
    PowerAllocator,
    SenderFacts,
    broken_rule,
    unknown_senders,
)
from wfl_sim.radio.allocation.channel_unaware import keeps_shares
from wfl_sim.radio.bands.block_groups import (
    BlockLimit,
    Slice,
    Subbands,
    allocate_within_limits,
    parts,
)
from wfl_sim.radio.bands.block_rates import BlockRates
from wfl_sim.radio.bands.medium import ActiveTransfers
from wfl_sim.radio.channel.propagation import TransportRate
from wfl_sim.radio.channel.sampled_channel import SampledChannel
from wfl_sim.radio.power.power_control import Modulation
from wfl_sim.radio.power.transmit_power import PowerRule


@dataclass(frozen=True, kw_only=True)
class BandDivision(ABC):
    """One direction of one cell's carrier, without the planning of rates."""

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
    fading: cm.Fading = field(default_factory=cm.Static)
    """The law by which rates are averaged for those who plan with means."""
    beam: float = 1.0
    """Linear gain of a beam that follows its device, in the mean gains of all links: those of
    devices that other cells serve do not have it."""
    place: tuple[str, str] = ("", "uplink")
    """Cell and direction."""
    senders: SenderFacts = unknown_senders
    """What is known of devices beside their links."""
    slices: Sequence[Slice] = ()
    """Links with units of their own."""
    modulations: tuple[Modulation, ...] = ()
    """Modulations that differ in power; empty where all have the same."""

    def samples(
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
        most = None if max_units is None else max_units * self.blocks / self.units.count
        return self.units.to_units(self.rates.even_split(traffic, fading, strength, most))

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
        return None if most.min() >= self.blocks else most * self.units.count / self.blocks

    def allocate(
        self,
        demands: Demands,
        max_units: FloatArray | None,
        traffic: ActiveTransfers,
    ) -> tuple[FloatArray, FloatArray]:
        """Return shares of blocks (n, blocks), and what part of its power each may use.

        That is (n,), or of each block (n, blocks). The receivers of one transmission are one
        transfer to the allocator; all hold its shares. A slice is allocated apart.
        """
        if not self.slices:
            shares, level = self._in_units(demands, max_units, traffic.together)
        else:
            shares, level = np.zeros(demands.efficiency.shape), np.ones(len(demands.bits_left))
            for which, places, together in parts(self.slices, traffic, self.units.count):
                limits = None if max_units is None else max_units[which]
                mine, part = self._in_units(demands.some(which, places), limits, together)
                shares[np.ix_(which, places)] = mine
                if part.ndim == 1:
                    level[which] = part
                else:
                    # The power of a downlink is over the whole band: a slice has its blocks' part.
                    scale = 1.0 if self.power.spreads else len(places) / self.units.count
                    level = level if level.ndim == 2 else np.zeros(shares.shape)
                    level[np.ix_(which, places)] = part * scale
        if level.ndim == 2:
            level = self.units.each_block(level)
        return self.units.to_blocks(shares), level

    def _in_units(
        self, demands: Demands, max_units: FloatArray | None, together: NDArray[np.intp] | None
    ) -> tuple[FloatArray, FloatArray]:
        if together is not None:
            sizes = np.diff(np.append(together, len(demands.bits_left)))
            shares, level = self._in_units(demands.joined(together, sizes), None, None)
            return np.repeat(shares, sizes, axis=0), np.repeat(level, sizes, axis=0)
        if max_units is None:
            return self._shares_and_levels(demands)
        return allocate_within_limits(self._shares_and_levels, demands, max_units)

    def _shares_and_levels(self, demands: Demands) -> tuple[FloatArray, FloatArray]:
        if self._powers is not None:
            shares, levels = self._powers.shares_and_levels(demands)
        else:
            shares, levels = self.allocator.shares(demands), np.ones(len(demands.bits_left))
        if not self._built_in and (broken := broken_rule(shares, levels, demands)):
            cell, direction = self.place
            raise AnswerError(self.allocator, f"on the {direction} of {cell}: {broken}")
        return np.asarray(shares), np.asarray(levels)

    @cached_property
    def keeps_shares(self) -> bool:
        """Whether shares hold until a transfer begins or ends, and rates need nothing else."""
        plain = not self.modulations and self.recorded is None
        shannon = not isinstance(self.rate, TransportRate)
        return plain and shannon and keeps_shares(self.allocator)

    @cached_property
    def _built_in(self) -> bool:
        both = self.allocator, getattr(self.allocator, "blocks", self.allocator)
        return all(type(each).__module__.startswith("wfl_sim.") for each in both)

    @cached_property
    def rates(self) -> BlockRates:
        """Rate map and power rule."""
        return BlockRates(
            rate=self.rate,
            power=self.power,
            blocks=self.blocks,
            usable=self.symbol_rate,
            modulations=self.modulations,
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
        return self.rates.usable * self.blocks / self.units.count

    @cached_property
    def units(self) -> Subbands:
        """Blocks that are allocated together."""
        return Subbands(self.blocks, self.subband)

    @cached_property
    def block_noise(self) -> float:
        """W of noise on one resource block."""
        return self.noise_density * self.block_bandwidth
