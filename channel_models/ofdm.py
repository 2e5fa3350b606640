"""NR, LTE and NB-IoT: numerology, resource blocks, noise, time-division duplex and peak rates."""

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike

from channel_models.units import BOLTZMANN, SPEED_OF_LIGHT, db_to_linear, in_hertz
from channel_models.validation import FloatArray, check_array, check_positive_integer

SUBCARRIERS_PER_BLOCK: Final = 12
SYMBOLS_PER_SLOT: Final = 14
CYCLIC_PREFIX: Final = 1.0 / 15.0
"""Share of the time that is normal cyclic prefix: 14 symbols of 1/15 ms fill 1 ms but for 1/15."""

_SPACINGS: Final = (15e3, 30e3, 60e3, 120e3, 240e3, 480e3, 960e3)

_Blocks = dict[float, dict[float, int]]
_FR1_BLOCKS: Final[_Blocks] = {
    15e3: {5: 25, 10: 52, 15: 79, 20: 106, 25: 133, 30: 160, 35: 188, 40: 216, 45: 242, 50: 270},
    30e3: {5: 11, 10: 24, 15: 38, 20: 51, 25: 65, 30: 78, 35: 92, 40: 106, 45: 119, 50: 133,
           60: 162, 70: 189, 80: 217, 90: 245, 100: 273},
    60e3: {10: 11, 15: 18, 20: 24, 25: 31, 30: 38, 35: 44, 40: 51, 45: 58, 50: 65, 60: 79, 70: 93,
           80: 107, 90: 121, 100: 135},
}  # fmt: skip
_FR2_BLOCKS: Final[_Blocks] = {
    60e3: {50: 66, 100: 132, 200: 264},
    120e3: {50: 32, 100: 66, 200: 132, 400: 264},
}
_BELOW_NR: Final[dict[str, _Blocks]] = {
    "lte": {15e3: {1.4: 6, 3: 15, 5: 25, 10: 50, 15: 75, 20: 100}},
    "nb-iot": {15e3: {0.18: 12}, 3.75e3: {0.18: 48}},
}
Standard = Literal["nr", "lte", "nb-iot"]
FR1_TOP: Final = 7.125e9
"""Highest frequency of FR1 in Hz (TS 38.101-1 section 5.1)."""


def numerology(subcarrier_spacing: float) -> int:
    """``mu`` of the spacing ``15 kHz 2^mu`` (TS 38.211 Table 4.2-1); ValueError if none."""
    for mu, spacing in enumerate(_SPACINGS):
        if subcarrier_spacing == spacing:
            return mu
    allowed = ", ".join(f"{s / 1e3:g}" for s in _SPACINGS)
    raise ValueError(
        f"subcarrier_spacing must be one of {allowed} kHz, got {in_hertz(subcarrier_spacing)}"
    )


def slot_duration(subcarrier_spacing: float) -> float:
    """Slot length in s, ``1 ms / 2^mu`` (TS 38.211 Table 4.3.2-1)."""
    return float(1e-3 / 2 ** numerology(subcarrier_spacing))


def symbol_duration(subcarrier_spacing: float) -> float:
    """Mean length of an OFDM symbol with its cyclic prefix, s: a slot over 14."""
    return slot_duration(subcarrier_spacing) / SYMBOLS_PER_SLOT


def resource_block_bandwidth(subcarrier_spacing: float, standard: Standard = "nr") -> float:
    """Bandwidth of a resource block in Hz: 12 subcarriers, or one of NB-IoT."""
    if standard == "nb-iot":
        return float(subcarrier_spacing)
    numerology(subcarrier_spacing)
    return SUBCARRIERS_PER_BLOCK * float(subcarrier_spacing)


def resource_blocks(
    bandwidth: float, subcarrier_spacing: float, carrier: float = 3.5e9, standard: Standard = "nr"
) -> int:
    """Number of resource blocks N_RB of a channel bandwidth.

    TS 38.101-1 Table 5.3.2-1 (FR1, up to 7.125 GHz) and TS 38.101-2 Table 5.3.2-1 (FR2-1, 24.25 to
    52.6 GHz). LTE: TS 36.104 Table 5.6-1. NB-IoT: the subcarriers of its 180 kHz (TS 36.211 Table
    10.1.2.1-1), since a device may send on one of them. ValueError lists what is allowed.
    """
    carrier = float(check_array("carrier", carrier, minimum=0.0, exclusive=True, unit="Hz"))
    band = float(check_array("bandwidth", bandwidth, minimum=0.0, exclusive=True, unit="Hz"))
    if standard != "nr":
        name, tables = {"lte": "LTE", "nb-iot": "NB-IoT"}[standard], _BELOW_NR[standard]
        check_array("carrier", carrier, maximum=6e9, unit="Hz", rule=f" for {name}")
    elif carrier <= FR1_TOP:
        name, tables = "FR1", _FR1_BLOCKS
    elif 24.25e9 <= carrier <= 52.6e9:
        name, tables = "FR2", _FR2_BLOCKS
    else:
        raise ValueError(
            "carrier must be at most 7.125 GHz (FR1) or between 24.25 and 52.6 GHz (FR2), "
            f"got {in_hertz(carrier)}"
        )
    if subcarrier_spacing not in tables:
        allowed = ", ".join(f"{s / 1e3:g}" for s in tables)
        raise ValueError(
            f"subcarrier_spacing must be one of {allowed} kHz in {name}, "
            f"got {in_hertz(subcarrier_spacing)}"
        )
    blocks = tables[subcarrier_spacing].get(band / 1e6)
    if blocks is None:
        allowed = ", ".join(map(str, tables[subcarrier_spacing]))
        raise ValueError(
            f"bandwidth must be one of {allowed} MHz at {subcarrier_spacing / 1e3:g} kHz in "
            f"{name}, got {in_hertz(band)}"
        )
    return int(blocks)


def resource_block_offsets(blocks: int, subcarrier_spacing: float) -> FloatArray:
    """Centre of every resource block relative to the carrier, Hz, shape (blocks,)."""
    count = check_positive_integer("blocks", blocks)
    width = resource_block_bandwidth(subcarrier_spacing)
    return np.asarray((np.arange(count) - (count - 1) / 2.0) * width, dtype=float)


def doppler_shift(speed: ArrayLike, carrier: ArrayLike) -> Any:
    """Maximum Doppler shift ``v f / c`` in Hz of a speed in m/s at a carrier in Hz."""
    velocity = check_array("speed", speed, minimum=0.0, unit="m/s")
    frequency = check_array("carrier", carrier, minimum=0.0, exclusive=True, unit="Hz")
    return (velocity * frequency / SPEED_OF_LIGHT)[()]


def thermal_noise_density(temperature: ArrayLike = 290.0) -> Any:
    """One-sided noise power density ``k T`` in W/Hz; -173.975 dBm/Hz at 290 K."""
    kelvin = check_array("temperature", temperature, minimum=0.0, exclusive=True, unit="K")
    return (BOLTZMANN * kelvin)[()]


def noise_power(
    bandwidth: ArrayLike, noise_figure_db: ArrayLike = 0.0, *, temperature: ArrayLike = 290.0
) -> Any:
    """Noise power ``k T B F`` in W at the receiver's input, for a bandwidth in Hz."""
    band = check_array("bandwidth", bandwidth, minimum=0.0, exclusive=True, unit="Hz")
    figure = check_array("noise_figure_db", noise_figure_db, minimum=0.0, unit="dB")
    return np.asarray(thermal_noise_density(temperature) * band * db_to_linear(figure))[()]


_OVERHEAD = {("downlink", "FR1"): 0.14, ("downlink", "FR2"): 0.18, ("uplink", "FR1"): 0.08,
             ("uplink", "FR2"): 0.10}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class TddPattern:
    """A repeating ``pattern`` of slots: D downlink, U uplink, S special.

    A special slot has ``special`` = (downlink, guard, uplink) symbols, 14 in all. "D" alone and "U"
    alone are the two halves of frequency-division duplex.
    """

    pattern: str = "DDDSU"
    special: tuple[int, int, int] = (10, 2, 2)

    def __post_init__(self) -> None:
        if not self.pattern or set(self.pattern) - set("DSU"):
            raise ValueError(f"pattern must be made of D, S and U, got {self.pattern!r}")
        parts = tuple(check_positive_integer("special", part, minimum=0) for part in self.special)
        if len(parts) != 3 or sum(parts) != SYMBOLS_PER_SLOT:
            raise ValueError(f"special must be three numbers with sum 14, got {self.special}")

    def symbols(self, direction: Literal["downlink", "uplink"]) -> list[int]:
        """Symbols of that direction in every slot of the pattern."""
        if direction not in ("downlink", "uplink"):
            raise ValueError(f"direction must be 'downlink' or 'uplink', got {direction!r}")
        down = direction == "downlink"
        full = {"D": 14 if down else 0, "U": 0 if down else 14,
                "S": self.special[0] if down else self.special[2]}  # fmt: skip
        return [full[slot] for slot in self.pattern]

    def share(self, direction: Literal["downlink", "uplink"]) -> float:
        """Share of the symbols that belong to that direction."""
        return sum(self.symbols(direction)) / (SYMBOLS_PER_SLOT * len(self.pattern))


def signalling_overhead(
    direction: Literal["downlink", "uplink"], frequency_range: Literal["FR1", "FR2"] = "FR1"
) -> float:
    """Share of the resource elements for control and reference signals (TS 38.306 section 4.1.2).

    Downlink 0.14 (FR1) and 0.18 (FR2), uplink 0.08 and 0.10. ValueError for another argument.
    """
    if (direction, frequency_range) not in _OVERHEAD:
        raise ValueError(
            "direction must be 'downlink' or 'uplink' and frequency_range 'FR1' or 'FR2', "
            f"got {direction!r} and {frequency_range!r}"
        )
    return _OVERHEAD[direction, frequency_range]


def peak_rate(
    blocks: int,
    subcarrier_spacing: float,
    modulation_order: int,
    overhead: float,
    *,
    layers: int = 1,
    code_rate: float = 948.0 / 1024.0,
) -> float:
    """Peak data rate in bit/s, ``layers Q_m R_max 12 N_PRB / T_s (1 - overhead)``.

    TS 38.306 section 4.1.2, with a scaling factor of one; T_s is the mean symbol length.
    """
    count = check_positive_integer("blocks", blocks)
    order = check_positive_integer("modulation_order", modulation_order)
    streams = check_positive_integer("layers", layers)
    rate = float(check_array("code_rate", code_rate, minimum=0.0, maximum=1.0))
    loss = float(check_array("overhead", overhead, minimum=0.0, maximum=1.0))
    symbols = SUBCARRIERS_PER_BLOCK * count / symbol_duration(subcarrier_spacing)
    return streams * order * rate * symbols * (1.0 - loss)
