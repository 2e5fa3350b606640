"""Power of a modem by the states of 3GPP TR 38.840, on an absolute scale.

TR 38.840 (section 8.1, FR1, reference of 100 MHz) gives power relative to deep sleep: deep sleep 1,
light sleep 20, micro sleep 45, monitoring the control channel 100, receiving data 300, sending 250
at 0 dBm and 700 at 23 dBm. The watts of one unit differ from modem to modem, so they must be given;
2 to 4 mW put sending at 23 dBm at 1.4 to 2.8 W.

Between and beyond 0 and 23 dBm sending is taken as linear in dBm; receiving scales with the
bandwidth as 0.4 + 0.6 (B / MHz - 20) / 80. Waking up from light and deep sleep costs 100 and 450
units times ms. The values but for those of sending are quoted second-hand.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from channel_models.units import PositiveWatt, watt_to_dbm
from wfl_sim.device_models.hardware import Hardware

STATES: Final = {"deep": 1.0, "light": 20.0, "micro": 45.0, "awake": 100.0}
WAKING: Final = {"deep": 0.450, "light": 0.100, "micro": 0.0, "awake": 0.0}
"""Energy of falling asleep and waking up, in units times s."""
_RECEIVING: Final = 300.0
_SENDING: Final = (250.0, 700.0)


@lru_cache(maxsize=1024)
def _dbm(watts: float) -> float:
    # A device radiates few different powers, and each is asked for in many steps.
    return float(watt_to_dbm(watts))


@dataclass(frozen=True, kw_only=True)
class ModemPower:
    """The states of TR 38.840 in place of the hardware's own powers of sending and receiving."""

    unit: PositiveWatt
    """Power in W of one unit of relative power, such as 3 mW."""
    sleep: Literal["deep", "light", "micro", "awake"] = "micro"
    """State while nothing is sent or received."""

    @property
    def rest(self) -> float:
        """Power in W while nothing is sent or received."""
        return self.unit * STATES[self.sleep]

    @property
    def waking(self) -> float:
        """Energy in J of going to sleep and waking up once."""
        return self.unit * WAKING[self.sleep]

    def receive_power(self, bandwidth: float) -> float:
        """Return the W drawn beyond rest while receiving on a band of so many Hz."""
        scale = 0.4 + 0.6 * (bandwidth / 1e6 - 20) / 80
        return max(self.unit * _RECEIVING * scale - self.rest, 0.0)

    def transmit_power(self, radiated: float) -> float:
        """Return the W drawn beyond rest while radiating so many W."""
        low, high = _SENDING
        relative = low + (high - low) * _dbm(radiated) / 23
        return max(self.unit * max(relative, low) - self.rest, 0.0)


@dataclass(frozen=True, kw_only=True)
class RadioPower:
    """Powers of the radio of one device."""

    rest: float
    """Power in W, always drawn."""
    receive: float
    """Power in W beyond rest while receiving."""
    transmit_power: Callable[[float], float]
    """Maps radiated power in W to the power drawn beyond rest, in W."""
    waking: float
    """Energy in J at the beginning of each reception and of each upload."""
    affine: bool = True
    """Whether `transmit_power` is affine, so that its mean is that of the mean."""


def radio_of(
    hardware: Hardware, *, modem: ModemPower | None = None, bandwidth: float = 0.0
) -> RadioPower:
    """Return the powers of a modem, or without one those that the hardware states.

    Args:
        hardware: of the device.
        modem: its states, if they are to be used.
        bandwidth: Hz, of the band on which a modem receives.
    """
    if modem is None:
        receive, transmit = hardware.receive_power, hardware.transmit_power
        return RadioPower(rest=0.0, receive=receive, transmit_power=transmit, waking=0.0)
    return RadioPower(
        rest=modem.rest,
        receive=modem.receive_power(bandwidth),
        transmit_power=modem.transmit_power,
        waking=modem.waking,
        affine=False,
    )
