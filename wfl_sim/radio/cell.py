"""Description of a cell: a base station with its two bands, its channel and its backhaul."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike

import channel_models as cm
from channel_models.units import (
    Decibel,
    Fraction,
    Metres,
    NonNegativeDecibel,
    PositiveBitsPerSecond,
    PositiveHertz,
    PositiveMetres,
    PositiveSeconds,
    PositiveWatt,
    Seconds,
    Unit,
    Watt,
)
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.fields import NonNegativeInt
from wfl_sim.config.registry import From
from wfl_sim.radio.access import Access
from wfl_sim.radio.allocation.allocator import ALLOCATORS, Allocator
from wfl_sim.radio.allocation.channel_unaware import EqualShare
from wfl_sim.radio.allocation.opportunistic import ProportionalFair
from wfl_sim.radio.base_station_power import STATIONS, BaseStationPower
from wfl_sim.radio.fading_average import best_snr, least_snr
from wfl_sim.radio.power_control import PowerControl
from wfl_sim.radio.propagation import ANTENNAS, RATES, Antenna, ChannelConfig
from wfl_sim.radio.traffic import Traffic, check_reserved
from wfl_sim.radio.update_loss import LOSSES, Never, UpdateLoss
from wfl_sim.radio.wifi import Wifi, check_access

Direction = Literal["uplink", "downlink"]


CsiDelay = Annotated[float, Unit("s", minimum=0.0, maximum=10.0)]
"""Older channel state tells nothing of the present one, and its samples would be computed."""
_MOST_BLOCKS: Final = 1000
Capacity = Annotated[float, Unit("bit/s", minimum=1.0)]
"""Of a wired link; a slower one is none."""


@dataclass(frozen=True, kw_only=True)
class UplinkConfig:
    """The band on which devices send.

    A device spreads its transmit power evenly over the blocks that it holds.
    """

    allocator: Annotated[Allocator, From(ALLOCATORS)] = field(default_factory=ProportionalFair)
    rate: Annotated[cm.RateMap, From(RATES)] = field(default_factory=lambda: cm.ShannonGap(gap=3.0))
    noise_figure: NonNegativeDecibel = 5.0
    """Noise figure of the base station's receiver, dB."""
    overhead: Fraction = 0.08
    """Share of the resource elements that carry no data (TS 38.306: 0.08 in FR1 uplink)."""
    csi_delay: CsiDelay = 4e-3
    """Age of the channel state that allocators and schemes know, s: a report, its processing (TS
    38.214 section 5.4) and the grant; the default is wfl_sim's."""
    csi_error: Fraction = 0.0
    """Mean square error of the fading that is known, as a share of its mean power."""
    averaging: PositiveSeconds = 0.2
    """Time constant of the average rate that fair allocators see, s."""
    subband: NonNegativeInt = 1
    """Resource blocks that are reported and allocated together; 0: all of them (wideband)."""
    power_control: PowerControl | None = None
    """Open-loop power control; without it a device always sends with all its power."""
    block_snr: Decibel | None = None
    """Mean SNR in dB that a block must have: a device holds no more blocks than its power can carry
    at it, but at least one; without it, the one at which the rate carries the most for a power."""
    access_delay: Seconds = 0.0
    """Delay from the request to the first bit (scheduling request and grant), s."""
    header: Fraction = 0.0
    """Bits of protocol headers (RLC, PDCP, IP) for each bit of payload."""
    outside: Watt = 0.0
    """Interference on each resource block from beyond the cells of the scenario, W."""
    loss: Annotated[UpdateLoss, From(LOSSES)] = field(default_factory=Never)
    """Whether whole updates are lost, after their time and energy are spent."""


@dataclass(frozen=True, kw_only=True)
class DownlinkConfig:
    """The band on which the cell sends, its power spread evenly over all resource blocks."""

    allocator: Annotated[Allocator, From(ALLOCATORS)] = field(default_factory=EqualShare)
    rate: Annotated[cm.RateMap, From(RATES)] = field(default_factory=lambda: cm.ShannonGap(gap=3.0))
    power: PositiveWatt = 39.810717055349734
    """W over the band; 46 dBm is the macro base station of TR 38.901 calibrations."""
    noise_figure: NonNegativeDecibel = 7.0
    """Noise figure of the devices' receivers, dB."""
    overhead: Fraction = 0.14
    """Share of the resource elements that carry no data (TS 38.306: 0.14 in FR1 downlink)."""
    csi_delay: CsiDelay = 4e-3
    """Age of the channel state that allocators and schemes know, s: a report, its processing (TS
    38.214 section 5.4) and the grant; the default is wfl_sim's."""
    csi_error: Fraction = 0.0
    """Mean square error of the fading that is known, as a share of its mean power."""
    averaging: PositiveSeconds = 0.2
    """Time constant of the average rate that fair allocators see, s."""
    outside: Watt = 0.0
    """Interference on each resource block from beyond the cells of the scenario, W."""
    broadcast: bool = True
    """Whether the shared state is sent once to all, at the rate of the worst receiver."""
    rateless: bool = False
    """Whether a receiver of a broadcast ends as soon as it has received enough itself."""
    share: Fraction = 1.0
    """Share of a broadcast's receivers, best mean gain first; the others get their own."""
    subband: NonNegativeInt = 1
    """Resource blocks that are reported and allocated together; 0: all of them (wideband)."""
    access_delay: Seconds = 0.0
    """Delay from the order to the first bit, s."""
    header: Fraction = 0.0
    """Bits of protocol headers (RLC, PDCP, IP) for each bit of payload."""

    def __post_init__(self) -> None:
        for key, idle in (("rateless", not self.rateless), ("share", self.share == 1.0)):
            if not (self.broadcast or idle):
                raise LocatedError("is of broadcasts, and `broadcast` is false", key)


@dataclass(frozen=True, kw_only=True)
class BackhaulLink:
    """The wired link between a cell and the server, full duplex; transfers share it equally."""

    latency: Seconds = 2e-3
    capacity: Capacity = 1e9


@dataclass(frozen=True, kw_only=True)
class CellConfig:
    """A base station with an uplink and a downlink band of the same width.

    With `tdd` both directions share one band in time, with the same fading.
    """

    carrier: PositiveHertz = 3.5e9
    standard: cm.Standard = "nr"
    """Whose widths and resource blocks: 5G NR, LTE, or NB-IoT, whose blocks are subcarriers."""
    bandwidth: PositiveHertz = 20e6
    subcarrier_spacing: PositiveHertz = 30e3
    ideal_blocks: int | None = None
    """Equal blocks without numerology, for ideal Hz: any bandwidth, no guard band, no prefix."""
    position: tuple[Metres, Metres] = (0.0, 0.0)
    height: PositiveMetres | None = None
    """Of the antenna, m; without it that of the path loss (TR 38.901 Table 7.2-1 and others)."""
    antenna: Annotated[Antenna, From(ANTENNAS)] = field(default_factory=cm.Omni)
    bias: Decibel = 0.0
    """Added to the reference power where a device chooses its cell (cell range expansion), dB."""
    channel: ChannelConfig = field(default_factory=ChannelConfig)
    uplink: UplinkConfig = field(default_factory=UplinkConfig)
    downlink: DownlinkConfig = field(default_factory=DownlinkConfig)
    tdd: cm.TddPattern | None = None
    """Pattern of time-division duplex; without it each direction has a band of its own (FDD)."""
    wifi: Wifi | None = None
    """IEEE 802.11ax in place of NR: an access point on a channel of its own."""
    wired: PositiveBitsPerSecond | None = None
    """Rate of a wire that each device has to the cell, both ways, in place of any radio."""
    backhaul: BackhaulLink = field(default_factory=BackhaulLink)
    access: Access | None = None
    """Procedures before the first bit, beside `access_delay`."""
    traffic: tuple[Traffic, ...] = ()
    """Users beside the federation, whose transfers compete for the blocks."""
    station: Annotated[BaseStationPower, From(STATIONS)] | None = None
    """Power model of the base station; without one its energy is not computed."""

    def __post_init__(self) -> None:
        model = self.channel.pathloss
        for key, needs in (
            ("shadowing", isinstance(self.channel.shadowing, cm.ScenarioShadowing)),
            ("fading", hasattr(self.channel.fading, "by_sight")),
        ):
            if needs and not isinstance(model, cm.Tr38901Model):
                problem = "needs a path loss of TR 38.901 (uma, umi, rma, inh), got "
                raise LocatedError(problem + type(model).__name__, "channel", key)
        if self.station is not None and (wrong := self.station.problem(self.downlink.power)):
            raise LocatedError(wrong, "downlink", "power")
        if self.wifi is not None or self.wired is not None:
            check_access(self)
        if not 1 <= self.blocks <= _MOST_BLOCKS:
            raise LocatedError(
                f"must be from 1 to {_MOST_BLOCKS}, got {self.ideal_blocks}", "ideal_blocks"
            )
        if self.standard != "nr" and (self._equal_blocks is not None or self.wired is not None):
            raise LocatedError("is beside `ideal_blocks`, `wifi` or `wired`", "standard")
        for direction in ("uplink", "downlink"):
            if not self.duty(direction):
                raise LocatedError(f"leaves no symbol for the {direction}", "tdd", "pattern")
            side = self.uplink if direction == "uplink" else self.downlink
            if side.subband > self.blocks:
                raise LocatedError(
                    f"must be at most the {self.blocks} resource blocks of the band (0 for all), "
                    f"got {side.subband}",
                    direction,
                    "subband",
                )
            units = -(-self.blocks // (side.subband or self.blocks))
            check_reserved(self.traffic, direction, units)
            if side.overhead >= 1:
                raise LocatedError("must be below 1: nothing would be left", direction, "overhead")

    @property
    def _equal_blocks(self) -> int | None:
        """Blocks without numerology; those of Wi-Fi only resolve the fading over its width."""
        return 8 if self.ideal_blocks is None and self.wifi is not None else self.ideal_blocks

    def duty(self, direction: Direction) -> float:
        """Share of the time in which the band serves a direction."""
        return 1.0 if self.tdd is None else self.tdd.share(direction)

    def noise(self, direction: Direction) -> float:
        """W on one resource block: thermal noise, noise figure, interference from outside."""
        side = self.uplink if direction == "uplink" else self.downlink
        thermal = cm.thermal_noise_density() * float(cm.db_to_linear(side.noise_figure))
        return float(thermal * self.block_bandwidth + side.outside)

    def symbol_rate(self, direction: Direction) -> float:
        """Symbols/s of data on one resource block, on average over time.

        12 subcarriers over the mean symbol with its cyclic prefix, without the resource elements
        of the overhead (TS 38.306 section 4.1.2); one in each Hz and s of ideal blocks.
        """
        side = self.uplink if direction == "uplink" else self.downlink
        prefix = cm.CYCLIC_PREFIX if self._equal_blocks is None else 0.0
        share = (1 - prefix) * (1 - side.overhead) * self.duty(direction)
        return self.block_bandwidth * share

    def power_density(self, gain: ArrayLike) -> Any:
        """W on an uplink block that power control allows at linear large-scale gains."""
        if self.uplink.power_control is None:
            return np.full(np.shape(gain), np.inf)[()]
        return self.uplink.power_control.density(gain, self.block_bandwidth)

    @property
    def base_height(self) -> float:
        """Height of the antenna in m: 25 m, 10 m in UMi, 35 m in RMa, 3 m in InH by default."""
        if self.height is not None:
            return self.height
        model = self.channel.pathloss
        return model.default_base_height if isinstance(model, cm.Tr38901Model) else 25.0

    @property
    def block_bandwidth(self) -> float:
        """Hz of one resource block."""
        if self._equal_blocks is not None:
            return self.bandwidth / self._equal_blocks
        return cm.resource_block_bandwidth(self.subcarrier_spacing, self.standard)

    def held_blocks(self, gain: float, power: float) -> int:
        """Uplink blocks that a device of `power` W holds alone on the band, by power headroom."""
        if not self.block_snr:
            return self.blocks
        reached = power * gain / self.noise("uplink") / self.block_snr
        return int(min(max(reached * (1 + 1e-12), 1.0), self.blocks))

    def sent(self, gain: float, power: float) -> float:
        """W that a device of `power` W radiates alone on the band, at a linear gain."""
        return min(power, self.held_blocks(gain, power) * float(self.power_density(gain)))

    @cached_property
    def block_snr(self) -> float:
        """Linear mean SNR that an uplink block must have; 0 where more blocks never carry less."""
        if self.uplink.block_snr is not None:
            return float(cm.db_to_linear(self.uplink.block_snr))
        return best_snr(self.uplink.rate, self.fadings[0])

    @cached_property
    def fadings(self) -> tuple[cm.Fading, cm.Fading]:
        """Fading without and with line of sight; what is planned by a mean follows the first."""
        fading, model = self.channel.fading, self.channel.pathloss
        by_sight = getattr(fading, "by_sight", None)
        return (fading, fading) if by_sight is None else by_sight(model, self.carrier)

    @cached_property
    def least_snr(self) -> dict[Direction, float]:
        """Linear mean SNR by direction below which a block carries nothing."""
        fading = self.fadings[0]
        up, down = least_snr(self.uplink.rate, fading), least_snr(self.downlink.rate, fading)
        return {"uplink": up, "downlink": down}

    @property
    def reference_power(self) -> float:
        """W on one resource element of the downlink."""
        return self.downlink.power / ((1 if self.standard == "nb-iot" else 12) * self.blocks)

    @property
    def blocks(self) -> int:
        """Number of resource blocks of the standard, or of ideal ones."""
        if self._equal_blocks is not None:
            return self._equal_blocks
        width = self.bandwidth, self.subcarrier_spacing, self.carrier
        return cm.resource_blocks(*width, self.standard)
