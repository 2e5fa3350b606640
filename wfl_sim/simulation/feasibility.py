"""Feasibility: the memory and the link budget of every device."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from wfl_sim.config.errors import LocatedError, located
from wfl_sim.device_models.workload import Workload
from wfl_sim.radio.reach import unreached
from wfl_sim.scenario.scenario import Scenario
from wfl_sim.simulation.placement import Placement, traffic_key


def check_memory(scenario: Scenario, workloads: Sequence[Workload]) -> tuple[int, ...]:
    """Return the devices that the scenario excludes, since a local step exceeds their memory.

    Raises:
        LocatedError: The cost of an update on some hardware is unknown, a step exceeds the memory
            of a device that the scenario does not exclude, or it exceeds the memory of all devices.
    """
    excluded: list[int] = []
    first = 0
    for number, group in enumerate(scenario.devices):
        for device in range(first, first + group.count):
            with located("devices", number, "compute"):
                cost = group.compute.job(group.hardware, workloads[device])
            if cost.seconds() > LONGEST_UPDATE:
                raise LocatedError(
                    f"{group.hardware.name} would take {cost.seconds():.3g} s for a local update, "
                    f"which must be at most {LONGEST_UPDATE:g} s",
                    "devices",
                    number,
                    "hardware",
                )
            need = group.compute.footprint(workloads[device])
            if need > group.hardware.memory and group.compute.memory == "exclude":
                excluded.append(device)
            elif need > group.hardware.memory:
                raise LocatedError(
                    f"{group.hardware.name} has {group.hardware.memory / 1e6:,.1f} MB of memory "
                    f"and a local step of this model needs {need / 1e6:,.1f} MB: smaller batch, "
                    "`micro_batch` or tokens, other `compute.weights`, or "
                    "`compute: {memory: exclude}`",
                    "devices",
                    number,
                    "hardware",
                )
        first += group.count
    if len(excluded) == scenario.device_count:
        raise LocatedError("a local step of this model fits the memory of no device", "devices")
    return tuple(excluded)


LONGEST_UPDATE: Final = 1e9
"""Seconds (30 years) of a local update: more is a slip of the pen."""


@dataclass(frozen=True)
class OutOfReach:
    """Devices that stay where the radio cannot reach them, and why, by index."""

    excluded: dict[int, str] = field(default_factory=dict)
    """Take no part: their group says so, or they cannot receive either."""
    outage: dict[int, str] = field(default_factory=dict)
    """Receive, and their uploads fail."""


def check_link_budget(scenario: Scenario, placement: Placement) -> OutOfReach:
    """Return the devices that their serving cell cannot reach, where their group allows it.

    Devices that move may come into reach later, so they are absent until then.

    Raises:
        LocatedError: The mean SNR of a device is too low, or its rate there is zero, in a group
            that refuses it; or no device is left.
    """
    excluded: dict[int, str] = {}
    outage: dict[int, str] = {}
    index = 0
    for group, devices in enumerate(scenario.devices):
        for _ in range(devices.count):
            cell = scenario.base_stations[placement.serving[index]]
            gain = float(placement.gains[placement.serving[index], index])
            reason = unreached(cell, devices.power, gain)
            if reason is not None and devices.reach == "refuse":
                raise LocatedError(
                    f"device-{index} is out of reach: {reason}; or `reach: exclude` or `outage`",
                    "devices",
                    group,
                )
            if reason is not None and not devices.moves:
                deaf = unreached(cell, devices.power, gain, "downlink")
                if devices.reach == "exclude":
                    excluded[index] = reason
                elif deaf is not None:
                    excluded[index] = deaf
                else:
                    outage[index] = reason
            index += 1
    if len(excluded) == scenario.device_count:
        raise LocatedError(f"no device is in reach: device-0 has {excluded[0]}", "devices")
    for source in placement.sources:
        cell, traffic = scenario.base_stations[source.cell], source.traffic
        for user in source.links:
            gain = float(placement.background_gains[source.cell, user - index])
            reason = unreached(cell, traffic.power, gain, traffic.direction)
            if reason is not None:
                key = traffic_key(scenario, source)
                raise LocatedError(f"user-{user} is out of reach: {reason}", *key)
    return OutOfReach(excluded, outage)
