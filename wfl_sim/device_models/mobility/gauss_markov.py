"""Gauss-Markov mobility: a velocity with exponential autocorrelation."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import hypot, inf, sqrt
from typing import ClassVar, Final

import numpy as np

from channel_models.elementary import cosine_and_sine, exp
from channel_models.units import Interval, MetresPerSecond, PositiveSeconds
from wfl_sim.config.errors import LocatedError
from wfl_sim.device_models.mobility.track import MOBILITIES, NO_REGION, Leg, Point, Region, Track

_SHORTEST: Final = 1e-9
"""s of a way to the circle: a device that runs along it ends its leg."""


@MOBILITIES("gauss-markov")
@dataclass(frozen=True, kw_only=True)
class GaussMarkov:
    """``v' = a v + (1 - a) m + sqrt(1 - a^2) sigma w`` with ``a = exp(-interval / memory)``.

    Liang and Haas (INFOCOM 1999), in the plane: w is standard normal in each direction, and the
    velocity starts in its stationary law N(m, sigma^2). The mean velocity m has a direction drawn
    for each device. Where its way meets the circle around its area, v and m are mirrored, so that
    the places stay uniform over the circle.
    """

    speed: MetresPerSecond = 0.0
    """Magnitude of the mean velocity m, in m/s."""
    sigma: MetresPerSecond = 1.0
    """Standard deviation of the velocity in x and in y, in m/s."""
    memory: PositiveSeconds = 20.0
    interval: Interval = 1.0
    """Seconds between changes of the velocity."""
    moves: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.pace == 0:
            raise LocatedError("must not be 0 when speed is 0: nothing would move", "sigma")

    @property
    def pace(self) -> float | None:
        """Root mean square, m/s: ``sqrt(speed^2 + 2 sigma^2)``."""
        return sqrt(self.speed**2 + 2 * self.sigma**2)

    def check(self, count: int) -> None:
        """Accept any number of devices."""

    def track(self, member: int, region: Region | None, rng: np.random.Generator) -> Track:
        """Return the track of a device that begins anywhere in a region."""
        if region is None:
            raise LocatedError(NO_REGION)
        start = region.draw(rng)
        return Track(start, self._legs(region, start, rng))

    def _legs(
        self, region: Region, start: tuple[float, float], rng: np.random.Generator
    ) -> Iterator[Leg]:
        state, place, number = _Velocity(self, rng), start, 0
        while True:
            left = self.interval
            number += 1
            while (hit := _seconds_to_rim(place, state.now, region)) < left - _SHORTEST:
                left -= hit
                place = _moved(place, state.now, hit)
                yield number * self.interval - left, place
                away = hypot(place[0] - region.centre[0], place[1] - region.centre[1])
                state.mirror(
                    ((place[0] - region.centre[0]) / away, (place[1] - region.centre[1]) / away)
                )
            place = _moved(place, state.now, left)
            yield number * self.interval, place
            state.advance(rng)


def _moved(place: Point, velocity: Point, seconds: float) -> Point:
    return place[0] + velocity[0] * seconds, place[1] + velocity[1] * seconds


def _seconds_to_rim(place: Point, velocity: Point, region: Region) -> float:
    """Return the s until a straight way meets the circle from within; inf if it does not soon."""
    x, y = place[0] - region.centre[0], place[1] - region.centre[1]
    speed = velocity[0] * velocity[0] + velocity[1] * velocity[1]
    outwards = x * velocity[0] + y * velocity[1]
    inside = region.radius * region.radius - x * x - y * y
    if not speed:
        return inf
    seconds = (sqrt(max(outwards * outwards + speed * inside, 0.0)) - outwards) / speed
    return seconds if seconds > _SHORTEST else inf


class _Velocity:
    """The velocity of one device, and its mean, in m/s."""

    def __init__(self, law: GaussMarkov, rng: np.random.Generator) -> None:
        self._keep = float(exp(-law.interval / law.memory))
        self._sigma = law.sigma
        cosine, sine = cosine_and_sine(rng.uniform())
        self._mean = law.speed * float(cosine), law.speed * float(sine)
        x, y = rng.standard_normal(2).tolist()
        self.now = self._mean[0] + law.sigma * x, self._mean[1] + law.sigma * y

    def advance(self, rng: np.random.Generator) -> None:
        """Go on by one interval."""
        keep, spread = self._keep, sqrt(1 - self._keep * self._keep) * self._sigma
        x, y = rng.standard_normal(2).tolist()
        self.now = (
            keep * self.now[0] + (1 - keep) * self._mean[0] + spread * x,
            keep * self.now[1] + (1 - keep) * self._mean[1] + spread * y,
        )

    def mirror(self, normal: tuple[float, float]) -> None:
        """Turn back what points along a unit vector."""
        self.now, self._mean = _mirrored(self.now, normal), _mirrored(self._mean, normal)


def _mirrored(vector: tuple[float, float], normal: tuple[float, float]) -> tuple[float, float]:
    along = vector[0] * normal[0] + vector[1] * normal[1]
    return vector[0] - 2 * along * normal[0], vector[1] - 2 * along * normal[1]
