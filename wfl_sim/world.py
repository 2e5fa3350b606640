"""World: the entities of a scenario in one SimPy environment."""

from collections.abc import Collection, Sequence
from functools import partial

import numpy as np
import simpy
from numpy.typing import NDArray

import channel_models as cm
from wfl_sim.backhaul import SERVER
from wfl_sim.cells import Cell as CellDescription
from wfl_sim.energy import Ledger
from wfl_sim.entities.carrier import Carrier
from wfl_sim.entities.cell import Access, Cell
from wfl_sim.entities.device import Device
from wfl_sim.entities.edge import Edge
from wfl_sim.entities.line import Line
from wfl_sim.entities.server import Server
from wfl_sim.execution.plan import Plan
from wfl_sim.federation import Federation
from wfl_sim.modem import radio_of
from wfl_sim.protocols import Workload
from wfl_sim.radio.band import band
from wfl_sim.radio.direction import Direction
from wfl_sim.radio.expected import expected_rate
from wfl_sim.radio.power import CellPower, DevicePower, PowerRule
from wfl_sim.scenario import Scenario
from wfl_sim.topology import Placement
from wfl_sim.wiring import lines


def build(
    scenario: Scenario,
    placement: Placement,
    workloads: Sequence[Workload],
    plan: Plan,
    excluded: Collection[int] = (),
    examples: Sequence[int] = (),
) -> Federation:
    """Return the federation at time zero, its devices idle, the first evaluation noted.

    Devices that are excluded are never there. `examples` is what each trains on; one without data.
    """
    env = simpy.Environment()
    groups = [group for group in scenario.devices for _ in range(group.count)]
    members = [member for group in scenario.devices for member in range(group.count)]
    federation = Federation(env, scenario.seed, plan, Ledger(len(groups)))
    names = [f"cell-{number}" for number in range(len(scenario.base_stations))]
    wired, hubs = placement.wired, placement.hubs
    up, down = list(zip(names, hubs, strict=True)), list(zip(hubs, names, strict=True))
    edges = [hub for hub in dict.fromkeys(hubs) if hub != SERVER]
    above = [pair for edge in edges for pair in ((edge, SERVER), (SERVER, edge))]
    way = lines(env, wired, [*up, *down, *above])
    cells = [
        _cell(env, scenario, placement, number, way[up[number]], way[down[number]])
        for number in range(len(names))
    ]
    federation.devices = [
        Device(
            federation,
            index,
            hardware=group.hardware,
            workload=workloads[index],
            cell=cells[placement.serving[index]],
            mean_gain=float(placement.gains[placement.serving[index], index]),
            power=group.power,
            examples=examples[index] if examples else 1,
            computing=group.compute,
            radio=radio_of(
                group.hardware,
                modem=group.modem,
                bandwidth=scenario.base_stations[placement.serving[index]].bandwidth,
            ),
            battery=group.battery,
            away_power=group.away_power,
            intervals=group.availability.intervals(
                members[index], federation.stream("availability", index)
            ),
            excluded=index in excluded,
        )
        for index, group in enumerate(groups)
    ]
    federation.server = Server(federation, scenario.server.hardware, scenario.evaluation.every)
    if scenario.backhaul is not None:
        federation.edges = [
            Edge(
                federation,
                Server(federation, scenario.backhaul.hardware, scenario.evaluation.every, edge),
                cells=[cell for cell, hub in up if hub == edge],
                up=way[edge, SERVER],
                down=way[SERVER, edge],
            )
            for edge in edges
        ]
    federation.measure(-1, federation.server.shared)
    return federation


def run(federation: Federation, scenario: Scenario) -> None:
    """Let the rounds policy drive the federation to its end, and close all spans."""
    process = federation.env.process(scenario.rounds.run(federation))
    federation.env.run(until=process)
    federation.server.finish()
    for device in federation.devices:
        device.close()


def _cell(
    env: simpy.Environment,
    scenario: Scenario,
    placement: Placement,
    number: int,
    up: Line,
    down: Line,
) -> Cell:
    groups = [group for group in scenario.devices for _ in range(group.count)]
    description, name = scenario.base_stations[number], f"cell-{number}"
    gains = placement.gains[number]
    speeds = np.array([group.pace for group in groups])
    watts = np.array([group.power for group in groups])
    powers: dict[Direction, PowerRule] = {
        "uplink": DevicePower(watts, _density(description, gains)),
        "downlink": CellPower(description.downlink.power, description.blocks),
    }
    air = {
        direction: Carrier(
            env,
            f"{name}/{direction}",
            band(
                direction,
                description,
                name,
                seed=scenario.seed,
                gains=gains,
                speeds=speeds,
                power=power,
            ),
        )
        for direction, power in powers.items()
    }
    return Cell(
        env=env,
        name=name,
        uplink=air["uplink"],
        downlink=air["downlink"],
        up=up,
        down=down,
        broadcasts=description.downlink.broadcast,
        request=Access(description.uplink.access_delay, description.uplink.header),
        order=Access(description.downlink.access_delay, description.downlink.header),
        loss=description.uplink.loss,
        expected_rate=partial(expected_rate, description),
    )


def _density(cell: CellDescription, gains: NDArray[np.float64]) -> NDArray[np.float64]:
    """W on a resource block that power control asks of every device; infinite without it."""
    control = cell.uplink.power_control
    if control is None:
        return np.full(len(gains), np.inf)
    return np.asarray(control.density(gains, cm.numerology(cell.subcarrier_spacing)))
