"""A group of alike devices, as a scenario describes it."""

from dataclasses import dataclass, field
from typing import Annotated

from channel_models.units import MetresPerSecond, PositiveMetres, PositiveWatt, Watt
from wfl_sim.config.fields import PositiveInt, Shorthand
from wfl_sim.config.registry import From
from wfl_sim.device_models import ComputeConfig, Hardware, HardwareReference
from wfl_sim.device_models.availability import AVAILABILITIES, Always, Availability
from wfl_sim.device_models.battery import Battery
from wfl_sim.device_models.mobility import Static
from wfl_sim.device_models.mobility.track import MOBILITIES, Mobility
from wfl_sim.device_models.radio_power import ModemPower
from wfl_sim.radio.areas import AREAS, Area, Ring


@dataclass(frozen=True, kw_only=True)
class DeviceGroup:
    """A group of alike devices."""

    count: PositiveInt
    hardware: Annotated[Hardware, HardwareReference()]
    power: PositiveWatt = 0.19952623149688797
    """transmit power; 23 dBm is power class 3 of TS 38.101"""
    area: Annotated[Area, From(AREAS, default="ring")] = field(default_factory=Ring)
    height: PositiveMetres = 1.5
    speed: MetresPerSecond = 3 / 3.6
    """sets the Doppler shift, unless the mobility has a speed of its own"""
    mobility: Annotated[Mobility, From(MOBILITIES)] = field(default_factory=Static)
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    modem: Annotated[ModemPower, Shorthand("unit")] | None = None
    """states of TR 38.840, in place of the hardware's powers of sending and receiving"""
    battery: Annotated[Battery, Shorthand("capacity")] | None = None
    """such as `20 Wh`, or a mapping; without one the devices are on the mains"""
    availability: Annotated[Availability, From(AVAILABILITIES)] = field(default_factory=Always)
    away_power: Watt | None = None
    """drawn while a device cannot be reached; the idle power of its hardware unless given"""
    rank: PositiveInt | None = None
    """of the LoRA that a method lets differ by device; that of the method unless given"""

    @property
    def moves(self) -> bool:
        """Whether they change their places."""
        return self.mobility.moves

    @property
    def pace(self) -> float:
        """m/s, for the Doppler shift."""
        own = self.mobility.pace
        return self.speed if own is None else own
