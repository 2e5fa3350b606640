"""Availability of devices: the intervals of time in which each can be reached.

A device that goes away in the middle of its work abandons it. It comes back with the private
state of the last round that it took part in to the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Protocol

import numpy as np

from channel_models.units import Interval, Seconds
from wfl_sim.config.csv_tables import read_intervals
from wfl_sim.config.errors import LocatedError, counted
from wfl_sim.config.fields import FilePath
from wfl_sim.config.registry import Registry


class Availability(Protocol):
    """When a device of a group can be reached.

    >>> import itertools
    >>> class EveryOtherMinute:
    ...     def intervals(self, member, rng):
    ...         for minute in itertools.count(start=member % 2, step=2):
    ...             yield 60.0 * minute, 60.0 * (minute + 1)
    >>> list(itertools.islice(EveryOtherMinute().intervals(1, rng=None), 2))
    [(60.0, 120.0), (180.0, 240.0)]
    """

    def intervals(self, member: int, rng: np.random.Generator) -> Iterator[tuple[float, float]]:
        """Yield the intervals (start, end) in s of a device's presence, in ascending order.

        Intervals neither touch nor overlap; the last may end at infinity, and there may be no last.

        Args:
            member: number of the device within its group.
            rng: the device's own stream.
        """


AVAILABILITIES: Registry[Availability] = Registry("availability", Availability)


DAY = 86400.0
FOREVER = float("inf")


@AVAILABILITIES("always")
@dataclass(frozen=True)
class Always:
    """Always there."""

    def intervals(self, member: int, rng: np.random.Generator) -> Iterator[tuple[float, float]]:
        """Yield one interval without end."""
        yield 0.0, FOREVER


@AVAILABILITIES("markov")
@dataclass(frozen=True, kw_only=True)
class Markov:
    """On and off alternate, both exponentially distributed, stationary from the start.

    In the long run a device is there for on / (on + off) of the time.
    """

    on: Interval
    """Mean duration of presence, in s."""
    off: Interval
    """Mean duration of absence, in s."""

    def intervals(self, member: int, rng: np.random.Generator) -> Iterator[tuple[float, float]]:
        """Yield intervals without end; by memorylessness the first is as long as any."""
        there = rng.uniform() < self.on / (self.on + self.off)
        start = 0.0 if there else rng.exponential(self.off)
        while True:
            end = start + rng.exponential(self.on)
            yield start, end
            start = end + rng.exponential(self.off)


@AVAILABILITIES("diurnal")
@dataclass(frozen=True, kw_only=True)
class Diurnal:
    """There once a day, such as at night on the charger: from `start` on for `duration`.

    Every device has a habit of its own: `start` shifted by up to `spread`, uniformly, the same
    every day.
    """

    start: Seconds
    """Time of day in s."""
    duration: Interval
    spread: Seconds = 0.0
    begins: Seconds = 0.0
    """Time of day in s at which the simulation begins."""
    period: Interval = 86400.0

    def __post_init__(self) -> None:
        if self.duration >= self.period:
            raise LocatedError(
                f"must be less than period {self.period:g} s, got {self.duration:g} s", "duration"
            )

    def intervals(self, member: int, rng: np.random.Generator) -> Iterator[tuple[float, float]]:
        """Yield one interval a period, without end."""
        shift = self.start - self.begins + rng.uniform(-self.spread, self.spread)
        start = shift % self.period - self.period
        while True:
            if start + self.duration > 0:
                yield max(start, 0.0), start + self.duration
            start += self.period


@AVAILABILITIES("trace")
@dataclass(frozen=True, kw_only=True)
class TraceAvailability:
    """As recorded: a CSV file with the columns device, start (s), end (s).

    `device` counts within the group; a device without a row is never there. Nothing repeats: after
    its last row a device stays away.
    """

    path: Annotated[str, FilePath()]
    begins: Seconds = 0.0
    """Time of the file in s at which the simulation begins; what was before is left out."""

    def __post_init__(self) -> None:
        _ = self._recorded

    def check(self, count: int) -> None:
        """Refuse a file in which none of a group of `count` devices is ever there.

        And one that numbers them from 1 on.
        """
        if not any(member in self._recorded for member in range(count)):
            whom = "device 0" if count == 1 else f"devices 0 to {count - 1}"
            raise LocatedError(f"has no row of {whom}, so nobody is ever there", "path")
        if 0 not in self._recorded and count in self._recorded:
            raise LocatedError(
                f"must number devices from 0 on: it has no row of device 0, and rows of device "
                f"{count}, which the group does not have",
                "path",
            )

    def unused(self, count: int) -> str:
        """Return in words what the file and a group of `count` devices do not share."""
        away = [member for member in range(count) if member not in self._recorded]
        beyond = [member for member in self._recorded if member >= count]
        parts = [f"no row of {len(away)} of {counted(count, 'device')}: never there"] * bool(away)
        parts += [
            f"rows of {counted(len(beyond), 'device')} beyond the group, which are left out"
        ] * bool(beyond)
        begin = min(mine[0][0] for mine in self._recorded.values())
        end = max(mine[-1][1] for mine in self._recorded.values())
        if begin - self.begins > DAY:
            parts.append(
                f"nobody there before {begin:,.0f} s, and a run begins at {self.begins:,.0f} s"
            )
        if end <= self.begins:
            parts.append(
                f"nobody there after {end:,.0f} s, and a run begins at {self.begins:,.0f} s"
            )
        return " and ".join(parts)

    def intervals(self, member: int, rng: np.random.Generator) -> Iterator[tuple[float, float]]:
        """Yield the intervals of a member of the group."""
        for start, end in self._recorded.get(member, []):
            if end > self.begins:
                yield max(start - self.begins, 0.0), end - self.begins

    @cached_property
    def _recorded(self) -> dict[int, list[tuple[float, float]]]:
        return read_intervals(Path(self.path), "device")
