"""Uplink power: classes of devices, control on a block, and what a modulation takes off."""

from dataclasses import dataclass, replace
from typing import Annotated, Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike

import channel_models as cm
from channel_models.elementary import power
from channel_models.units import Decibel, Fraction, Interval, PositiveWatt, Unit
from wfl_sim.config.errors import LocatedError
from wfl_sim.radio.channel.layers import Layers
from wfl_sim.radio.channel.propagation import RATES, TransportRate

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


_REDUCTIONS: Final = {
    ("dft-s-ofdm", "inner"): {2: 0.0, 4: 1.0, 6: 2.5, 8: 4.5},
    ("dft-s-ofdm", "outer"): {2: 1.0, 4: 2.0, 6: 2.5, 8: 4.5},
    ("cp-ofdm", "inner"): {2: 1.5, 4: 2.0, 6: 3.5, 8: 6.5},
    ("cp-ofdm", "outer"): {2: 3.0, 4: 3.0, 6: 3.5, 8: 6.5},
}
"""dB by bits of a symbol (TS 38.101-1 Table 6.2.2-1)."""


@dataclass(frozen=True)
class Modulation:
    """Rates with at most a modulation, and the power that it leaves."""

    level: float
    """Power over that with QPSK."""
    rate: cm.RateMap


@dataclass(frozen=True, kw_only=True)
class CappedRate:
    """Another rate map up to the most that a modulation carries, `cap` bit/s/Hz."""

    map: cm.RateMap
    cap: float

    def spectral_efficiency(self, sinr: ArrayLike) -> Any:
        """bit/s/Hz at linear `sinr`."""
        return np.minimum(self.map.spectral_efficiency(sinr), self.cap)


@dataclass(frozen=True, kw_only=True)
class PowerReduction:
    """What a modulation takes off the power of a device's class (TS 38.101-1 section 6.2.2).

    In dB for QPSK, 16QAM, 64QAM and 256QAM: `cp-ofdm` 3, 3, 3.5, 6.5 (`inner`: 1.5, 2, 3.5, 6.5),
    `dft-s-ofdm` 1, 2, 2.5, 4.5 (`inner`: 0, 1, 2.5, 4.5). The values of power class 3 are taken for
    all, and the whole of what is allowed is taken off. Each transfer has the modulation that
    carries the most at the power that it leaves, on the channel that is known.
    """

    waveform: Literal["cp-ofdm", "dft-s-ofdm"] = "cp-ofdm"
    """The rate map does not follow from it."""
    allocation: Literal["outer", "inner"] = "outer"
    """Where all blocks lie: inner ones are off the rims of the band, at most half of it."""

    @property
    def least(self) -> float:
        """Share of a class's power that is there with QPSK."""
        return float(cm.db_to_linear(-self._reductions[2]))

    def modulations(self, rate: cm.RateMap) -> tuple[Modulation, ...]:
        """Return the modulations of a rate map, by rising order.

        Raises:
            LocatedError: the modulation of its rates is not known.
        """
        steps = self._reductions
        return tuple(
            Modulation(float(cm.db_to_linear(steps[2] - steps[order])), up_to(rate, order))
            for order in _orders(rate)
        )

    @property
    def _reductions(self) -> dict[int, float]:
        return _REDUCTIONS[self.waveform, self.allocation]


def _orders(rate: cm.RateMap) -> list[int]:
    """Bits of a symbol that a rate map knows."""
    if isinstance(rate, Layers):
        return _orders(rate.map)
    table = rate.table if isinstance(rate, cm.McsRate) else "256qam"
    return sorted(set(cm.mcs_table(table).modulation_order.tolist()))


def up_to(rate: cm.RateMap, order: int) -> cm.RateMap:
    """Return a rate map with at most so many bits of a symbol.

    Rates that name no scheme end where the highest code rate of TS 38.214 Table 5.1.3.1-2 ends.
    """
    if isinstance(rate, Layers):
        return replace(rate, map=up_to(rate.map, order))
    if isinstance(rate, cm.McsRate):
        return replace(rate, modulation=order)  # type: ignore[arg-type]
    if isinstance(rate, TransportRate):
        raise LocatedError(
            f"needs a rate whose modulation is known (mcs, layers, or one of single blocks), got "
            f"{RATES.label(rate)}",
            "power_reduction",
        )
    table = cm.mcs_table("256qam")
    cap = table.spectral_efficiency[table.modulation_order <= order].max()
    return CappedRate(map=rate, cap=float(cap))
