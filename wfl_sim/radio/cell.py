"""Description of a cell: a base station with its two bands, its channel and its backhaul."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any, Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

import channel_models as cm
from channel_models.units import (
    Decibel,
    Metres,
    PositiveBitsPerSecond,
    PositiveHertz,
    PositiveMetres,
    Seconds,
    Unit,
)
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.registry import From
from wfl_sim.radio.channel.propagation import ANTENNAS, PATHLOSSES, Antenna, ChannelConfig
from wfl_sim.radio.channel.rate_curve import best_snr, least_snr
from wfl_sim.radio.directions import BY_CARRIER, DownlinkConfig, UplinkConfig
from wfl_sim.radio.power.base_station_power import STATIONS, BaseStationPower
from wfl_sim.radio.procedures.access import Access
from wfl_sim.radio.procedures.transport import Transport
from wfl_sim.radio.traffic import Traffic, check_reserved
from wfl_sim.radio.wifi import Wifi, check_access

Direction = Literal["uplink", "downlink"]
_MOST_BLOCKS: Final = 1000
_NOISE_FIGURES: Final = {"uplink": (5.0, 7.0), "downlink": (7.0, 10.0)}
"""dB up to 7.125 GHz and above (ITU-R M.2412, at 4 and 30 GHz)."""
Capacity = Annotated[float, Unit("bit/s", minimum=1.0)]
"""Of a wired link; a slower one is none."""


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

    carrier: Annotated[float, Unit("Hz", minimum=1e6)] = 3.5e9
    standard: cm.Standard = "nr"
    """Whose widths and resource blocks: 5G NR, LTE, or NB-IoT, whose blocks are subcarriers."""
    bandwidth: PositiveHertz = BY_CARRIER
    """Of each direction; a width of TS 38.101 for the spacing. 20 MHz; in FR2 100 MHz, of NB-IoT
    180 kHz."""
    subcarrier_spacing: PositiveHertz = BY_CARRIER
    """15, 30 or 60 kHz, by default 30; in FR2 60 or 120 kHz, by default 120; of LTE 15 kHz, of
    NB-IoT 15 (the default) or 3.75 kHz."""
    ideal_blocks: int | None = None
    """Equal blocks without numerology, for ideal Hz: any bandwidth, no guard band, no prefix."""
    position: tuple[Metres, Metres] = (0.0, 0.0)
    height: PositiveMetres | None = None
    """Of the antenna, m; without it that of the path loss (TR 38.901 Table 7.2-1 and others)."""
    antenna: Annotated[Antenna, From(ANTENNAS)] = cm.Omni()
    bias: Decibel = 0.0
    """Added to the reference power where a device chooses its cell (cell range expansion), dB."""
    channel: ChannelConfig = field(default_factory=ChannelConfig)
    uplink: UplinkConfig = field(default_factory=UplinkConfig)
    downlink: DownlinkConfig = field(default_factory=DownlinkConfig)
    tdd: cm.TddPattern | None = None
    """Pattern of time-division duplex; without it each direction has a band of its own (FDD), also
    at carriers where NR has none, such as 3.5 GHz (band n78) and FR2."""
    wifi: Wifi | None = None
    """IEEE 802.11ax in place of NR: an access point on a channel of its own."""
    wired: PositiveBitsPerSecond | None = None
    """Rate of a wire that each device has to the cell, both ways, in place of any radio."""
    backhaul: BackhaulLink = field(default_factory=BackhaulLink)
    access: Access | None = None
    """Procedures before the first bit, beside `access_delay`."""
    transport: Transport | None = None
    """Handshakes and slow start of TCP or QUIC; without it all bits of a transfer may be sent."""
    traffic: tuple[Traffic, ...] = ()
    """Users beside the federation, whose transfers compete for the blocks."""
    station: Annotated[BaseStationPower, From(STATIONS)] | None = None
    """Power model of the base station; without one its energy is not computed."""

    def __post_init__(self) -> None:
        self._fill_in()
        model = self.channel.pathloss
        for key, needs in (
            ("shadowing", isinstance(self.channel.shadowing, cm.ScenarioShadowing)),
            ("fading", hasattr(self.channel.fading, "by_sight")),
        ):
            if needs and not isinstance(model, cm.Tr38901Model):
                problem = "needs a path loss of TR 38.901 (inh, uma, uma-av, ...), got "
                raise LocatedError(problem + PATHLOSSES.label(model), "channel", key)
        if self.station is not None and (wrong := self.station.problem(self.downlink.power)):
            raise LocatedError(wrong, "downlink", "power")
        if not self.cellular:
            check_access(self)
        if not 1 <= self.blocks <= _MOST_BLOCKS:
            raise LocatedError(
                f"must be from 1 to {_MOST_BLOCKS}, got {self.ideal_blocks}", "ideal_blocks"
            )
        if self.standard != "nr" and (self._equal_blocks is not None or self.wired is not None):
            raise LocatedError("is beside `ideal_blocks`, `wifi` or `wired`", "standard")
        if self.uplink.power_reduction and (self.standard != "nr" or self.carrier > cm.FR1_TOP):
            problem = "has the values of NR up to 7.125 GHz (TS 38.101-1), and no others"
            raise LocatedError(problem, "uplink", "power_reduction")
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
            if self.traffic:
                units = -(-self.blocks // (side.subband or self.blocks))
                check_reserved(self.traffic, direction, units)
            if side.overhead >= 1:
                raise LocatedError("must be below 1: nothing would be left", direction, "overhead")

    def _fill_in(self) -> None:
        """Set what was not given by the standard and the frequency range of the carrier."""
        if self.downlink.power is None:
            power = 39.810717055349734 if self.wifi is None else 0.1  # W: 46 and 20 dBm
            object.__setattr__(self, "downlink", replace(self.downlink, power=power))
        high = self.standard == "nr" and self.carrier > cm.FR1_TOP
        width, spacing = (100e6, 120e3) if high else (20e6, 30e3)
        if self.standard != "nr":
            width, spacing = 180e3 if self.standard == "nb-iot" else width, 15e3
        for key, value in (("bandwidth", width), ("subcarrier_spacing", spacing)):
            if getattr(self, key) is None:
                object.__setattr__(self, key, value)
        for direction in get_args(Direction):
            side = getattr(self, direction)
            own = {
                "overhead": cm.signalling_overhead(direction, "FR2" if high else "FR1"),
                "noise_figure": _NOISE_FIGURES[direction][high],
            }
            missing = {key: value for key, value in own.items() if getattr(side, key) is None}
            object.__setattr__(self, direction, replace(side, **missing))

    @property
    def cellular(self) -> bool:
        """Whether blocks of NR or LTE are allocated: it has neither Wi-Fi nor wires."""
        return self.wifi is None and self.wired is None

    @property
    def _equal_blocks(self) -> int | None:
        """Blocks without numerology; those of Wi-Fi only resolve the fading over its width."""
        return 8 if self.ideal_blocks is None and self.wifi is not None else self.ideal_blocks

    def duty(self, direction: Direction) -> float:
        """Share of the time in which the band serves a direction."""
        return 1.0 if self.tdd is None else self.tdd.share(direction)

    def noise(self, direction: Direction) -> float:
        """W on one resource block: thermal noise, noise figure, interference from outside."""
        return self._noises[direction]

    @cached_property
    def _noises(self) -> dict[Direction, float]:
        def noise(side: UplinkConfig | DownlinkConfig) -> float:
            thermal = cm.thermal_noise_density() * float(cm.db_to_linear(side.noise_figure))
            return float(thermal * self.block_bandwidth + side.outside)

        return {"uplink": noise(self.uplink), "downlink": noise(self.downlink)}

    def symbol_rate(self, direction: Direction) -> float:
        """Symbols/s of data on one resource block, on average over time.

        12 subcarriers over the mean symbol with its cyclic prefix, without the resource elements
        of the overhead (TS 38.306 section 4.1.2); one in each Hz and s of ideal blocks.
        """
        side = self.uplink if direction == "uplink" else self.downlink
        prefix = cm.CYCLIC_PREFIX if self._equal_blocks is None else 0.0
        share = (1 - prefix) * (1 - side.overhead) * self.duty(direction)
        return self.block_bandwidth * share

    def power_density(self, gain: ArrayLike, *, begins: bool = False) -> Any:
        """W on an uplink block that power control asks for at linear large-scale gains.

        A closed loop ends at its SINR, here without other cells, where its commands have yet to
        bring it if it `begins`.
        """
        control = self.uplink.power_control
        if control is None:
            return np.full(np.shape(gain), np.inf)[()]
        if control.closed is None or begins:
            return control.density(gain, self.block_bandwidth)
        aim = float(cm.db_to_linear(control.closed.sinr))
        return (aim * self.noise("uplink") / np.asarray(gain))[()]

    @property
    def base_height(self) -> float:
        """Height of the antenna in m: 25 m, 10 m in UMi, 35 m in RMa, 3 m in InH by default."""
        if self.height is not None:
            return self.height
        model = self.channel.pathloss
        return model.default_base_height if isinstance(model, cm.Tr38901Model) else 25.0

    @property
    def beam_gain(self) -> float:
        """Linear gain of a beam that follows its device, which devices of others do not have."""
        if self.channel.link_gains is not None:
            return 1.0
        return float(cm.db_to_linear(getattr(self.antenna, "beam_gain_db", 0.0)))

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
        reached = self.available(power) * gain / self.noise("uplink") / self.block_snr
        return int(min(max(reached * (1 + 1e-12), 1.0), self.blocks))

    def sent(self, gain: float, power: float) -> float:
        """W that a device of `power` W radiates alone on the band, at a linear gain."""
        density = float(self.power_density(gain))
        return min(self.available(power), self.held_blocks(gain, power) * density)

    def available(self, power: float) -> float:
        """W that a device of `power` W can radiate with QPSK."""
        return power * self.uplink.reduced

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

    @cached_property
    def blocks(self) -> int:
        """Number of resource blocks of the standard, or of ideal ones."""
        if self._equal_blocks is not None:
            return self._equal_blocks
        width = self.bandwidth, self.subcarrier_spacing, self.carrier
        return cm.resource_blocks(*width, self.standard)


def only_wired(cells: Sequence[CellConfig]) -> bool:
    """Return whether there is one cell and it is wired: no link has a large-scale gain then."""
    return len(cells) == 1 and cells[0].wired is not None
