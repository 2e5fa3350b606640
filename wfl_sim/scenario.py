"""The scenario: everything that decides a run, as frozen dataclasses. The schema is this code."""

import re
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike

import channel_models as cm
import wfl_sim.kinds  # noqa: F401  (registers the built-in kinds)
from channel_models.units import (
    Fraction,
    Metres,
    MetresPerSecond,
    NonNegativeDecibel,
    NonNegativeMetres,
    PositiveBitsPerSecond,
    PositiveHertz,
    PositiveMetres,
    PositiveSeconds,
    PositiveWatt,
    Seconds,
    Watt,
)
from wfl_sim.availability import Always
from wfl_sim.battery import Battery
from wfl_sim.carbon import Carbon
from wfl_sim.compute import Computing, Hardware, HardwareReference
from wfl_sim.coverage import check_coverage
from wfl_sim.infrastructure import Station
from wfl_sim.modem import Modem
from wfl_sim.payload import Float32
from wfl_sim.protocols import (
    ALLOCATORS,
    AVAILABILITIES,
    CODECS,
    DATA,
    FADINGS,
    LOSSES,
    METHODS,
    MODELS,
    PATHLOSSES,
    RATES,
    ROUNDS,
    SHADOWINGS,
    STATIONS,
    Allocator,
    Availability,
    Codec,
    Data,
    Loss,
    Method,
    Rounds,
)
from wfl_sim.radio.allocation import EqualShare, ProportionalFair
from wfl_sim.radio.direction import Direction
from wfl_sim.radio.loss import Never
from wfl_sim.registry import From, LocatedError
from wfl_sim.shorthand import Shorthand

STRICT = {"extra": "forbid"}


@dataclass(frozen=True, kw_only=True)
class Channel:
    """Propagation between a cell and its devices.

    The large-scale gain (path loss and shadowing) is common to both directions; small-scale
    fading is independent for each, as with frequency-division duplex.
    """

    __pydantic_config__ = STRICT

    pathloss: Annotated[cm.PathLoss, From(PATHLOSSES)] = field(default_factory=cm.UMa)
    shadowing: Annotated[cm.Shadowing, From(SHADOWINGS, default="log-normal")] = field(
        default_factory=lambda: cm.LogNormal(sigma=6.0)
    )
    fading: Annotated[cm.Fading, From(FADINGS)] = field(default_factory=cm.Rayleigh)


@dataclass(frozen=True, kw_only=True)
class PowerControl:
    """Open-loop fractional power control of TS 38.213 section 7.1.1.

    ``P = min(P_max, P0 + 10 log10(2^mu M) + alpha PL)`` in dBm for M resource blocks at numerology
    mu, with PL the path loss and shadowing in dB.
    """

    __pydantic_config__ = STRICT

    target: PositiveWatt = 1e-11
    """P0 for a resource block of 180 kHz; the default, -80 dBm, is wfl_sim's"""
    alpha: Fraction = 0.8

    def density(self, gain: ArrayLike, numerology: int) -> Any:
        """W on one resource block, at linear large-scale gains."""
        return self.target * 2**numerology * np.asarray(gain, dtype=float) ** -self.alpha


@dataclass(frozen=True, kw_only=True)
class Uplink:
    """The band on which devices send.

    A device spreads its transmit power evenly over the blocks that it holds.
    """

    __pydantic_config__ = STRICT

    allocator: Annotated[Allocator, From(ALLOCATORS)] = field(default_factory=ProportionalFair)
    rate: Annotated[cm.RateMap, From(RATES)] = field(default_factory=lambda: cm.ShannonGap(gap=3.0))
    noise_figure: NonNegativeDecibel = 5.0
    """of the base station's receiver"""
    overhead: Fraction = 0.08
    """share of the resource elements that carry no data (TS 38.306: 0.08 in FR1 uplink)"""
    csi_delay: Seconds = 0.0
    """age of the channel state that the allocator sees, beyond half a sampling step"""
    averaging: PositiveSeconds = 0.2
    """time constant of the average rate that fair allocators see"""
    subband: int = 1
    """resource blocks that are known and given together; 0: all of them (wideband)"""
    power_control: PowerControl | None = None
    """without it a device always sends with all its power"""
    access_delay: Seconds = 0.0
    """from the request to the first bit: scheduling request and grant"""
    header: Fraction = 0.0
    """bits of protocol headers (RLC, PDCP, IP) for each bit of payload"""
    loss: Annotated[Loss, From(LOSSES)] = field(default_factory=Never)
    """whether whole updates are lost, after the time and the energy are spent"""

    def __post_init__(self) -> None:
        _check_subband(self.subband)


@dataclass(frozen=True, kw_only=True)
class Downlink:
    """The band on which the cell sends, its power spread evenly over all resource blocks."""

    __pydantic_config__ = STRICT

    allocator: Annotated[Allocator, From(ALLOCATORS)] = field(default_factory=EqualShare)
    rate: Annotated[cm.RateMap, From(RATES)] = field(default_factory=lambda: cm.ShannonGap(gap=3.0))
    power: PositiveWatt = 39.810717055349734
    """46 dBm, the macro base station of TR 38.901 calibrations"""
    noise_figure: NonNegativeDecibel = 7.0
    """of the devices' receivers"""
    overhead: Fraction = 0.14
    """share of the resource elements that carry no data (TS 38.306: 0.14 in FR1 downlink)"""
    csi_delay: Seconds = 0.0
    """age of the channel state that the allocator sees, beyond half a sampling step"""
    averaging: PositiveSeconds = 0.2
    """time constant of the average rate that fair allocators see"""
    broadcast: bool = True
    """send the shared state once to all, at the rate of the worst receiver, or to each apart"""
    subband: int = 1
    """resource blocks that are known and given together; 0: all of them (wideband)"""
    access_delay: Seconds = 0.0
    """from the order to the first bit"""
    header: Fraction = 0.0
    """bits of protocol headers (RLC, PDCP, IP) for each bit of payload"""

    def __post_init__(self) -> None:
        _check_subband(self.subband)


def _check_subband(blocks: int) -> None:
    if blocks < 0:
        raise LocatedError(f"must not be negative, got {blocks}", "subband")


@dataclass(frozen=True, kw_only=True)
class Backhaul:
    """The wire between a cell and the server, full duplex, shared equally by what is under way."""

    __pydantic_config__ = STRICT

    latency: Seconds = 2e-3
    capacity: PositiveBitsPerSecond = 1e9


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A base station with an uplink and a downlink band of the same width.

    With `tdd` both directions take turns on one band, and its fading is the same for both.
    """

    __pydantic_config__ = STRICT

    carrier: PositiveHertz = 3.5e9
    bandwidth: PositiveHertz = 20e6
    subcarrier_spacing: PositiveHertz = 30e3
    position: tuple[Metres, Metres] = (0.0, 0.0)
    height: PositiveMetres = 25.0
    channel: Channel = field(default_factory=Channel)
    uplink: Uplink = field(default_factory=Uplink)
    downlink: Downlink = field(default_factory=Downlink)
    tdd: cm.TddPattern | None = None
    """pattern of time-division duplex; without it each direction has a band of its own (FDD)"""
    backhaul: Backhaul = field(default_factory=Backhaul)
    station: Annotated[Station, From(STATIONS)] | None = None
    """what the base station draws; without one its energy is not reckoned"""

    def __post_init__(self) -> None:
        if self.station is not None and (problem := self.station.problem(self.downlink.power)):
            raise LocatedError(problem, "downlink", "power")
        cm.resource_blocks(self.bandwidth, self.subcarrier_spacing, self.carrier)
        for direction in ("uplink", "downlink"):
            if not self.duty(direction):
                raise LocatedError(f"leaves no symbol for the {direction}", "tdd", "pattern")

    def duty(self, direction: Direction) -> float:
        """Share of the time in which the band serves a direction."""
        return 1.0 if self.tdd is None else self.tdd.share(direction)

    @property
    def blocks(self) -> int:
        """Number of resource blocks (TS 38.101, table 5.3.2-1)."""
        return cm.resource_blocks(self.bandwidth, self.subcarrier_spacing, self.carrier)


@dataclass(frozen=True, kw_only=True)
class Area:
    """A ring in which devices are dropped uniformly."""

    __pydantic_config__ = STRICT

    radius: PositiveMetres = 250.0
    min_distance: NonNegativeMetres = 35.0
    """no device is nearer to the centre (35 m: the least distance of TR 38.901 UMa drops)"""
    centre: tuple[Metres, Metres] = (0.0, 0.0)

    def __post_init__(self) -> None:
        if self.min_distance >= self.radius:
            raise LocatedError(
                f"must be smaller than radius {self.radius:g} m, got {self.min_distance:g} m",
                "min_distance",
            )


@dataclass(frozen=True, kw_only=True)
class Devices:
    """A group of alike devices. Positions stay where they were dropped; speed sets the Doppler."""

    __pydantic_config__ = STRICT

    count: int
    hardware: Annotated[Hardware, HardwareReference()]
    power: PositiveWatt = 0.19952623149688797
    """transmit power; 23 dBm is power class 3 of TS 38.101"""
    area: Area = field(default_factory=Area)
    height: PositiveMetres = 1.5
    speed: MetresPerSecond = 3 / 3.6
    compute: Computing = field(default_factory=Computing)
    modem: Annotated[Modem, Shorthand("unit")] | None = None
    """states of TR 38.840, in place of the hardware's powers of sending and receiving"""
    battery: Annotated[Battery, Shorthand("capacity")] | None = None
    """such as `20 Wh`, or a mapping; without one the devices are on the mains"""
    availability: Annotated[Availability, From(AVAILABILITIES)] = field(default_factory=Always)
    away_power: Watt | None = None
    """drawn while a device cannot be reached; the idle power of its hardware unless given"""

    def __post_init__(self) -> None:
        if self.count < 1:
            raise LocatedError(f"must be at least 1, got {self.count}", "count")


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where uploads are aggregated. Its energy is not in the ledger of the devices."""

    __pydantic_config__ = STRICT

    hardware: Annotated[Hardware, HardwareReference()] = field(
        default_factory=lambda: HardwareReference().resolve("edge-server")
    )


@dataclass(frozen=True, kw_only=True)
class Payload:
    """How states are encoded on the air."""

    __pydantic_config__ = STRICT

    upload: Annotated[Codec, From(CODECS)] = field(default_factory=Float32)
    download: Annotated[Codec, From(CODECS)] = field(default_factory=Float32)

    def __post_init__(self) -> None:
        if getattr(self.download, "relative", False):
            raise LocatedError(
                "must encode states: a device that has missed a round cannot add up updates",
                "download",
            )


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """When and on how much the models are judged. It costs no simulated time: it is measurement."""

    __pydantic_config__ = STRICT

    every: int = 1
    """rounds between evaluations; the start and the last round are always evaluated"""
    global_examples: int = 256
    """at most so many of the pooled held-out examples; 0 skips the global scope"""
    personal_examples: int = 64
    """at most so many of each device's held-out examples"""

    def __post_init__(self) -> None:
        for name, least in (("every", 1), ("global_examples", 0), ("personal_examples", 1)):
            if getattr(self, name) < least:
                raise LocatedError(f"must be at least {least}, got {getattr(self, name)}", name)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One run, complete."""

    __pydantic_config__ = STRICT

    name: str
    label: str = ""
    """the variant of a sweep; figures group runs by it"""
    seed: int = 0
    model: Annotated[Any, From(MODELS, default="pretrained")]
    data: Annotated[Data, From(DATA)] | None = None
    method: Annotated[Method, From(METHODS)]
    payload: Payload = field(default_factory=Payload)
    rounds: Annotated[Rounds, From(ROUNDS)]
    evaluation: Evaluation = field(default_factory=Evaluation)
    cells: tuple[Cell, ...] = field(default_factory=lambda: (Cell(),))
    devices: tuple[Devices, ...]
    server: Server = field(default_factory=Server)
    carbon: Annotated[Carbon, Shorthand("path")] | None = None
    """of the grid that the devices are fed from"""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\w[\w.+-]*", self.name):
            raise LocatedError(f"must be a word fit for a folder, got {self.name!r}", "name")
        if self.seed < 0:
            raise LocatedError(f"must not be negative, got {self.seed}", "seed")
        if not self.cells:
            raise LocatedError("at least one cell is needed", "cells")
        if not self.devices:
            raise LocatedError("at least one group of devices is needed", "devices")
        if self.data is None and MODELS.name_of(self.model) != "synthetic":
            raise LocatedError("is missing: a pretrained model learns from data", "data")
        self.rounds.check(self.device_count)
        check_coverage(self)

    @property
    def device_count(self) -> int:
        """Number of devices in all groups."""
        return sum(group.count for group in self.devices)
