"""Time-division duplex patterns and signalling overheads: what share of the time carries data."""

from dataclasses import dataclass
from typing import Literal

from channel_models.ofdm import SUBCARRIERS_PER_BLOCK, SYMBOLS_PER_SLOT, symbol_duration
from channel_models.validation import check_array, check_positive_integer

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
