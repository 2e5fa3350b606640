"""Checks of a kind: it fits its contract, keeps the laws of its family, and runs alike twice."""

import pickle
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, Final

from wfl_sim.config.contracts import members
from wfl_sim.config.errors import ScenarioError
from wfl_sim.config.registry import Registry
from wfl_sim.results import digest_spans
from wfl_sim.scenario.builtin_kinds import FAMILIES
from wfl_sim.scenario.scenario import Scenario
from wfl_sim.simulation.simulation import Simulation
from wfl_sim.testing.laws import LAWS

_PLACES: Final = {
    "allocator": "cells.0.uplink.allocator",
    "antenna": "cells.0.antenna",
    "area": "devices.0.area",
    "availability": "devices.0.availability",
    "fading": "cells.0.channel.fading",
    "frequency": "devices.0.compute.frequency",
    "jitter": "devices.0.compute.jitter",
    "layout": "layout",
    "loss": "cells.0.uplink.loss",
    "method": "method",
    "mobility": "devices.0.mobility",
    "pathloss": "cells.0.channel.pathloss",
    "rate": "cells.0.uplink.rate",
    "rounds": "rounds",
    "selector": "rounds.select",
    "shadowing": "cells.0.channel.shadowing",
    "station": "cells.0.station",
}
"""Where a kind stands in the scenario that is simulated twice."""
_SCENARIO: Final = {
    "name": "check",
    "model": {"kind": "synthetic", "payload": 1e6, "flops_per_step": 1e9},
    "method": "fedit",
    "rounds": {"kind": "synchronous", "count": 2, "clients": 2},
    "cells": [{"bandwidth": 5e6, "channel": {"pathloss": "macro"}, "uplink": {}}],
    "devices": [{"count": 3, "hardware": "jetson-orin-nano", "speed": 1.0}],
}


def check(kind: object, *, family: str = "") -> str:
    """Check an object of a class of one's own, and return the name of its family.

    Args:
        kind: the object, such as ``Mine(floor=0.2)``.
        family: such as "allocator"; found by the contract that fits unless given.

    Raises:
        AssertionError: it breaks a rule; a sentence for each says what to do.
    """
    registry = _registry(kind, family)
    if found := list(problems(kind, registry)):
        raise AssertionError("\n".join(found))
    return registry.family


def problems(kind: object, registry: Registry[Any]) -> Iterator[str]:
    """Yield a sentence for each rule of a family that an object breaks."""
    name = type(kind).__name__
    cls: Any = type(kind)
    if not is_dataclass(kind):
        yield f"{name} is no dataclass: write @dataclass(frozen=True) above the class"
        return
    if not cls.__dataclass_params__.frozen:
        yield f"{name} can change: write @dataclass(frozen=True) above the class"
    lacks = [each for each in members(registry.contract) if not hasattr(kind, each)]
    if lacks:
        yield f"{name} lacks {', '.join(lacks)}: see the contract {registry.contract.__name__}"
        return
    options = {each.name: getattr(kind, each.name) for each in fields(kind) if each.init}
    if cls(**options) != kind:
        yield f"{name} of the same fields is another: leave __eq__ to dataclass"
    try:
        pickle.dumps(kind)
    except Exception as error:
        yield f"{name} cannot go to other processes ({error}): hold plain data in fields"
    law = LAWS.get(registry.family)
    try:
        if law is not None:
            yield from (f"{name}: {sentence}" for sentence in law(kind))
        if registry.family in _PLACES:
            yield from _simulated(kind, name, _PLACES[registry.family])
    except Exception as error:
        yield f"{name} fails on what its contract allows: {type(error).__name__}: {error}"


def _simulated(kind: object, name: str, place: str) -> Iterator[str]:
    """Yield what is wrong with the simulation of a small scenario in which it takes part."""
    data = {key: value for key, value in _SCENARIO.items() if key != place}
    try:
        scenario = Scenario.from_dict({**data, place: kind})
    except ScenarioError as error:
        yield f"{name} is refused in a scenario: {error}"
        return
    spans = [digest_spans(Simulation(scenario, network_only=True).run().spans) for _ in range(2)]
    if spans[0] != spans[1]:
        yield (
            f"{name} is another in a second run: take random numbers from the generator that is "
            "given, and keep nothing from call to call"
        )


def _fits(kind: object, contract: type) -> bool:
    """Return whether an object has every member of a contract: a value is no method."""
    return all(
        hasattr(kind, name)
        and (callable(getattr(kind, name)) or not callable(getattr(contract, name, None)))
        for name in members(contract)
    )


def _registry(kind: object, family: str) -> Registry[Any]:
    """Return the registry of a family, or that whose contract asks for most of what is there.

    Raises:
        ValueError: no family, or several, fit.
    """
    if family:
        for each in FAMILIES:
            if each.family == family:
                return each
        known = ", ".join(each.family for each in FAMILIES)
        raise ValueError(f"no family {family!r}: there are {known}")
    sizes = {each: len(members(each.contract)) for each in FAMILIES}
    fits = [each for each, size in sizes.items() if size and _fits(kind, each.contract)]
    best = [each for each in fits if sizes[each] == max(sizes[one] for one in fits)]
    if len(best) != 1:
        named = ", ".join(each.family for each in best) or "none"
        raise ValueError(f"which family is {type(kind).__name__} of ({named} fits)? give `family`")
    return best[0]
