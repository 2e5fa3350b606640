"""Wi-Fi: how stations share a channel by distributed coordination, and the rates of frames."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Final

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray

from channel_models.elementary import power
from channel_models.units import Unit, dbm_to_watt
from channel_models.validation import FloatArray
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.fields import PositiveInt
from wfl_sim.radio.procedures.update_loss import Waterfall

Moment = Annotated[float, Unit("s", minimum=0.0, maximum=5e-3, exclusive=True)]
"""Shorter than the longest frame."""

SUBCARRIERS: Final = {20e6: 234, 40e6: 468, 80e6: 980, 160e6: 1960}
"""Data subcarriers by width in Hz (IEEE 802.11ax-2021 Table 27-13 and those after it)."""
_SYMBOL: Final = 13.6e-6
"""s of a symbol with a guard interval of 0.8 us."""
_BITS: Final = np.array([0.5, 1, 1.5, 2, 3, 4, 4.5, 5, 6, 20 / 3, 7.5, 25 / 3])
"""Bits of data on a subcarrier in a symbol, by MCS."""
_SENSITIVITY: Final = np.array(
    [dbm_to_watt(dbm) for dbm in (-82, -79, -77, -74, -70, -66, -65, -64, -59, -57, -54, -52)]
)
"""W that a receiver needs on 20 MHz, by MCS (IEEE 802.11ax-2021 Table 27-51)."""
_LONGEST: Final = 5.484e-3
"""s of a frame on the air at most (aPPDUMaxTime)."""
_ACCESS_POINT: Final = 4.0
"""W at most: 36 dBm, the largest EIRP of regulators in these bands."""
_TOP: Final = 7.125e9
_LOW: Final = 2.5e9
"""Hz of the carrier, below which no channel is wider than 40 MHz."""
_MPDU: Final = 1500 * 8
_HEADER: Final = 48 * 8
"""Bits of an Ethernet frame, and of MAC header, LLC header, check sum and delimiter."""


@dataclass(frozen=True, kw_only=True)
class Wifi:
    """IEEE 802.11ax with one stream and without trigger frames, in place of OFDMA of NR.

    All stations that have something to send, the access point among them, contend for the channel
    by DCF in saturation (Bianchi 2000, IEEE JSAC 18(3)): they win as often, whatever their rates.
    """

    slot: Moment = 9e-6
    """Of the backoff."""
    sifs: Moment = 16e-6
    """Short interframe space; DIFS is two slots more."""
    window: Annotated[int, Ge(2), Le(32_768)] = 16
    """Slots of the first contention window, CWmin + 1."""
    stages: Annotated[PositiveInt, Le(16)] = 6
    """Times that a window doubles: 6 to CWmax + 1 = 1024."""
    preamble: Moment = 44e-6
    """Of a frame (HE SU)."""
    acknowledgement: Moment = 32e-6
    """Block acknowledgement at 24 Mbit/s."""
    frames: PositiveInt = 32
    """Most frames of 1500 byte in one transmission (A-MPDU), which lasts 5.484 ms at most."""

    def scheme(self, received: FloatArray, width: float) -> NDArray[np.intp]:
        """Return the MCS for W received on `width` Hz; -1 where none can be read."""
        return np.searchsorted(_SENSITIVITY * width / 20e6, received, side="right") - 1

    def air(self, scheme: NDArray[np.intp], width: float) -> tuple[FloatArray, FloatArray]:
        """Return payload bits and seconds on the air of one transmission by an MCS."""
        rate = SUBCARRIERS[width] * _BITS[scheme] / _SYMBOL
        room = np.floor((_LONGEST - self.preamble) * rate / (_MPDU + _HEADER))
        count = np.clip(room, 1, self.frames)
        return count * _MPDU, self.preamble + count * (_MPDU + _HEADER) / rate

    def cycle(self, seconds: FloatArray) -> tuple[float, float]:
        """Return the mean s between two successes of anybody, and tries of one station in them.

        A collision is taken to be of two stations, and lasts as long as the longer frame.

        Args:
            seconds: (n,) on the air of a transmission of each station; its mean for a station that
                sends frames of several lengths.
        """
        count, difs = len(seconds), self.sifs + 2 * self.slot
        tries, _ = attempts(count, self.window, self.stages)
        others = float(power(1 - tries, count - 1))
        idle, success = others * (1 - tries), count * tries * others
        order = np.sort(seconds)
        pairs = count * (count - 1) / 2
        longer = float((order * np.arange(count)).sum() / pairs) if pairs else 0.0
        good = float(seconds.mean()) + self.sifs + self.acknowledgement + difs
        spent = idle * self.slot + success * good + (1 - idle - success) * (longer + difs)
        return spent / success, tries / success

    def alone(self, received: float, width: float) -> float:
        """Return bit/s of a station that has the channel for itself."""
        scheme = self.scheme(np.array([received]), width)
        if scheme[0] < 0:
            return 0.0
        bits, seconds = self.air(scheme, width)
        return float(bits[0]) / self.cycle(seconds)[0]


@lru_cache(maxsize=1024)
def attempts(count: int, window: int, stages: int) -> tuple[float, float]:
    """Return tau and p of Bianchi's chain: chance to send in a slot, and to collide when sending.

    ``tau = 2 (1 - 2p) / ((1 - 2p)(W + 1) + p W (1 - (2p)^m))``, ``p = 1 - (1 - tau)^(n - 1)``.
    """

    def sends(p: float) -> float:
        backoff, term = 0.0, 1.0
        for _ in range(stages):
            backoff, term = backoff + term, term * 2 * p
        return 2 / (window + 1 + p * window * backoff)

    low, high = 0.0, 1.0
    for _ in range(60):
        p = (low + high) / 2
        low, high = (p, high) if 1 - float(power(1 - sends(p), count - 1)) > p else (low, p)
    return sends(low), low


def check_access(cell: Any) -> None:
    """Refuse what a cell (`CellConfig`) of Wi-Fi or of wires does not have.

    Raises:
        LocatedError: it has a key of NR, a width or a power that Wi-Fi has not, or both accesses.
    """
    if cell.wifi is not None and cell.wired is not None:
        raise LocatedError("is given beside `wifi`", "wired")
    for found, place in (
        (cell.tdd, ("tdd",)),
        (cell.access, ("access",)),
        (cell.uplink.power_control, ("uplink", "power_control")),
        (cell.uplink.power_reduction, ("uplink", "power_reduction")),
        (cell.uplink.harq, ("uplink", "harq")),
        (cell.downlink.harq, ("downlink", "harq")),
        (cell.downlink.rateless, ("downlink", "rateless")),
        (cell.wired and isinstance(cell.uplink.loss, Waterfall), ("uplink", "loss")),
        (any(each.reserved for each in cell.traffic), ("traffic",)),
    ):
        if found:
            what = "reserves blocks: that" if place == ("traffic",) else "that"
            raise LocatedError(f"{what} is of NR, and not beside `wifi` or `wired`", *place)
    if cell.wired is not None and cell.station is not None:
        raise LocatedError("is the power of a radio, and not beside `wired`", "station")
    if cell.wifi is not None and cell.bandwidth not in SUBCARRIERS:
        widths = ", ".join(f"{width / 1e6:g}" for width in SUBCARRIERS)
        raise LocatedError(f"of Wi-Fi must be one of {widths} MHz", "bandwidth")
    if cell.wifi is not None and cell.bandwidth > 40e6 and cell.carrier < _LOW:
        raise LocatedError("of Wi-Fi at 2.4 GHz must be 20 or 40 MHz", "bandwidth")
    if cell.wifi is not None and cell.downlink.power > _ACCESS_POINT:
        problem = "of an access point is at most 36 dBm, such as 20 dBm"
        raise LocatedError(problem, "downlink", "power")
    if cell.wifi is not None and not 1e9 <= cell.carrier <= _TOP:
        raise LocatedError("of Wi-Fi (IEEE 802.11ax) is from 1 to 7.125 GHz", "carrier")
