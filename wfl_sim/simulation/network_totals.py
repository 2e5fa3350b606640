"""What a network has used in all, and the energy of its servers and base stations."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Any, Final

from channel_models import TddPattern
from wfl_sim.config.answers import one_number
from wfl_sim.device_models.energy import COMPONENTS
from wfl_sim.device_models.hardware import Hardware
from wfl_sim.network.federation.federation import Federation
from wfl_sim.radio.power.base_station_power import BaseStationPower, Interval
from wfl_sim.records import Span
from wfl_sim.scenario.scenario import Scenario


def network_totals(scenario: Scenario, federation: Federation) -> dict[str, Any]:
    """Return the totals of the manifest that come from the network, at the end of a run.

    What a scenario does not have (batteries, handovers, users beside the federation, carbon, ways
    out of coverage, uploads that are not used, an end for want of devices) is not among them.
    """
    now, context, carbon = federation.env.now, federation.context, scenario.carbon
    joules = context.ledger.components(now).sum(axis=0)
    own = [span for span in context.spans if not span.activity.startswith("user-")]
    since = ((each.name, each.reachability.uncovered_since) for each in federation.devices)
    optional = {
        "batteries": _batteries(federation),
        "handovers": _handovers(federation),
        "background": asdict(context.background) if federation.background else {},
        "grams_co2": {} if carbon is None else carbon.grams(own),
        "out_of_coverage": {name: start for name, start in since if start is not None},
        "unused_uploads": context.unused_uploads or {},
        "all_lost": federation.all_lost or {},
    }
    return {
        "simulated_seconds": now,
        "bits": {**asdict(context.traffic), "under_way_up": context.traffic.under_way_up},
        "rounds": {"aggregations": context.aggregations, "empty": context.empty_aggregations},
        "joules": dict(zip(COMPONENTS, joules.tolist(), strict=True)),
        "infrastructure_joules": infrastructure_joules(scenario, federation),
        **{name: value for name, value in optional.items() if value != {}},
    }


def _batteries(federation: Federation) -> dict[str, float]:
    """Return start, end, charged and spilled energy of all batteries, in J; empty without any."""
    states = (device.power_meter.battery_state for device in federation.devices)
    batteries = [state for state in states if state is not None]
    if not batteries:
        return {}
    return {
        "start": sum(state.battery.initial * state.battery.capacity for state in batteries),
        "end": sum(state.level for state in batteries),
        "charged": sum(state.charged for state in batteries),
        "spilled": sum(state.spilled for state in batteries),
    }


def _handovers(federation: Federation) -> dict[str, float]:
    """Return the number of handovers and the s that they interrupted; empty without any."""
    counters, spans = federation.context.handovers, federation.context.spans
    if not counters.count:
        return {}
    gaps = [span.end - span.start for span in spans if span.activity == "handover"]
    return {
        "count": counters.count,
        "ping_pong": counters.ping_pong,
        "interrupted_seconds": sum(gaps),
    }


_ON_AIR: Final = (("download", "user-download"), ("upload", "user-upload"))
"""Activities in which a base station sends, and receives."""
_SLOT: Final = 0.5e-3
"""s of a rest between slots: too short for any sleep that needs time."""


def infrastructure_joules(scenario: Scenario, federation: Federation) -> dict[str, float]:
    """Return the energy that servers and base stations drew, by their name, in J."""
    spans, end = federation.context.spans, federation.env.now
    joules = {"server": server_joules(scenario.server.hardware, spans, end)}
    for edge in federation.edges:
        joules[edge.name] = server_joules(edge.server.hardware, spans, end, edge.name)
    for index, cell in enumerate(scenario.base_stations):
        if cell.station is not None:
            name = f"cell-{index}"
            sleep = federation.base_station_sleeps.get(name)
            wakings, held = ((), ()) if sleep is None else (sleep.wakings, sleep.held)
            power = cell.downlink.power
            joules[name] = station_joules(
                cell.station,
                spans,
                name,
                end,
                power,
                wakings,
                held=held,
                tdd=cell.tdd,
                pauses=federation.context.pauses,
            )
    return joules


def server_joules(
    hardware: Hardware, spans: Sequence[Span], end: float, name: str = "server"
) -> float:
    """Return the energy that a server drew until `end` s, in J.

    It draws idle power all the time, and compute power while it aggregates or computes.
    """
    works = ("aggregate", "compute")
    busy = sum(s.end - s.start for s in spans if s.activity in works and s.actor == name)
    return hardware.idle_power * end + hardware.compute_power * busy


def station_joules(
    station: BaseStationPower,
    spans: Sequence[Span],
    cell: str,
    end: float,
    radiated: float,
    wakings: Sequence[Interval] = (),
    *,
    held: Sequence[Interval] = (),
    tdd: TddPattern | None = None,
    pauses: Mapping[str, Sequence[Interval]] = MappingProxyType({}),
) -> float:
    """Return the energy that the base station of a cell drew, from the spans of its devices, in J.

    Args:
        station: Power model of the base station.
        spans: Spans of the devices of all cells.
        cell: Name of the cell.
        end: End of the run in s.
        radiated: Radiated power while the station sends, in W.
        wakings: Intervals in s in which the station woke up. Uploads wait during them.
        held: Intervals in s in which someone waited for access, so that the station did not sleep.
        tdd: Pattern of time-division duplex. The station then sends and receives in the slots of
            each direction alone, and rests in between.
        pauses: Waits of each actor for acknowledgements in s, in which nothing is sent or received.
    """
    awake, here = _rest_of(wakings, end), [span for span in spans if span.cell == cell]
    down, begun = (_on_air(here, names, {}, end) for names in _ON_AIR)
    traffic = _union((*down, *_common(begun, awake), *_common(_union(held), awake)))
    if pauses:
        down, begun = (_on_air(here, names, pauses, end) for names in _ON_AIR)
    up = _common(begun, awake)
    both = _length(_common(down, up))
    woken = {start for start, _ in wakings}
    rests = _rest_of(_union((*traffic, *wakings)), end)

    def joules(member: str, value: float) -> float:
        return one_number(station, member, value, least=0)

    asleep = sum(joules("resting", station.resting(b - a, woken=b in woken)) for a, b in rests)
    sends, receives = _length(down), _length(up)
    if tdd is not None:
        sends, receives = sends * tdd.share("downlink"), receives * tdd.share("uplink")
        both = 0.0
    if tdd is not None or pauses or held:
        between = _length(traffic) - (sends + receives - both)
        asleep += joules("resting", station.resting(_SLOT, woken=False)) * between / _SLOT
    spent = station.joules(down=sends - both, up=receives - both, both=both, radiated=radiated)
    return asleep + joules("joules", spent)


def _on_air(
    spans: Iterable[Span],
    activities: Sequence[str],
    pauses: Mapping[str, Sequence[Interval]],
    end: float,
) -> list[Interval]:
    """Return when anybody had one of these activities, without the pauses of each."""
    found: dict[str, list[Interval]] = defaultdict(list)
    for span in spans:
        if span.activity in activities:
            found[span.actor].append((span.start, span.end))
    return _union(
        each
        for actor, mine in found.items()
        for each in _common(mine, _rest_of(pauses.get(actor, ()), end))
    )


def _union(intervals: Iterable[Interval]) -> list[Interval]:
    """Return intervals in ascending order, with overlapping ones merged."""
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def _rest_of(intervals: Sequence[Interval], end: float) -> list[Interval]:
    """Return the gaps between intervals in ascending order, from 0 to `end`."""
    edges = [0.0, *(edge for interval in intervals for edge in interval), end]
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return [(start, stop) for start, stop in pairs if start < stop]


def _common(one: Sequence[Interval], other: Sequence[Interval]) -> list[Interval]:
    """Return the intersection of two lists of disjoint intervals in ascending order."""
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
