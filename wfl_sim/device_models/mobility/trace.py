"""Mobility traces: recorded positions over time."""

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np

from channel_models.units import Seconds, Unit
from wfl_sim.config.csv_tables import read_rows
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.fields import FilePath
from wfl_sim.device_models.availability import DAY
from wfl_sim.device_models.mobility.track import MOBILITIES, Leg, Region, Track


@MOBILITIES("trace")
@dataclass(frozen=True, kw_only=True)
class Trace:
    """A CSV file, columns device, time (s), x (m), y (m); straight lines join a device's rows.

    Devices are numbered within their group from 0 on. Before its first row a device stands where
    that says, and after its last it stays.
    """

    path: Annotated[str, FilePath()]
    begins: Seconds = 0.0
    """Time of the file in s at which the simulation begins."""
    moves: ClassVar[bool] = True
    pace: ClassVar[float | None] = None

    def __post_init__(self) -> None:
        _ = self.legs

    @cached_property
    def legs(self) -> dict[int, list[Leg]]:
        """Times in s and places in m of each device."""
        return _read(Path(self.path))

    def check(self, count: int) -> None:
        """Refuse a group of which a device is not in the file."""
        missing = [member for member in range(count) if member not in self.legs]
        if missing:
            raise LocatedError(
                f"{Path(self.path).name} must hold devices 0 to {count - 1}, has no {missing[0]}",
                "path",
            )

    def track(self, member: int, region: Region | None, rng: np.random.Generator) -> Track:
        """Return the track of a device; region and stream are not used."""
        legs = [(time - self.begins, place) for time, place in self.legs[member]]
        ahead = bisect_right(legs, 0.0, key=itemgetter(0))
        if not 0 < ahead < len(legs):
            return Track(legs[max(ahead - 1, 0)][1], iter(legs[ahead:]))
        (before, (x, y)), (after, (to_x, to_y)) = legs[ahead - 1 : ahead + 1]
        part = before / (before - after)
        return Track((x + part * (to_x - x), y + part * (to_y - y)), iter(legs[ahead:]))

    def unused(self, count: int) -> str:
        """Return in words that all times lie behind the beginning of the run, or far ahead."""
        first = min(legs[0][0] for legs in self.legs.values())
        last = max(legs[-1][0] for legs in self.legs.values())
        if first - self.begins <= DAY and self.begins <= last:
            return ""
        return f"times from {first:,.0f} to {last:,.0f} s, and a run begins at {self.begins:,.0f} s"


def _read(file: Path) -> dict[int, list[Leg]]:
    """Raise ValueError, with file and line, for anything else than times that rise."""
    found: dict[int, list[Leg]] = {}
    units = {"device": Unit("1", minimum=0.0), "time": Unit("s", minimum=0.0)}
    for line, row in read_rows(file, {**units, "x": Unit("m"), "y": Unit("m")}):
        if row["device"] != int(row["device"]):
            raise ValueError(f"{file.name}:{line}: device must be an integer, got {row['device']}")
        mine = found.setdefault(int(row["device"]), [])
        if mine and row["time"] <= mine[-1][0]:
            raise ValueError(
                f"{file.name}:{line}: time must be after {mine[-1][0]:g} s, the row before of "
                f"device {row['device']:g}, got {row['time']:g} s"
            )
        mine.append((row["time"], (row["x"], row["y"])))
    return found
