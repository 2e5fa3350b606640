"""Track: a path of straight legs, drawn only as far as somebody has asked."""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import hypot, inf

import numpy as np

Point = tuple[float, float]
Leg = tuple[float, Point]
"""the s at which a leg ends, and the place in m"""


@dataclass(frozen=True)
class Region:
    """Where a device may move."""

    draw: Callable[[np.random.Generator], Point]
    """a place uniform over the region"""
    centre: Point
    radius: float
    """m, of a circle around the region"""


class Track:
    """Where one device is at any time.

    Legs are drawn one after the other from the device's own stream, so the answer depends neither
    on what was asked before nor on anybody else. After the last leg the device stays.
    """

    def __init__(self, start: Point, legs: Iterator[Leg]) -> None:
        self._legs = legs
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
