"""Description of the two directions of a cell: bands, receivers, schedulers and link adaptation."""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Final

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
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.fields import NonNegativeInt
from wfl_sim.config.registry import From
from wfl_sim.radio.allocation.allocator import ALLOCATORS, Allocator
from wfl_sim.radio.allocation.channel_unaware import EqualShare
from wfl_sim.radio.allocation.opportunistic import ProportionalFair
from wfl_sim.radio.channel.propagation import RATES
from wfl_sim.radio.power.power_control import Modulation, PowerControl, PowerReduction
from wfl_sim.radio.procedures.harq import Harq
from wfl_sim.radio.procedures.update_loss import LOSSES, Never, UpdateLoss

BY_CARRIER: Final[Any] = None
"""Default of a key that `CellConfig` fills in."""
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
    noise_figure: NonNegativeDecibel = BY_CARRIER
    """Noise figure of the base station's receiver: 5 dB, in FR2 7 dB (ITU-R M.2412)."""
    overhead: Fraction = BY_CARRIER
    """Share of the resource elements that carry no data: 0.08, in FR2 0.10 (TS 38.306)."""
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
    power: PositiveWatt = BY_CARRIER
    """W over the band: 46 dBm, the macro base station of LTE on 10 and 20 MHz (TR 36.942);
    of Wi-Fi 20 dBm, the limit of ETSI EN 300 328 at 2.4 GHz."""
    noise_figure: NonNegativeDecibel = BY_CARRIER
    """Noise figure of the devices' receivers: 7 dB, in FR2 10 dB (ITU-R M.2412)."""
    overhead: Fraction = BY_CARRIER
    """Share of the resource elements that carry no data: 0.14, in FR2 0.18 (TS 38.306)."""
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
