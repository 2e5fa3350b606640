"""The two directions of a cell: bands, receivers, schedulers, link adaptation, HARQ in time."""

from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Annotated, Final

import numpy as np
from annotated_types import Le

import channel_models as cm
from channel_models.units import (
    Decibel,
    Fraction,
    NonNegativeDecibel,
    PositiveSeconds,
    PositiveWatt,
    Seconds,
    Unit,
    Watt,
)
from channel_models.validation import FloatArray
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.fields import NonNegativeInt, PositiveInt
from wfl_sim.config.registry import From
from wfl_sim.radio.allocation.allocator import ALLOCATORS, Allocator
from wfl_sim.radio.allocation.channel_unaware import EqualShare
from wfl_sim.radio.allocation.opportunistic import ProportionalFair
from wfl_sim.radio.power_control import PowerControl
from wfl_sim.radio.power_reduction import Modulation, PowerReduction
from wfl_sim.radio.propagation import RATES
from wfl_sim.radio.update_loss import LOSSES, Never, UpdateLoss

_SCHEME: Final = 14
"""Its curve stands for all: 64QAM at 0.43. Others differ by tenths of a dB in width."""
_CODE_BLOCK: Final = 4000


@dataclass(frozen=True, kw_only=True)
class Harq:
    """The delay of retransmissions at the end of a transfer; rates already pay for their blocks.

    A block is sent in every slot. One that fails is sent again a round trip later. A transfer ends
    when all blocks of its last round trip are there; what failed before is sent between others. The
    last transmission succeeds. With chase combining the i-th fails as often as a first one at i
    times the SINR (`channel_models.chase_errors`).
    """

    round_trip: PositiveInt = 8
    """Slots from a block to its retransmission: k1, k2 of TS 38.214 and both ends' processing; the
    default is wfl_sim's."""
    error: Annotated[float, Unit("1", minimum=0.0, maximum=0.9, exclusive=True)] = 0.1
    """Share of first transmissions that fail: what reports aim at (TS 38.214 section 5.2.2.1)."""
    transmissions: Annotated[PositiveInt, Le(16)] = 4
    """Most transmissions of a block."""

    @cached_property
    def errors(self) -> FloatArray:
        """Chance that each transmission fails where all before it have failed."""
        from scipy.special import ndtri

        curve = cm.BlockErrors()

        def error(sinr: FloatArray) -> FloatArray:
            return np.asarray(curve.code_block_error(sinr, _SCHEME, _CODE_BLOCK))

        width = float(curve.width_db(_SCHEME, _CODE_BLOCK))
        over = width * float(ndtri(0.1) - ndtri(self.error))
        sinr = cm.db_to_linear(curve.thresholds_db[_SCHEME] + over)
        return cm.chase_errors(error, sinr, self.transmissions)

    def delay(self, airtime: float, slot: float, duty: float, rng: np.random.Generator) -> float:
        """Return the s by which a transfer ends after its last block was first sent.

        Args:
            airtime: s in which it has held some of the band.
            slot: s.
            duty: share of the slots that are of its direction.
            rng: draws failures.
        """
        blocks = max(ceil(min(airtime / slot, self.round_trip * duty) - 1e-9), 1)
        fails = rng.random((blocks, self.transmissions - 1)) < self.errors[:-1]
        repeats = np.cumprod(fails, axis=1).sum(axis=1)
        late = repeats * self.round_trip - np.arange(blocks) / duty
        return float(max(late.max(), 0.0) * slot)


CsiDelay = Annotated[float, Unit("s", minimum=0.0, maximum=10.0)]
"""Older channel state tells nothing of the present one, and its samples would be computed."""


@dataclass(frozen=True, kw_only=True)
class BandConfig:
    """What both directions have: link adaptation, channel state, protocol delays."""

    rate: Annotated[cm.RateMap, From(RATES)] = cm.ShannonGap(gap=3.0)
    csi_delay: CsiDelay = 4e-3
    """Age of the channel state that allocators and schemes know, s: a report, its processing (TS
    38.214 section 5.4) and the grant; the default is wfl_sim's."""
    csi_error: Fraction = 0.0
    """Mean square error of the fading that is known, as a share of its mean power."""
    averaging: PositiveSeconds = 0.2
    """Time constant of the average rate that fair allocators see, s."""
    subband: NonNegativeInt = 1
    """Resource blocks that are reported and allocated together; 0: all of them (wideband)."""
    access_delay: Seconds = 0.0
    """Delay from the order, or the request and its grant, to the first bit, s."""
    header: Fraction = 0.0
    """Bits of protocol headers (RLC, PDCP, IP) for each bit of payload."""
    harq: Harq | None = None
    """Delay of the last retransmissions; without it a transfer ends with its last bit."""
    outside: Watt = 0.0
    """Interference on each resource block from beyond the cells of the scenario, W."""


@dataclass(frozen=True, kw_only=True)
class UplinkConfig(BandConfig):
    """The band on which devices send.

    A device spreads its transmit power evenly over the blocks that it holds.
    """

    allocator: Annotated[Allocator, From(ALLOCATORS)] = ProportionalFair()
    noise_figure: NonNegativeDecibel = 5.0
    """Noise figure of the base station's receiver, dB."""
    overhead: Fraction = 0.08
    """Share of the resource elements that carry no data (TS 38.306: 0.08 in FR1 uplink)."""
    power_control: PowerControl | None = None
    """Power control; without it a device always sends with all its power."""
    power_reduction: PowerReduction | None = None
    """Power that high modulations cost a device; without it, it has that of its class for all."""
    block_snr: Decibel | None = None
    """Mean SNR in dB that a block must have: a device holds no more blocks than its power can carry
    at it, but at least one; without it, the one at which the rate carries the most for a power."""
    loss: Annotated[UpdateLoss, From(LOSSES)] = Never()
    """Whether whole updates are lost, after their time and energy are spent."""

    def __post_init__(self) -> None:
        _ = self.modulations

    @property
    def reduced(self) -> float:
        """Share of the power of its class that a device has with QPSK."""
        return 1.0 if self.power_reduction is None else self.power_reduction.least

    @cached_property
    def modulations(self) -> tuple[Modulation, ...]:
        """Modulations that differ in power; empty where all have the same."""
        return self.power_reduction.modulations(self.rate) if self.power_reduction else ()


@dataclass(frozen=True, kw_only=True)
class DownlinkConfig(BandConfig):
    """The band on which the cell sends, its power spread evenly over all resource blocks."""

    allocator: Annotated[Allocator, From(ALLOCATORS)] = EqualShare()
    power: PositiveWatt = 39.810717055349734
    """W over the band; 46 dBm is the macro base station of TR 38.901 calibrations."""
    noise_figure: NonNegativeDecibel = 7.0
    """Noise figure of the devices' receivers, dB."""
    overhead: Fraction = 0.14
    """Share of the resource elements that carry no data (TS 38.306: 0.14 in FR1 downlink)."""
    broadcast: bool = True
    """Whether the shared state is sent once to all, at the rate of the worst receiver."""
    rateless: bool = False
    """Whether a receiver of a broadcast ends as soon as it has received enough itself."""
    share: Fraction = 1.0
    """Share of a broadcast's receivers, best mean gain first; the others get their own."""

    def __post_init__(self) -> None:
        for key, idle in (("rateless", not self.rateless), ("share", self.share == 1.0)):
            if not (self.broadcast or idle):
                raise LocatedError("is of broadcasts, and `broadcast` is false", key)
