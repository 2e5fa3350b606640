"""Costs: whether every update of a scenario has one, and fits the memory of its device."""

from collections.abc import Sequence

from wfl_sim.protocols import Workload
from wfl_sim.registry import LocatedError
from wfl_sim.scenario import Scenario


def check_costs(scenario: Scenario, workloads: Sequence[Workload]) -> tuple[int, ...]:
    """Return the devices that a local step does not fit, where the scenario excludes them.

    Raises:
        LocatedError: the cost of an update on some hardware is not known, a step does not fit and
            the scenario does not say to exclude such devices, or it fits none.
    """
    excluded: list[int] = []
    first = 0
    for number, group in enumerate(scenario.devices):
        for device in range(first, first + group.count):
            try:
                group.compute.job(group.hardware, workloads[device])
            except LocatedError as error:
                path = ("devices", number, "compute", *error.path)
                raise LocatedError(str(error), *path) from None
            need = group.compute.footprint(workloads[device])
            if need > group.hardware.memory and group.compute.memory == "exclude":
                excluded.append(device)
            elif need > group.hardware.memory:
                raise LocatedError(
                    f"{group.hardware.name} has {group.hardware.memory / 1e6:,.1f} MB of memory "
                    f"and a local step of this model needs {need / 1e6:,.1f} MB: smaller batch or "
                    "tokens, other `compute.weights`, or `compute: {memory: exclude}`",
                    "devices",
                    number,
                    "hardware",
                )
        first += group.count
    if len(excluded) == scenario.device_count:
        raise LocatedError("a local step of this model fits the memory of no device", "devices")
    return tuple(excluded)
