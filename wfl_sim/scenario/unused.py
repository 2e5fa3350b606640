"""Keys without effect: what is written in a scenario, is not the default, and changes nothing."""

from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass, replace
from typing import Any, Final

from wfl_sim.config.documents import Document
from wfl_sim.config.errors import Location
from wfl_sim.device_models.hardware import Hardware, HardwareReference, catalogue
from wfl_sim.learning.synthetic import Synthetic, SyntheticLearner
from wfl_sim.scenario.channel_effect_rules import CHANNEL_RULES
from wfl_sim.scenario.effect_rules import RULES, TRAINS_NOTHING
from wfl_sim.scenario.radio_effect_rules import RADIO_RULES
from wfl_sim.scenario.scenario import Scenario

_NUMBERS: Final = (0.5, 2.0, 1.5)
"""Factors of a number that is tried in place of another."""


def unused(document: Document, scenario: Scenario) -> dict[Location, str]:
    """Return the keys of a document that have no effect, and why."""
    found: dict[Location, str] = {}
    if isinstance(scenario.model, Synthetic) and isinstance(document.data.get("method"), dict):
        idle = _idle_options(document.data["method"], scenario)
        found |= dict.fromkeys(idle, TRAINS_NOTHING)
    for rule in (*CHANNEL_RULES, *RADIO_RULES, *RULES):
        for path in [each for key in rule.keys.split() for each in _matches(document.data, key)]:
            if not is_default(scenario, path) and rule.idle(
                scenario, _at(scenario, path[: rule.words])
            ):
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


def is_default(component: Any, path: Location) -> bool:
    """Return whether a field is as if it were not written; False for what is no field.

    Files of runs have all fields written: those of hardware as in the catalogue, and those that
    a cell fills in.
    """
    owner, holder, name = _at(component, path[:-2]), _at(component, path[:-1]), str(path[-1])
    if holder is None:
        return True
    if isinstance(holder, Hardware) and holder.name in catalogue():
        named = HardwareReference().resolve(holder.name)
        return bool(getattr(named, name) == getattr(holder, name))
    field = next((each for each in fields(holder) if each.name == name), None)
    if field is None or field.default is field.default_factory:
        return False
    made = field.default if field.default_factory is MISSING else field.default_factory()
    try:
        other = replace(holder, **{name: made})
        if made is None and len(path) > 1 and is_dataclass(owner):
            return bool(replace(owner, **{str(path[-2]): other}) == owner)  # type: ignore[type-var]
        return bool(other == holder)
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
        if not is_dataclass(holder) or is_default(scenario.method, path):
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
