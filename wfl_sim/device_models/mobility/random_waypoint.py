"""Random waypoint mobility: straight to a point drawn uniformly, a pause there, and on."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import hypot
from typing import Annotated, ClassVar

import numpy as np

from channel_models.elementary import log, power
from channel_models.units import Seconds, Unit
from wfl_sim.config.errors import LocatedError
from wfl_sim.device_models.mobility.track import MOBILITIES, NO_REGION, Leg, Point, Region, Track

Speed = Annotated[float, Unit("m/s", minimum=0.0, exclusive=True)]


@MOBILITIES("random-waypoint")
@dataclass(frozen=True, kw_only=True)
class RandomWaypoint:
    """Random waypoint (Johnson and Maltz 1996), in its stationary law from time zero on.

    Speeds are uniform over an interval that excludes zero, else the mean speed would decay to zero.
    At time zero the trip under way is drawn with a weight of its mean duration, the place uniformly
    on it, and the speed with density proportional to 1/v (perfect simulation: Navidi and Camp,
    IEEE Trans. Mobile Computing 3(1), 2004; Le Boudec and Vojnovic, INFOCOM 2005).
    """

    slowest: Speed = 0.5
    fastest: Speed = 1.5
    pause: Seconds = 0.0
    """Seconds of rest at every waypoint."""
    moves: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.slowest > self.fastest:
            raise LocatedError(
                f"must be at most fastest, {self.fastest:g} m/s, got {self.slowest:g} m/s",
                "slowest",
            )

    @property
    def pace(self) -> float | None:
        """Mean over the time in which a device moves: ``(b - a) / ln(b / a)``, m/s."""
        return 1 / self._seconds_per_metre

    def check(self, count: int) -> None:
        """Accept any number of devices."""

    def track(self, member: int, region: Region | None, rng: np.random.Generator) -> Track:
        """Return the track of a device in a region."""
        if region is None:
            raise LocatedError(NO_REGION)
        start, goal, moving = self._trip(region, rng)
        if not moving:
            return Track(start, self._legs(region, rng, start, goal, rng.uniform() * self.pause))
        part = rng.uniform()
        here = start[0] + part * (goal[0] - start[0]), start[1] + part * (goal[1] - start[1])
        speed = self.slowest * float(power(self.fastest / self.slowest, rng.uniform()))
        return Track(here, self._legs(region, rng, here, goal, 0.0, speed))

    @property
    def _seconds_per_metre(self) -> float:
        """E[1 / V]."""
        if self.slowest == self.fastest:
            return 1 / self.slowest
        return float(log(self.fastest / self.slowest)) / (self.fastest - self.slowest)

    def _trip(self, region: Region, rng: np.random.Generator) -> tuple[Point, Point, bool]:
        """Draw the ends of the trip under way, and whether its pause is over."""
        longest = self.pause + 2 * region.radius * self._seconds_per_metre
        while True:
            start, goal = region.draw(rng), region.draw(rng)
            way = hypot(goal[0] - start[0], goal[1] - start[1]) * self._seconds_per_metre
            weight = rng.uniform() * longest
            if weight < self.pause + way:
                return start, goal, weight >= self.pause

    def _legs(
        self,
        region: Region,
        rng: np.random.Generator,
        here: Point,
        goal: Point,
        rest: float,
        speed: float | None = None,
    ) -> Iterator[Leg]:
        """Yield legs without end.

        Args:
            region: of the waypoints.
            rng: the device's stream.
            here: where the device is at time zero.
            goal: where it goes first.
            rest: s that it still pauses.
            speed: m/s of the first way; drawn unless given.
        """
        time = 0.0
        while True:
            time += rest
            yield time, here
            pace = rng.uniform(self.slowest, self.fastest) if speed is None else speed
            time += hypot(goal[0] - here[0], goal[1] - here[1]) / pace
            yield time, goal
            here, goal, rest, speed = goal, region.draw(rng), self.pause, None
