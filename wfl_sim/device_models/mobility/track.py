"""The contract of mobility, and tracks: paths of straight legs, drawn as far as needed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import hypot, inf
from typing import ClassVar, Final, Protocol

import numpy as np

from wfl_sim.config.registry import Registry

NO_REGION: Final = (
    "needs an area with an extent (ring, rectangle, cells), and positions have none; "
    "a `trace` brings its own places"
)


class Mobility(Protocol):
    """How the devices of a group move.

    >>> import itertools
    >>> class Eastwards:
    ...     moves, pace = True, 2.0
    ...
    ...     def check(self, count):
    ...         pass
    ...
    ...     def track(self, member, region, rng):
    ...         legs = ((10.0 * leg, (20.0 * leg, 0.0)) for leg in itertools.count(1))
    ...         return Track((0.0, 0.0), legs)
    >>> Eastwards().track(0, region=None, rng=None).at(25.0)
    (50.0, 0.0)
    """

    @property
    def moves(self) -> bool:
        """Whether they do."""

    @property
    def pace(self) -> float | None:
        """Speed in m/s that sets the Doppler shift; None for the speed that the scenario gives."""

    def check(self, count: int) -> None:
        """Raise LocatedError where so many devices cannot be moved."""

    def track(self, member: int, region: Region | None, rng: np.random.Generator) -> Track:
        """Return where a device is over time.

        Args:
            member: number of the device within its group.
            region: where the group may move; None where places are given.
            rng: the device's own stream.
        """


MOBILITIES: Registry[Mobility] = Registry("mobility", Mobility)


Point = tuple[float, float]
Leg = tuple[float, Point]
"""Time in s at which a leg ends, and the position in m."""


@dataclass(frozen=True)
class Region:
    """Where a device may move."""

    draw: Callable[[np.random.Generator], Point]
    """Draws a position, uniform over the region."""
    centre: Point
    radius: float
    """Radius in m of a circle around the region."""


class Track:
    """Where one device is at any time.

    Legs are drawn one after the other from the device's own stream, so the answer depends neither
    on earlier questions nor on other devices. After the last leg the device stays.
    """

    def __init__(self, start: Point, legs: Iterable[Leg]) -> None:
        self._legs = iter(legs)
        self._times = [0.0]
        self._places = [start]
        self._travelled = [0.0]
        self._over = False

    def __repr__(self) -> str:
        return f"Track({len(self._times) - 1} legs until {self._times[-1]:.6g} s)"

    def at(self, time: float) -> Point:
        """Return the place in m at a time in s, not before zero."""
        leg = self._leg(time)
        if leg is None:
            return self._places[-1]
        (x, y), (to_x, to_y) = self._places[leg], self._places[leg + 1]
        part = (time - self._times[leg]) / (self._times[leg + 1] - self._times[leg])
        return x + part * (to_x - x), y + part * (to_y - y)

    def travelled(self, time: float) -> float:
        """Return the m travelled from zero until a time in s."""
        leg = self._leg(time)
        if leg is None:
            return self._travelled[-1]
        part = (time - self._times[leg]) / (self._times[leg + 1] - self._times[leg])
        return self._travelled[leg] + part * (self._travelled[leg + 1] - self._travelled[leg])

    def after(self, time: float, distance: float) -> float:
        """Return the s at which `distance` more m will have been travelled; infinite if never."""
        goal = self.travelled(time) + distance
        while self._travelled[-1] < goal:
            if not self._extend():
                return inf
        leg = bisect_right(self._travelled, goal) - 1
        if leg == len(self._travelled) - 1:
            return self._times[self._travelled.index(self._travelled[-1])]
        part = (goal - self._travelled[leg]) / (self._travelled[leg + 1] - self._travelled[leg])
        return self._times[leg] + part * (self._times[leg + 1] - self._times[leg])

    def _leg(self, time: float) -> int | None:
        """Return the leg that `time` lies in; None after the last."""
        while self._times[-1] <= time:
            if not self._extend():
                return None
        return bisect_right(self._times, time) - 1

    def _extend(self) -> bool:
        if self._over:
            return False
        leg = next(self._legs, None)
        if leg is None:
            self._over = True
            return False
        until, place = leg
        if until > self._times[-1]:
            last = self._places[-1]
            length = hypot(place[0] - last[0], place[1] - last[1])
            self._travelled.append(self._travelled[-1] + length)
            self._times.append(until)
            self._places.append(place)
        return True


@MOBILITIES("static")
@dataclass(frozen=True, kw_only=True)
class Static:
    """Devices stay where they were dropped."""

    moves: ClassVar[bool] = False
    pace: ClassVar[float | None] = None

    def check(self, count: int) -> None:
        """Accept any number of devices."""

    def track(self, member: int, region: Region | None, rng: np.random.Generator) -> Track:
        """Raise ValueError: there is no track."""
        raise ValueError("devices that stay have no track")
