"""Infrastructure: what base stations and the server draw, from what they did.

Base stations are reckoned after the run: their power depends on whether anything is sent or
received in the cell, which the spans of the devices tell. While a cell sends, it does so on the
whole band.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from channel_models.units import PositiveWatt
from wfl_sim.compute.hardware import Hardware
from wfl_sim.protocols import STATIONS
from wfl_sim.records import Span

_EARTH: Final = {
    "macro": (6, 20.0, 130.0, 4.7, 75.0),
    "rrh": (6, 20.0, 84.0, 2.8, 56.0),
    "micro": (2, 6.3, 56.0, 2.6, 39.0),
    "pico": (2, 0.13, 6.8, 4.0, 4.3),
    "femto": (2, 0.05, 4.8, 8.0, 2.9),
}
"""transceivers, and for each: W radiated at most, W at no load, slope, W asleep"""


class Station(Protocol):
    """The energy of a base station."""

    def problem(self, radiated: float) -> str:
        """Return what is wrong with radiating so many W; empty if nothing is."""

    def joules(self, *, idle: float, down: float, up: float, both: float, radiated: float) -> float:
        """Return what it draws in s without traffic, sending, receiving, and doing both.

        Args:
            idle: s.
            down: s of sending alone.
            up: s of receiving alone.
            both: s of both at once.
            radiated: W while it sends.
        """


@STATIONS("earth")
@dataclass(frozen=True, kw_only=True)
class Earth:
    """P = N (P0 + slope P_out) while it sends, N P_sleep or N P0 else (Auer et al. 2011).

    "How much energy is needed to run a wireless network?", IEEE Wireless Communications 18(5),
    table 2; the values are from memory. P_out is the power of one of the N transceivers.
    """

    type: Literal["macro", "rrh", "micro", "pico", "femto"] = "macro"
    sleep: bool = False
    """whether it sleeps while there is no traffic, without delay"""

    def problem(self, radiated: float) -> str:
        """Tell a power beyond what the type can radiate."""
        count, most, *_ = _EARTH[self.type]
        if radiated <= count * most:
            return ""
        return f"must be at most {count * most:g} W for type {self.type}, got {radiated:g} W"

    def joules(self, *, idle: float, down: float, up: float, both: float, radiated: float) -> float:
        """Return the J of the whole site."""
        count, _, least, slope, asleep = _EARTH[self.type]
        quiet = count * (asleep if self.sleep else least)
        return quiet * idle + count * least * (down + up + both) + slope * radiated * (down + both)


@STATIONS("tr-38864")
@dataclass(frozen=True, kw_only=True)
class Tr38864:
    """Relative states of 3GPP TR 38.864, category 1, set 1, on a scale that must be given.

    Deep sleep 1, light sleep 25, micro sleep 55, sending 280 (whole band at full power), receiving
    110; both at once add up over micro sleep. Waking up is left out.
    """

    unit: PositiveWatt
    """W of one unit of relative power"""
    idle: Literal["deep", "light", "micro"] = "micro"
    """the state without traffic"""

    def problem(self, radiated: float) -> str:
        """Find nothing wrong: the power is relative."""
        return ""

    def joules(self, *, idle: float, down: float, up: float, both: float, radiated: float) -> float:
        """Return the J of the whole site."""
        quiet = {"deep": 1.0, "light": 25.0, "micro": 55.0}[self.idle]
        units = quiet * idle + 280.0 * down + 110.0 * up + (280.0 + 110.0 - 55.0) * both
        return self.unit * units


def station_joules(
    station: Station, spans: Sequence[Span], cell: str, end: float, radiated: float
) -> float:
    """Return what the base station of a cell drew until `end`, from the spans of its devices."""
    down = _union((s.start, s.end) for s in spans if s.cell == cell and s.activity == "download")
    up = _union((s.start, s.end) for s in spans if s.cell == cell and s.activity == "upload")
    both = _length(_common(down, up))
    only_down, only_up = _length(down) - both, _length(up) - both
    return station.joules(
        idle=max(end - only_down - only_up - both, 0.0),
        down=only_down,
        up=only_up,
        both=both,
        radiated=radiated,
    )


def server_joules(
    hardware: Hardware, spans: Sequence[Span], end: float, name: str = "server"
) -> float:
    """Return what a server drew until `end`: idle power always, compute power in aggregation."""
    busy = sum(s.end - s.start for s in spans if s.activity == "aggregate" and s.actor == name)
    return hardware.idle_power * end + hardware.compute_power * busy


def _union(intervals: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def _common(
    one: Sequence[tuple[float, float]], other: Sequence[tuple[float, float]]
) -> list[tuple[float, float]]:
    found, i, j = [], 0, 0
    while i < len(one) and j < len(other):
        start, end = max(one[i][0], other[j][0]), min(one[i][1], other[j][1])
        if start < end:
            found.append((start, end))
        if one[i][1] < other[j][1]:
            i += 1
        else:
            j += 1
    return found


def _length(intervals: Sequence[tuple[float, float]]) -> float:
    return sum(end - start for start, end in intervals)
