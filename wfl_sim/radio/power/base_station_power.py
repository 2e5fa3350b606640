"""Energy of base stations from the time in which they send, receive and rest.

It is computed after the run: the power depends on whether anything is sent or received in the cell,
as the spans of the devices tell. A cell that sends does so on the whole band.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, Protocol

from channel_models.units import PositiveWatt, Seconds
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.fields import PositiveInt
from wfl_sim.config.registry import Registry

Interval = tuple[float, float]

_EARTH: Final = {
    "macro": (6, 20.0, 130.0, 4.7, 75.0),
    "rrh": (6, 20.0, 84.0, 2.8, 56.0),
    "micro": (2, 6.3, 56.0, 2.6, 39.0),
    "pico": (2, 0.13, 6.8, 4.0, 4.3),
    "femto": (2, 0.05, 4.8, 8.0, 2.9),
}
"""Transceivers, and for each of them: largest W radiated, W at no load, slope, W asleep."""


class BaseStationPower(Protocol):
    """The energy of a base station, and how long it takes to wake up.

    >>> class Constant:  # 500 W, and 200 W more while it sends
    ...     sleeps = False
    ...
    ...     def problem(self, radiated: float) -> str:
    ...         return "" if radiated <= 100 else f"must be at most 100 W, got {radiated:g} W"
    ...
    ...     def waking(self, rest: float) -> float:
    ...         return 0.0
    ...
    ...     def resting(self, rest: float, *, woken: bool) -> float:
    ...         return 500.0 * rest
    ...
    ...     def joules(self, *, down: float, up: float, both: float, radiated: float) -> float:
    ...         return 500.0 * (down + up + both) + 200.0 * (down + both)
    >>> Constant().joules(down=1.0, up=2.0, both=0.5, radiated=40.0)
    2050.0
    """

    @property
    def sleeps(self) -> bool:
        """Whether it ever takes time to wake up."""

    def problem(self, radiated: float) -> str:
        """Return what is wrong with radiating so many W; an empty text if nothing is."""

    def waking(self, rest: float) -> float:
        """Return the time in s that waking up takes after so many s without traffic."""

    def resting(self, rest: float, *, woken: bool) -> float:
        """Return the energy in J of a rest of so many s, and of waking up if it was `woken`."""

    def joules(self, *, down: float, up: float, both: float, radiated: float) -> float:
        """Return the energy in J of a time with traffic.

        Args:
            down: s of sending alone.
            up: s of receiving alone.
            both: s of both at once.
            radiated: W while it sends.
        """


STATIONS: Registry[BaseStationPower] = Registry("station", BaseStationPower)


@STATIONS("earth")
@dataclass(frozen=True, kw_only=True)
class EarthModel:
    """P = N (P0 + slope P_out) while it sends, N P_sleep or N P0 else (Auer et al. 2011).

    "How much energy is needed to run a wireless network?", IEEE Wireless Communications 18(5),
    table 2; the values are from memory. P_out is the power of one of the N transceivers.
    """

    type: Literal["macro", "rrh", "micro", "pico", "femto"] = "macro"
    sleep: bool = False
    """Whether it sleeps while there is no traffic, without delay."""
    transceivers: PositiveInt | None = None
    """N; without it that of the table: 2, and 6 of a macro site or rrh, those of three sectors. A
    sector that is a cell of its own has 2."""
    sleeps: ClassVar[bool] = False
    """Never: waking up takes no time in this model."""

    def problem(self, radiated: float) -> str:
        """Refuse a power beyond what the type can radiate."""
        most = self._count * _EARTH[self.type][1]
        if radiated <= most:
            return ""
        return f"must be at most {most:g} W for type {self.type}, got {radiated:g} W"

    def waking(self, rest: float) -> float:
        """Return 0: waking up takes no time."""
        return 0.0

    def resting(self, rest: float, *, woken: bool) -> float:
        """Return the J of the whole site without traffic."""
        _, _, least, _, asleep = _EARTH[self.type]
        return self._count * (asleep if self.sleep else least) * rest

    def joules(self, *, down: float, up: float, both: float, radiated: float) -> float:
        """Return the J of the whole site with traffic."""
        _, _, least, slope, _ = _EARTH[self.type]
        return self._count * least * (down + up + both) + slope * radiated * (down + both)

    @property
    def _count(self) -> int:
        return self.transceivers or _EARTH[self.type][0]


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
        """Accept any power: the scale is relative."""
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
