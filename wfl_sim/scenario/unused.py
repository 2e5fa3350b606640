"""Keys without effect: what is written in a scenario, is not the default, and changes nothing."""

from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from typing import Any, Final

from channel_models import LogNormal
from wfl_sim.config.documents import Document
from wfl_sim.config.errors import Location
from wfl_sim.device_models.availability import Always
from wfl_sim.learning.synthetic import Synthetic, SyntheticLearner
from wfl_sim.radio.allocation.opportunistic import Hungarian, ProportionalFair
from wfl_sim.rounds import (
    Centralised,
    Deadline,
    Hierarchical,
    OverSelection,
    OverTheAir,
    Synchronous,
)
from wfl_sim.rounds.selection import BestChannel, Oort, RoundRobin
from wfl_sim.scenario.scenario import Scenario

_NUMBERS: Final = (0.5, 2.0, 1.5)
"""Factors of a number that is tried in place of another."""


@dataclass(frozen=True)
class _Rule:
    """When a key has no effect, and why."""

    keys: str
    """Paths of keys, with spaces between; `*` is any item of a list."""
    idle: Callable[[Scenario, Any], bool]
    """Whether it has none, given the scenario and what is at the first `words` of its path."""
    why: str
    words: int = -1


_TRAINS_NOTHING: Final = "with a synthetic model, which trains nothing and has its payload given"
_RULES: Final = (
    _Rule(
        "load_memory",
        lambda scenario, _: scenario.interference != "load-average",
        "without `interference: load-average`",
    ),
    _Rule(
        "interference",
        lambda scenario, _: len(scenario.base_stations) == 1 and scenario.interference != "none",
        "with one cell",
    ),
    _Rule("cells.*.bias", lambda scenario, _: len(scenario.base_stations) == 1, "with one cell"),
    _Rule(
        "cells.*.channel.entry",
        lambda scenario, _: not any(group.indoor for group in scenario.devices),
        "where no device is in a building",
    ),
    _Rule(
        "cells.*.channel.pathloss.sigma",
        lambda _, channel: channel.shadowing != LogNormal(sigma=channel.pathloss.sigma),
        "beside a `shadowing`",
        words=3,
    ),
    _Rule(
        "cells.*.channel.fading.delay_spread",
        lambda _, fading: getattr(fading, "profile", "") == "flat",
        "with a flat profile",
    ),
    _Rule(
        "cells.*.tdd.special",
        lambda _, tdd: "S" not in tdd.pattern,
        "in a pattern without a special slot",
    ),
    _Rule(
        "handover",
        lambda scenario, _: not any(group.moves for group in scenario.devices),
        "where no device moves",
    ),
    _Rule(
        "backhaul.edge_servers",
        lambda scenario, _: not isinstance(scenario.rounds, Hierarchical),
        "without `rounds: hierarchical`",
    ),
    _Rule(
        "backhaul.hardware", lambda scenario, graph: not graph.edge_servers, "without edge servers"
    ),
    _Rule(
        "cells.*.backhaul",
        lambda scenario, _: scenario.backhaul is not None,
        "beside a `backhaul` for all cells",
    ),
    _Rule(
        "cells.*.uplink.averaging cells.*.downlink.averaging",
        lambda _, band: (
            not isinstance(band.allocator, (ProportionalFair, Hungarian))
            and type(band.allocator).__module__.startswith("wfl_sim.")
        ),
        "with an allocator that looks at no average",
    ),
    _Rule(
        "cells.*.uplink.allocator cells.*.downlink.allocator cells.*.uplink.rate "
        "cells.*.downlink.rate cells.*.uplink.csi_delay cells.*.downlink.csi_delay "
        "cells.*.uplink.subband cells.*.downlink.subband cells.*.uplink.overhead "
        "cells.*.downlink.overhead cells.*.uplink.block_snr cells.*.uplink.csi_error "
        "cells.*.downlink.csi_error cells.*.uplink.averaging cells.*.downlink.averaging "
        "cells.*.subcarrier_spacing",
        lambda _, cell: cell.wifi is not None or cell.wired is not None,
        "beside `wifi` or `wired`",
        words=2,
    ),
    _Rule(
        "cells.*.carrier cells.*.bandwidth cells.*.height cells.*.antenna cells.*.channel "
        "cells.*.downlink.power cells.*.downlink.noise_figure cells.*.downlink.outside "
        "cells.*.uplink.noise_figure cells.*.uplink.outside",
        lambda scenario, cell: cell.wired is not None and len(scenario.base_stations) == 1,
        "where the one cell is `wired`",
        words=2,
    ),
    _Rule(
        "evaluation.every",
        lambda _, evaluation: evaluation.interval is not None,
        "beside `interval`",
    ),
    _Rule("method.local.steps", lambda _, local: local.epochs > 0, "beside `epochs`"),
    _Rule(
        "payload.upload payload.download",
        lambda scenario, _: isinstance(scenario.rounds, Centralised),
        "in centralised training, which sends nothing",
    ),
    _Rule(
        "devices.*.speed",
        lambda _, group: group.mobility.pace is not None,
        "beside a mobility with a speed of its own",
    ),
    _Rule(
        "devices.*.away_power",
        lambda _, group: isinstance(group.availability, Always) and group.battery is None,
        "for devices that are always there",
    ),
    _Rule(
        "devices.*.compute.precision devices.*.hardware.peak devices.*.hardware.utilisation "
        "devices.*.hardware.bandwidth devices.*.hardware.step_overhead "
        "devices.*.hardware.compute_power",
        lambda _, group: group.compute.table is not None,
        "beside a `table` of measured seconds and watts",
        words=2,
    ),
    _Rule(
        "devices.*.hardware.receive_power devices.*.hardware.transmit_circuit_power "
        "devices.*.hardware.amplifier_efficiency",
        lambda _, group: group.modem is not None,
        "beside a `modem`, which has powers of its own",
        words=2,
    ),
    _Rule(
        "devices.*.battery.restart",
        lambda _, battery: not battery.revives,
        "for a battery that is never charged",
    ),
    _Rule(
        "server.staleness",
        lambda scenario, _: (
            type(scenario.rounds) in (Synchronous, Centralised, OverTheAir, Hierarchical)
        ),
        "in rounds that wait for all",
    ),
    _Rule(
        "server.staleness",
        lambda scenario, _: (
            isinstance(scenario.rounds, OverSelection)
            or (isinstance(scenario.rounds, Deadline) and scenario.rounds.late == "drop")
        ),
        "in rounds that drop what is late",
    ),
    _Rule(
        "rounds.select",
        lambda scenario, rounds: (
            isinstance(rounds.select, (BestChannel, RoundRobin, Oort))
            and rounds.clients in (0, scenario.device_count)
        ),
        "where every device is asked",
    ),
    _Rule(
        "privacy.noise privacy.delta",
        lambda _, privacy: not privacy.noise_multiplier,
        "without a `noise_multiplier`",
    ),
    _Rule(
        "model.cut",
        lambda scenario, model: (
            SyntheticLearner(model, scenario.method).workload(0).exchange is None
        ),
        "with a method that does not split the network",
    ),
    _Rule(
        "data payload.upload payload.download evaluation.every evaluation.interval "
        "evaluation.global_examples evaluation.personal_examples evaluation.metrics "
        "server.optimizer server.weights privacy.clip privacy.noise_multiplier",
        lambda scenario, _: isinstance(scenario.model, Synthetic),
        _TRAINS_NOTHING,
    ),
)


def unused(document: Document, scenario: Scenario) -> dict[Location, str]:
    """Return the keys of a document that have no effect, and why."""
    found: dict[Location, str] = {}
    if isinstance(scenario.model, Synthetic) and isinstance(document.data.get("method"), dict):
        idle = _idle_options(document.data["method"], scenario)
        found |= dict.fromkeys(idle, _TRAINS_NOTHING)
    for rule in _RULES:
        for path in [each for key in rule.keys.split() for each in _matches(document.data, key)]:
            holder = _at(scenario, path[:-1])
            written = holder is not None and not _is_default(holder, str(path[-1]))
            if written and rule.idle(scenario, _at(scenario, path[: rule.words])):
                found.setdefault(path, rule.why)
    return found


def _matches(data: Any, key: str, above: Location = ()) -> Iterator[Location]:
    """Yield the written paths that a pattern stands for."""
    if not key:
        yield above
        return
    word, _, rest = key.partition(".")
    if word == "*" and isinstance(data, list):
        for number, item in enumerate(data):
            yield from _matches(item, rest, (*above, number))
    elif isinstance(data, dict) and word in data:
        yield from _matches(data[word], rest, (*above, word))


def _at(component: Any, path: Location) -> Any:
    for word in path:
        if isinstance(component, tuple):
            component = component[int(word)]
        else:
            component = getattr(component, str(word), None)
    return component


def _is_default(holder: Any, name: str) -> bool:
    """Return whether a field is as if it were not written; False for what is no field."""
    field = next((each for each in fields(holder) if each.name == name), None)
    if field is None or field.default is field.default_factory:
        return False
    made = field.default if field.default_factory is MISSING else field.default_factory()
    try:
        return bool(replace(holder, **{name: made}) == holder)
    except (ValueError, TypeError):
        return False


def _idle_options(written: Any, scenario: Scenario) -> list[Location]:
    """Return the numbers of the method that change no cost of a synthetic model.

    Each one is replaced by another, and the costs of devices of every rank are compared.
    """
    costs = _costs(scenario, scenario.method)
    idle = []
    for path in _numbers(written):
        holder = _at(scenario.method, path[:-1])
        if not is_dataclass(holder) or _is_default(holder, str(path[-1])):
            continue
        others = [*_others(scenario.method, path)]
        if others and all(_costs(scenario, other) == costs for other in others):
            idle.append(("method", *path))
    return idle


def _numbers(written: Any, above: Location = ()) -> Iterator[Location]:
    """Yield the paths of what is written and is no mapping."""
    for key, value in written.items():
        if isinstance(value, dict):
            yield from _numbers(value, (*above, key))
        elif key != "kind":
            yield (*above, key)


def _others(component: Any, path: Location) -> Iterator[Any]:
    """Yield a component with another number at a path, if it allows one."""
    name, *rest = map(str, path)
    inside = getattr(component, name, None)
    values: Iterator[Any] = _others(inside, tuple(rest)) if rest else iter(())
    if not rest and isinstance(inside, (int, float)) and not isinstance(inside, bool):
        values = (type(inside)(inside * factor) for factor in _NUMBERS)
    for value in values:
        try:
            yield replace(component, **{name: value})
        except (ValueError, TypeError):
            continue


def _costs(scenario: Scenario, method: Any) -> list[Any]:
    learner = SyntheticLearner(scenario.model, method, scenario.ranks, scenario.secured)
    devices = {rank: number for number, rank in enumerate(scenario.ranks)}.values()
    news = [[*range(scenario.cohort)]]
    return [(learner.workload(each), learner.download_bits(each, news)) for each in devices]
