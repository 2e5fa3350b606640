"""Groups of devices, as a scenario describes them."""

from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from annotated_types import Le

from channel_models.units import Fraction, MetresPerSecond, PositiveMetres, PositiveSeconds, Watt
from wfl_sim.config.answers import one_number
from wfl_sim.config.errors import LocatedError, located
from wfl_sim.config.fields import PositiveInt, Shorthand
from wfl_sim.config.registry import From
from wfl_sim.device_models import ComputeConfig, Hardware, HardwareReference
from wfl_sim.device_models.availability import AVAILABILITIES, Always, Availability
from wfl_sim.device_models.battery import Battery
from wfl_sim.device_models.mobility import Static
from wfl_sim.device_models.mobility.track import MOBILITIES, Mobility
from wfl_sim.device_models.radio_power import ModemPower
from wfl_sim.radio.deployment.areas import AREAS, Area, Ring
from wfl_sim.radio.power.power_control import TransmitPower

_GIVE_UP: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class DeviceGroup:
    """A group of devices with equal settings."""

    count: Annotated[PositiveInt, Le(1_000_000)]
    """Number of devices; a million takes 8 GB and minutes."""
    hardware: Annotated[Hardware, HardwareReference()]
    power: TransmitPower = 0.19952623149688797
    """Transmit power, or its class: 23 dBm is `class-3` of TS 38.101-1 (-1, -1.5, -2, -5, -6)."""
    area: Annotated[Area, From(AREAS, default="ring")] = field(default_factory=Ring)
    height: PositiveMetres = 1.5
    indoor: Fraction = 0.0
    """Share of the devices that are in buildings, behind the `entry` loss of the channel."""
    speed: MetresPerSecond = 3 / 3.6
    """Speed for the Doppler shift, unless the mobility has one of its own."""
    mobility: Annotated[Mobility, From(MOBILITIES)] = field(default_factory=Static)
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    modem: Annotated[ModemPower, Shorthand("unit")] | None = None
    """Modem states of TR 38.840, in place of the hardware's transmit and receive powers."""
    battery: Annotated[Battery, Shorthand("capacity")] | None = None
    """Battery, such as `20 Wh`, or a mapping; without one the devices have mains power."""
    availability: Annotated[Availability, From(AVAILABILITIES)] = field(default_factory=Always)
    away_power: Watt | None = None
    """Power while a device is unavailable; default: the idle power of its hardware."""
    rank: PositiveInt | None = None
    """LoRA rank of these devices where the method lets ranks differ; default: the method's."""
    reach: Literal["refuse", "exclude", "outage"] = "refuse"
    """Where the radio cannot reach a device: an error, exclusion, or uploads that fail."""
    give_up: PositiveSeconds | None = None
    """Time after which an upload of `reach: outage` fails, or at an earlier deadline of the round;
    default: 10 s, wfl_sim's."""

    def __post_init__(self) -> None:
        if self.give_up is not None and self.reach != "outage":
            raise LocatedError(f"is of `reach: outage`, and reach is {self.reach}", "give_up")
        if self.mobility.pace is not None:
            with located("mobility"):
                one_number(self.mobility, "pace", self.mobility.pace, least=0)

    @property
    def moves(self) -> bool:
        """Whether the devices move."""
        return self.mobility.moves

    @property
    def patience(self) -> float:
        """Seconds after which an upload out of reach fails."""
        return self.give_up or _GIVE_UP

    @property
    def pace(self) -> float:
        """Speed for the Doppler shift in m/s."""
        own = self.mobility.pace
        return self.speed if own is None else own
