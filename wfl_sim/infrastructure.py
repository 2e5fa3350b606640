"""Infrastructure: what base stations and the server draw, from what they did.

Base stations are reckoned after the run: their power depends on whether anything is sent or
received in the cell, which the spans of the devices tell. While a cell sends, it does so on the
whole band.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from channel_models.units import PositiveWatt, Seconds
from wfl_sim.compute.hardware import Hardware
from wfl_sim.protocols import STATIONS
from wfl_sim.records import Span
from wfl_sim.registry import LocatedError

Interval = tuple[float, float]

_EARTH: Final = {
    "macro": (6, 20.0, 130.0, 4.7, 75.0),
    "rrh": (6, 20.0, 84.0, 2.8, 56.0),
    "micro": (2, 6.3, 56.0, 2.6, 39.0),
    "pico": (2, 0.13, 6.8, 4.0, 4.3),
    "femto": (2, 0.05, 4.8, 8.0, 2.9),
}
"""transceivers, and for each: W radiated at most, W at no load, slope, W asleep"""


class Station(Protocol):
    """The energy of a base station, and how long it takes to wake up."""

    @property
    def sleeps(self) -> bool:
        """Whether it ever takes time to wake up."""

    def problem(self, radiated: float) -> str:
        """Return what is wrong with radiating so many W; empty if nothing is."""

    def waking(self, rest: float) -> float:
        """Return the s of waking up after so many s without traffic."""

    def resting(self, rest: float, *, woken: bool) -> float:
        """Return the J of a rest of so many s, and of waking up from it if it was `woken`."""

    def joules(self, *, down: float, up: float, both: float, radiated: float) -> float:
        """Return what it draws in s of traffic.

        Args:
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

    @property
    def sleeps(self) -> bool:
        """The model knows no time of waking up."""
        return False

    def problem(self, radiated: float) -> str:
        """Tell a power beyond what the type can radiate."""
        count, most, *_ = _EARTH[self.type]
        if radiated <= count * most:
            return ""
        return f"must be at most {count * most:g} W for type {self.type}, got {radiated:g} W"

    def waking(self, rest: float) -> float:
        """Return 0: it is there at once."""
        return 0.0

    def resting(self, rest: float, *, woken: bool) -> float:
        """Return the J of the whole site without traffic."""
        count, _, least, _, asleep = _EARTH[self.type]
        return count * (asleep if self.sleep else least) * rest

    def joules(self, *, down: float, up: float, both: float, radiated: float) -> float:
        """Return the J of the whole site with traffic."""
        count, _, least, slope, _ = _EARTH[self.type]
        return count * least * (down + up + both) + slope * radiated * (down + both)


@dataclass(frozen=True)
class _Sleep:
    """A state of TR 38.864, category 1, set 1."""

    power: float
    """units"""
    transition: float
    """s, to sleep and back"""
    energy: float
    """units times s, of going to sleep and back beyond the state's own power"""

    @property
    def waking(self) -> float:
        """s of coming back: half of the transition, which is wfl_sim's choice."""
        return self.transition / 2


_SLEEPS: Final = {
    "deep": _Sleep(1.0, 50e-3, 1.0),
    "light": _Sleep(25.0, 6e-3, 90e-3),
    "micro": _Sleep(55.0, 0.0, 0.0),
}
_SENDING: Final = 280.0
_RECEIVING: Final = 110.0


@STATIONS("tr-38864")
@dataclass(frozen=True, kw_only=True)
class Tr38864:
    """Relative states of 3GPP TR 38.864, category 1, set 1, on a scale that must be given.

    Deep sleep 1, light sleep 25, micro sleep 55, sending 280 (whole band at full power), receiving
    110; both at once add up over micro sleep. Transitions take 50 ms and 1000 units times ms (deep)
    or 6 ms and 90 (light) and back, from memory. Without traffic a station is in micro sleep, and
    goes deeper after `light_after` and `deep_after`; the first transfer then waits for half of the
    transition time, and the energy of the whole is paid on waking up, for the deepest state alone.
    """

    unit: PositiveWatt
    """W of one unit of relative power"""
    idle: Literal["deep", "light", "micro"] = "micro"
    """the state without traffic, in and out of which it comes at once and for nothing"""
    light_after: Seconds | None = None
    """s without traffic after which it sleeps lightly; never unless given"""
    deep_after: Seconds | None = None
    """s without traffic after which it sleeps deeply; never unless given"""

    def __post_init__(self) -> None:
        if self.sleeps and self.idle != "micro":
            raise LocatedError(f"must be micro where it goes deeper, got {self.idle}", "idle")
        if None not in (self.light_after, self.deep_after) and not self._light < self._deep:
            raise LocatedError(
                f"must be longer than light_after {self._light:g} s, got {self._deep:g} s",
                "deep_after",
            )

    @property
    def sleeps(self) -> bool:
        """Whether it ever goes deeper than micro sleep."""
        return self.light_after is not None or self.deep_after is not None

    def problem(self, radiated: float) -> str:
        """Find nothing wrong: the power is relative."""
        return ""

    def waking(self, rest: float) -> float:
        """Return the s of waking up from the state that it has come to."""
        return self._state(rest).waking if self.sleeps else 0.0

    def resting(self, rest: float, *, woken: bool) -> float:
        """Return the J of going down from state to state, and of coming back if it was woken."""
        deep = max(rest - self._deep, 0.0)
        light = max(min(rest, self._deep) - self._light, 0.0)
        states = ((_SLEEPS["deep"], deep), (_SLEEPS["light"], light))
        units = sum(state.power * seconds for state, seconds in states)
        units += _SLEEPS[self.idle].power * (rest - deep - light)
        if woken and self.sleeps:
            last = self._state(rest)
            units += last.power * last.waking + last.energy
        return self.unit * units

    def joules(self, *, down: float, up: float, both: float, radiated: float) -> float:
        """Return the J of the whole site with traffic."""
        at_once = _SENDING + _RECEIVING - _SLEEPS["micro"].power
        return self.unit * (_SENDING * down + _RECEIVING * up + at_once * both)

    @property
    def _light(self) -> float:
        return math.inf if self.light_after is None else self.light_after

    @property
    def _deep(self) -> float:
        return math.inf if self.deep_after is None else self.deep_after

    def _state(self, rest: float) -> _Sleep:
        """Return the state after so many s without traffic."""
        name = "deep" if rest > self._deep else "light" if rest > self._light else "micro"
        return _SLEEPS[name]


def station_joules(
    station: Station,
    spans: Sequence[Span],
    cell: str,
    end: float,
    radiated: float,
    wakings: Sequence[Interval] = (),
) -> float:
    """Return what the base station of a cell drew until `end`, from the spans of its devices.

    Args:
        station: what it draws.
        spans: of the devices of all cells.
        cell: its name.
        end: s.
        radiated: W while it sends.
        wakings: s, when it woke up; while it does, an upload waits that has begun.
    """
    down = _union((s.start, s.end) for s in spans if s.cell == cell and s.activity == "download")
    begun = _union((s.start, s.end) for s in spans if s.cell == cell and s.activity == "upload")
    up = _common(begun, _rest_of(wakings, end))
    both = _length(_common(down, up))
    traffic = _union((*down, *up))
    woken = {start for start, _ in wakings}
    rests = _rest_of(_union((*traffic, *wakings)), end)
    asleep = sum(station.resting(b - a, woken=b in woken) for a, b in rests)
    busy = station.joules(
        down=_length(down) - both, up=_length(up) - both, both=both, radiated=radiated
    )
    return asleep + busy


def server_joules(
    hardware: Hardware, spans: Sequence[Span], end: float, name: str = "server"
) -> float:
    """Return what a server drew until `end`: idle power always, compute power while it works."""
    works = ("aggregate", "compute")
    busy = sum(s.end - s.start for s in spans if s.activity in works and s.actor == name)
    return hardware.idle_power * end + hardware.compute_power * busy


def _union(intervals: Iterable[Interval]) -> list[Interval]:
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def _rest_of(intervals: Sequence[Interval], end: float) -> list[Interval]:
    """Return what lies between intervals in ascending order, from 0 to `end`."""
    edges = [0.0, *(edge for interval in intervals for edge in interval), end]
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return [(start, stop) for start, stop in pairs if start < stop]


def _common(one: Sequence[Interval], other: Sequence[Interval]) -> list[Interval]:
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


def _length(intervals: Sequence[Interval]) -> float:
    return sum(end - start for start, end in intervals)
