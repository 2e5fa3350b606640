"""Remarks: what a reader of results must know of a run, each said in one line."""

import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import log10
from pathlib import Path
from typing import Any, Final

from channel_models import AttenuatedShannon, OutOfRangeWarning
from wfl_sim.config.errors import Location
from wfl_sim.device_models.availability import TraceAvailability
from wfl_sim.device_models.mobility.trace import Trace
from wfl_sim.methods.method import METHODS, is_weighted_mean
from wfl_sim.methods.robust import Krum, Median, TrimmedMean
from wfl_sim.network.carriers.backhaul_graph import nearest
from wfl_sim.radio.allocation import MinimumEnergy, MinimumMakespan
from wfl_sim.radio.allocation.allocator import ALLOCATORS
from wfl_sim.radio.bands.cochannel import shares_bands
from wfl_sim.radio.channel.propagation import FROZEN
from wfl_sim.radio.power.base_station_power import EarthModel
from wfl_sim.rounds import Asynchronous, Centralised, Hierarchical, Tiers
from wfl_sim.scenario.scenario import Scenario
from wfl_sim.simulation.feasibility import OutOfReach
from wfl_sim.state import State, is_finite

_NAMED: Final = 10
"""Devices that a line names; the manifest has all."""
_LOUDEST: Final = 4.0
"""W: terminals of TS 38.101 radiate 35 dBm at most, stations of Wi-Fi 36 dBm."""
_MEANT: Final = 50.0
"""No power of a device is a larger number of dBm; more W are meant as they are."""


def remarks(totals: Mapping[str, Any]) -> list[str]:
    """Return the remarks that follow from the totals of a run."""
    rounds, under_way = totals["rounds"], totals["bits"]["under_way_up"]
    lines = []
    if rounds["empty"]:
        lines.append(f"{rounds['empty']} of {rounds['aggregations']} rounds aggregated nothing")
    if unused := totals.get("unused_uploads"):
        lines.append(f"{unused:,} uploads arrived and were not used: too late, or too old a state")
    if under_way:
        lines.append(
            f"{under_way:,} bits of uploads were under way to the server when the run ended, "
            "neither received nor lost"
        )
    lines += [
        f"{name} is out of reach from {start:,.6g} s on"
        for name, start in [*totals.get("out_of_coverage", {}).items()][:3]
    ]
    if left_out := totals.get("uploads_left_out"):
        lines.append(not_finite_remark(left_out))
    if broken := totals.get("not_finite"):
        lines.append(
            f"training has diverged: values that are not finite in the states of {_first(broken)}"
        )
    return lines


def not_finite_remark(left_out: Mapping[str, Sequence[int]]) -> str:
    """Return a line on the uploads that were left out, from their rounds by sender."""
    said = [f"{name} in round {_first(rounds)}" for name, rounds in left_out.items()]
    return f"uploads that are not finite were left out: {_first(said, '; ')}"


def _first(values: Sequence[object], comma: str = ", ") -> str:
    """Return the first three as a text."""
    return comma.join([*map(str, values[:3]), *(["..."] if len(values) > 3 else [])])


def trace_remarks(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Yield the keys of traces that do not fit their group or the clock of the run, and how."""
    for number, group in enumerate(scenario.devices):
        for key, trace in (("availability", group.availability), ("mobility", group.mobility)):
            if not isinstance(trace, TraceAvailability | Trace):
                continue
            if unused := trace.unused(group.count):
                yield ("devices", number, key), f"{Path(trace.path).name} has {unused}"


def frozen_remarks(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Yield the groups that do not move at all where fading follows the Doppler shift."""
    follows = any(cell.channel.follows_speed for cell in scenario.base_stations)
    for number, group in enumerate(scenario.devices):
        if follows and group.pace == 0:
            yield (
                ("devices", number, "speed"),
                f"{FROZEN} for the whole run (`static` has no fading, `block` draws anew)",
            )


def loud_remarks(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Yield the powers of devices that were perhaps meant in dBm and are read in W."""
    for number, group in enumerate(scenario.devices):
        if _LOUDEST < group.power <= _MEANT:
            yield (
                ("devices", number, "power"),
                f"{group.power:g} W are {10 * log10(group.power) + 30:.1f} dBm, more than any "
                f"class of terminal has (write `{group.power:g} dBm` if that is meant)",
            )


def burst_remarks(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Yield what the average load misses, where rounds send to all devices at one moment."""
    averaged = scenario.interference == "load-average" and scenario.load_memory > 0
    waits = not isinstance(scenario.rounds, Asynchronous | Centralised)
    if averaged and waits and shares_bands(scenario.base_stations):
        yield (
            ("interference",),
            f"the load of neighbours is an average over {scenario.load_memory:g} s, so the bursts "
            "of synchronous rounds meet too little of it (`load_memory: 0 s` takes the moment)",
        )


def sector_remarks(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Yield the base stations that are charged for a whole site each, where they share one."""
    sites = Counter(cell.position for cell in scenario.base_stations)
    for number, cell in enumerate(scenario.cells):
        station, most = cell.station, max(sites.values())
        shares = most if scenario.layout is not None else sites[cell.position]
        if not isinstance(station, EarthModel) or station.transceivers is not None:
            continue
        if station.type in ("macro", "rrh") and shares > 1:
            yield (
                ("cells", number, "station"),
                f"each of {shares} cells at one place is charged for the transceivers of a site "
                "(`transceivers: 2` are those of a sector)",
            )


def wifi_remarks(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Yield the access points that share their channel with others, whom they do not hear here."""
    channels = Counter(cell.carrier for cell in scenario.base_stations if cell.wifi is not None)
    for number, cell in enumerate(scenario.cells):
        if cell.wifi is not None and (others := channels[cell.carrier] - 1):
            yield (
                ("cells", number, "wifi"),
                f"{others} more access points are on this carrier, and neither contend nor "
                "interfere with it: each has a channel of its own",
            )


def modem_remarks(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Yield the modems whose states are those of NR, where stations contend for a channel."""
    if any(cell.wifi is not None for cell in scenario.base_stations):
        for number, group in enumerate(scenario.devices):
            if group.modem is not None:
                yield (
                    ("devices", number, "modem"),
                    "the states of TR 38.840 know no contention: over Wi-Fi a sender draws that of "
                    "its mean radiated power as long as a transfer lasts, which is too much",
                )


def rate_remarks(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Yield the uplinks that have the default constants of a rate, which are the downlink's."""
    for number, cell in enumerate(scenario.cells):
        if getattr(cell.uplink.rate, "map", cell.uplink.rate) == AttenuatedShannon():
            yield (
                ("cells", number, "uplink", "rate"),
                "attenuated-shannon has the constants of the downlink unless given: those of the "
                "uplink are `attenuation: 0.4, cap: 2` (TR 36.942 Annex A)",
            )


def window_remarks(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Yield the transports whose windows hide from an allocator what it plans by."""
    for number, cell in enumerate(scenario.cells):
        for side in (cell.uplink, cell.downlink):
            plans = isinstance(side.allocator, MinimumEnergy | MinimumMakespan)
            if cell.transport is not None and plans:
                yield (
                    ("cells", number, "transport"),
                    f"{ALLOCATORS.label(side.allocator)} plans with the bits of the present window "
                    "alone, so the first ones of a transfer take its time and may miss a deadline",
                )


def robust_remarks(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Yield what a robust rule cannot do with as few uploads as an aggregation has."""
    rule, most, text = scenario.server.robust, scenario.most_uploads, ""
    if isinstance(rule, Median) and most <= 2:
        text = "the median of one or two uploads is their mean, and an aggregation has no more"
    elif isinstance(rule, TrimmedMean) and round(rule.share * most, 6) < 1:
        text = f"a share of {rule.share:g} leaves out none of at most {most} uploads: the mean"
    elif isinstance(rule, Krum) and rule.take >= most:
        text = f"takes {rule.take} of at most {most} uploads, which is the mean"
    elif isinstance(rule, Krum) and 2 * rule.wrong + 2 >= most:
        text = (
            f"to stand {rule.wrong} wrong uploads krum needs {2 * rule.wrong + 3}, "
            f"and an aggregation has at most {most}"
        )
    if text:
        yield ("server", "robust"), text


def stale_remarks(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Yield that no rule of staleness acts where a method combines uploads by itself."""
    rounds, method = scenario.rounds, scenario.method
    late = getattr(rounds, "late", "") == "fold"
    if not (late or isinstance(rounds, Asynchronous | Tiers)) or is_weighted_mean(method):
        return
    if any(part.shared for part in method.parts):
        name = METHODS.name_of(method)
        text = f"{name} takes an upload as it is, however stale: it does not average"
        yield ("rounds", "late" if late else "kind"), text


def warm_up_remarks(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Yield that a warm-up over rounds outlasts the run, so that no update learns at `lr`."""
    rise = getattr(getattr(scenario.method, "local", None), "warmup_rounds", 0)
    rounds = getattr(scenario.rounds, "count", rise)
    if rise > rounds:
        text = f"its rate never reaches lr: {rise} rounds of warm-up, and the run has {rounds}"
        yield ("method", "local", "warmup_rounds"), text


def edge_remarks(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Yield the edge servers to which no cell belongs."""
    if scenario.backhaul is None or not isinstance(scenario.rounds, Hierarchical):
        return
    cells = [f"cell-{number}" for number in range(len(scenario.base_stations))]
    graph, names = scenario.backhaul.graph(cells), scenario.backhaul.edge_servers
    hubs = {nearest(graph, cell, names) for cell in cells}
    for number, name in enumerate(names):
        if name not in hubs:
            text = f"no cell is nearest to {name}, which takes no part"
            yield ("backhaul", "edge_servers", number), text


def scenario_remarks(scenario: Scenario) -> Iterator[tuple[Location, str]]:
    """Yield the keys that are not as they seem, each with a line."""
    for remark in (
        trace_remarks,
        frozen_remarks,
        burst_remarks,
        loud_remarks,
        sector_remarks,
        wifi_remarks,
        modem_remarks,
        rate_remarks,
        window_remarks,
        robust_remarks,
        stale_remarks,
        warm_up_remarks,
        edge_remarks,
    ):
        yield from remark(scenario)


def left_out_remarks(out_of_reach: OutOfReach, excluded: Sequence[int]) -> Iterator[str]:
    """Yield a line for the devices that take no part, by why, and one for those in outage."""
    far, failing = out_of_reach.excluded, out_of_reach.outage
    small = [index for index in excluded if index not in far]
    for devices, what in (
        (small, "take no part, a local step exceeds their memory"),
        ([*far], "take no part, out of reach"),
        ([*failing], "are in outage, every upload fails"),
    ):
        if devices:
            names = ", ".join(f"device-{index}" for index in devices[:_NAMED])
            more = f" and {len(devices) - _NAMED} more" if len(devices) > _NAMED else ""
            reason = (far | failing).get(devices[0])
            why = f" (device-{devices[0]} has {reason})" if reason else ""
            yield f"{what}: {names}{more}{why}"


def not_finite(states: Mapping[str, State]) -> list[str]:
    """Return the names of states that hold NaN or infinite values."""
    return [name for name, state in states.items() if not is_finite(state)]


@contextmanager
def ranges_said_once(warn: Callable[[str], None]) -> Iterator[None]:
    """Say in one line, at the end, what path-loss models warn of again and again in this context.

    Args:
        warn: called with the first warning, and the number of those after it.
    """
    first, more = "", 0

    def show(message: Any, category: Any, filename: Any, lineno: Any, *rest: Any) -> None:
        nonlocal first, more
        if not issubclass(category, OutOfRangeWarning):
            shown(message, category, filename, lineno, *rest)
            return
        more += bool(first)
        first = first or str(message)

    with warnings.catch_warnings():
        warnings.simplefilter("always", OutOfRangeWarning)
        shown = warnings.showwarning
        warnings.showwarning = show  # type: ignore[assignment]
        yield
    if first:
        warn(first + (f" (and {more:,} more such distances)" if more else ""))
