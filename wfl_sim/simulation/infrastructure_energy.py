"""Energy of base stations and servers, from the spans of a run."""

from collections.abc import Iterable, Sequence

from wfl_sim.device_models.hardware import Hardware
from wfl_sim.radio.base_station_power import BaseStationPower, Interval
from wfl_sim.records import Span


def station_joules(
    station: BaseStationPower,
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
