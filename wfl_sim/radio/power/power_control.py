"""Uplink power: classes of devices, and the power that control asks for on a resource block."""

from dataclasses import dataclass
from typing import Annotated, Any, Final

from numpy.typing import ArrayLike

from channel_models.elementary import power
from channel_models.units import Decibel, Fraction, Interval, PositiveWatt, Unit

_CLASSES: Final = {
    "class-1": "31 dBm",
    "class-1.5": "29 dBm",
    "class-2": "26 dBm",
    "class-3": "23 dBm",
    "class-5": "20 dBm",
    "class-6": "14 dBm",
}
"""TS 38.101-1 Table 6.2.1-1, and Table 6.2F.1-1 (class 5); TS 36.101 Table 6.2.2F-1 (class 6)."""


class PowerClass(Unit):
    """W that a device can radiate, or its power class in FR1; class 6 is of NB-IoT alone."""

    def _from_text(self, text: str) -> float:
        return super()._from_text(_CLASSES.get(text.strip(), text))

    def _example(self) -> str:
        return f"{super()._example()}, or {', '.join(_CLASSES)}"


TransmitPower = Annotated[float, PowerClass("W", minimum=0.0, exclusive=True)]


@dataclass(frozen=True, kw_only=True)
class ClosedLoop:
    """Commands of the base station that bring a device's SINR to a target.

    A command every `period` changes the power on a block by -1, 0, 1 or 3 dB (accumulated, TS
    38.213 Table 7.1.1-1), whichever is nearest to what is missing at the mean SINR of the blocks
    that are held at that moment. A device at its limit takes no more up (section 7.1.1).
    """

    sinr: Decibel
    """Mean SINR of the blocks that are held, dB."""
    period: Interval = 20e-3
    """Between commands; wfl_sim's default."""

    def command(self, sinr_db: float) -> float:
        """dB of the command at a measured SINR."""
        missing = self.sinr - sinr_db
        if missing > 2.0:
            return 3.0
        return 1.0 if missing > 0.5 else -1.0 if missing < -0.5 else 0.0


@dataclass(frozen=True, kw_only=True)
class PowerControl:
    """Fractional power control of TS 38.213 section 7.1.1.

    ``P = min(P_max, P0 + 10 log10(2^mu M) + alpha PL + f)`` in dBm for M resource blocks at
    numerology mu, with PL the path loss and shadowing in dB, and f the commands of a closed loop.
    """

    target: PositiveWatt = 1e-11
    """P0 in W for a resource block of 180 kHz; the default, -80 dBm, is wfl_sim's."""
    alpha: Fraction = 0.8
    closed: ClosedLoop | None = None
    """Closed loop; without it f is 0."""

    def density(self, gain: ArrayLike, bandwidth: float) -> Any:
        """W on one resource block of `bandwidth` Hz, 2^mu 180 kHz, at linear gains, f = 0."""
        return self.target * (bandwidth / 180e3) * power(gain, -self.alpha)
