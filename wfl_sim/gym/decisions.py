"""What an agent decides for each device, and what it is shown of each."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Final

import numpy as np
from gymnasium import spaces
from gymnasium.error import InvalidAction
from numpy.typing import NDArray

import channel_models as cm
from wfl_sim.config.errors import LocatedError
from wfl_sim.device_models.frequency import Fixed
from wfl_sim.network.devices.device import Device
from wfl_sim.network.federation.federation import Federation
from wfl_sim.radio.allocation import Weighted
from wfl_sim.rounds import Synchronous
from wfl_sim.scenario.scenario import Scenario
from wfl_sim.scenario.unused import is_default

LONGEST: Final = 1e6
"""Largest number of seconds that an observation shows; a link in outage has it."""
_LEAST: Final = 0.01
"""Smallest share of power or of the band: with none at all a round would not end."""

Numbers = NDArray[np.floating[Any]]


def named(act: Any) -> list[str]:
    """Return the names of decisions. ValueError where they are none, or one stands twice."""
    several = [*act] if isinstance(act, Sequence) else []
    acts = [act] if isinstance(act, str) else several
    if not acts or len({*acts}) < len(acts):
        raise ValueError(f"act must name decisions, each once, got {act!r}")
    return acts


def action_space(act: str, scenario: Scenario) -> spaces.Space[Any]:
    """Return the space of one decision: a bit or a number for each device.

    Raises:
        LocatedError: the devices cannot do that.
    """
    count = scenario.device_count
    if act == "selection":
        return spaces.MultiBinary(count)
    if act == "frequency":
        for number, each in enumerate(scenario.devices):
            if each.hardware.dvfs is None:
                what = f"{each.hardware.name} has no `dvfs`, so no frequency can be chosen"
                raise LocatedError(what, "devices", number, "hardware")
    elif act in ("shares", "power"):
        cells = scenario.cells
        if all(each.wired is not None for each in cells):
            raise LocatedError(f"leaves an agent no {act} to decide", "cells", 0, "wired")
        if act == "shares" and all(each.wifi or each.wired is not None for each in cells):
            raise LocatedError("has no shares: stations contend for it", "cells", 0, "wifi")
    else:
        raise ValueError(f"act must be selection, shares, power or frequency, got {act!r}")
    return spaces.Box(0.0, 1.0, (count,), np.float32)


def prepared(scenario: Scenario, acts: Sequence[str]) -> Scenario:
    """Return the scenario whose uplinks follow the shares of an agent, if it decides them."""
    if "shares" not in acts:
        return scenario
    cells = [
        replace(cell, uplink=replace(cell.uplink, allocator=Weighted())) for cell in scenario.cells
    ]
    return replace(scenario, cells=tuple(cells))


def idle_keys(scenario: Scenario) -> list[str]:
    """Return the keys of `rounds` without effect where rounds are synchronous and an agent asks."""
    rounds: Any = scenario.rounds
    used = ["count"]
    if scenario.privacy is not None:
        used.append("clients")  # the cohort of its noise
    written = [
        each.name
        for each in fields(rounds)
        if each.name not in used and not is_default(scenario, ("rounds", each.name))
    ]
    return written if isinstance(rounds, Synchronous) else ["kind", *written]


def decided(action: Any, acts: Sequence[str], count: int) -> dict[str, Numbers]:
    """Return the numbers of each decision, (count,).

    Args:
        action: a mapping of decisions, or the values of the first alone.
        acts: the decisions that there are.
        count: number of devices.

    Raises:
        InvalidAction: the decisions are others, or one has not a value that it may have for each.
    """
    given = action if isinstance(action, Mapping) else {acts[0]: action}
    try:
        found = {act: np.asarray(values, float) for act, values in given.items()}
    except (TypeError, ValueError) as error:
        raise InvalidAction(f"must be of numbers: {error}") from None
    shapes = {act: values.shape for act, values in found.items()}
    if shapes != dict.fromkeys(acts, (count,)):
        raise InvalidAction(f"must have the shapes {dict.fromkeys(acts, (count,))}, got {shapes}")
    for act, values in found.items():
        fits = np.isin(values, (0, 1)) if act == "selection" else (values >= 0) & (values <= 1)
        if not fits.all():
            allowed = "0 or 1" if act == "selection" else "from 0 to 1"
            wrong = values[~fits][0]
            raise InvalidAction(f"{act} must be {allowed}, got {wrong:g}")
    return found


def apply(decisions: Mapping[str, Numbers], federation: Federation, watts: Numbers) -> None:
    """Let devices follow decisions from now on; `watts` (devices,) is what each can radiate."""
    for device in federation.devices:
        if "shares" in decisions:
            device.transceiver.weight = max(float(decisions["shares"][device.index]), _LEAST)
        if "frequency" in decisions:
            share = float(decisions["frequency"][device.index])
            device.compute = replace(device.compute, frequency=Fixed(share_of_highest=share))
        if "power" in decisions:
            share = max(float(decisions["power"][device.index]), _LEAST)
            device.power = float(watts[device.index]) * share
    if "power" in decisions and federation.radio is not None:
        federation.radio.limit_power(np.array([each.power for each in federation.devices]))


def worth(given: Any) -> float:
    """Return what a reward has given. TypeError where it is no number."""
    try:
        return float(given)
    except (TypeError, ValueError):
        raise TypeError(f"`reward` must return a number, got {given!r}") from None


_SHOWN: Final[Mapping[str, tuple[float, float, Callable[[Device], float]]]] = {
    "available": (0.0, 1.0, lambda device: float(device.available)),
    "battery": (0.0, 1.0, lambda device: device.battery_level),
    "compute_seconds": (0.0, LONGEST, lambda device: device.expected_compute),
    "examples": (0.0, 1e9, lambda device: float(device.examples)),
    "gain_db": (-400.0, 100.0, lambda device: float(cm.linear_to_db(device.mean_gain))),
    "last_joules": (0.0, 1e9, lambda device: device.round_joules),
    "last_seconds": (0.0, LONGEST, lambda device: device.round_seconds),
    "upload_seconds": (0.0, LONGEST, lambda device: device.expected_upload),
}
"""What an observation shows of each device: bounds, to which it is cut, and the value."""


def observation_space(count: int) -> spaces.Dict:
    """Return the named space of observations of so many devices."""
    shown: dict[str, spaces.Space[Any]] = {
        name: spaces.Box(low, high, (count,), np.float32) for name, (low, high, _) in _SHOWN.items()
    }
    shown["round"] = spaces.Box(0.0, 1e9, (1,), np.float32)
    shown["elapsed_seconds"] = spaces.Box(0.0, 1e10, (1,), np.float32)
    return spaces.Dict(shown)


def observed(federation: Federation, number: int) -> dict[str, Numbers]:
    """Return the observation at this moment, before round `number`."""
    shown = {
        name: np.clip(np.array([value(each) for each in federation.devices], np.float32), low, high)
        for name, (low, high, value) in _SHOWN.items()
    }
    shown["round"] = np.array([number], np.float32)
    shown["elapsed_seconds"] = np.array([federation.env.now], np.float32)
    return shown
