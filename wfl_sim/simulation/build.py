"""World: the entities of a scenario in one SimPy environment."""

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor
from functools import partial

import numpy as np
import simpy
from numpy.typing import NDArray

from wfl_sim.device_models.energy import EnergyLedger
from wfl_sim.device_models.radio_power import radio_of
from wfl_sim.device_models.workload import Workload
from wfl_sim.execution.plan import Plan
from wfl_sim.network.backhaul import Route, build_routes
from wfl_sim.network.backhaul_graph import SERVER
from wfl_sim.network.base_station_sleep import BaseStationSleep
from wfl_sim.network.cell import AccessOverhead, Cell
from wfl_sim.network.cell_carrier import CellCarrier
from wfl_sim.network.context import RunContext
from wfl_sim.network.device import Device
from wfl_sim.network.edge_server import EdgeServer
from wfl_sim.network.federation import Federation
from wfl_sim.network.mobility import MobilityContext, MobilityProcess
from wfl_sim.network.radio_access import RadioAccess
from wfl_sim.network.server import Server
from wfl_sim.radio.band import expected_rate
from wfl_sim.radio.cell import Direction
from wfl_sim.radio.handover import HandoverConfig
from wfl_sim.radio.over_the_air import analog_uplink
from wfl_sim.scenario.scenario import Scenario
from wfl_sim.simulation.placement import Placement, reference_db


def build_federation(
    scenario: Scenario,
    placement: Placement,
    workloads: Sequence[Workload],
    plan: Plan,
    excluded: Collection[int] = (),
    examples: Sequence[int] = (),
    ahead: Executor | None = None,
) -> Federation:
    """Return the federation at time zero, its devices idle, the first evaluation noted.

    Devices that are excluded are never there. `examples` is what each trains on; one without data.
    Threads of `ahead` make fading samples beside the simulation; they are the same.
    """
    env = simpy.Environment()
    groups = [group for group in scenario.devices for _ in range(group.count)]
    members = [member for group in scenario.devices for member in range(group.count)]
    context = RunContext(env, scenario.seed, plan, EnergyLedger(len(groups)))
    server = Server(context, scenario.server.hardware, scenario.evaluation.every)
    names = [f"cell-{number}" for number in range(len(scenario.base_stations))]
    wired, hubs = placement.wired, placement.hubs
    up, down = list(zip(names, hubs, strict=True)), list(zip(hubs, names, strict=True))
    edges = [hub for hub in dict.fromkeys(hubs) if hub != SERVER]
    above = [pair for edge in edges for pair in ((edge, SERVER), (SERVER, edge))]
    sky = RadioAccess(
        env,
        scenario.base_stations,
        placement.gains,
        seed=scenario.seed,
        watts=np.array([group.power for group in groups]),
        speeds=np.array([group.pace for group in groups]),
        interference=scenario.interference,
        load_memory=scenario.load_memory,
        ahead=ahead,
    )
    way = build_routes(env, wired, [*up, *down, *above])
    cells = [
        _cell(
            env,
            scenario,
            number,
            ports,
            way[up[number]],
            way[down[number]],
            hubs[number],
            partial(sky.heard, number),
        )
        for number, ports in enumerate(sky.ports)
    ]
    devices = [
        Device(
            context,
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
                members[index], context.stream("availability", index)
            ),
            excluded=index in excluded,
            answer=server.answer,
            wanders=index in placement.tracks and len(cells) > 1,
        )
        for index, group in enumerate(groups)
    ]
    edge_servers = []
    if scenario.backhaul is not None:
        edge_servers = [
            EdgeServer(
                context,
                Server(context, scenario.backhaul.hardware, scenario.evaluation.every, edge),
                cells=[cell for cell, hub in up if hub == edge],
                up=way[edge, SERVER],
                down=way[SERVER, edge],
                upload_bits=max(each.upload_bits for each in workloads),
                download_bits=max(each.download_bits for each in workloads),
            )
            for edge in edges
        ]
    surroundings = _surroundings(scenario, placement, sky, cells)
    for index, track in placement.tracks.items():
        serving = int(placement.serving[index])
        MobilityProcess(context, devices[index], track, serving, surroundings)
    if scenario.evaluation.interval is not None:
        env.process(server.watch(scenario.evaluation.interval))
    context.measure(-1, server.shared)
    return Federation(
        context,
        server,
        devices,
        edge_servers,
        {cell.name: cell.station for cell in cells if cell.station is not None},
    )


def run(federation: Federation, scenario: Scenario) -> None:
    """Let the rounds policy drive the federation to its end, and close all spans."""
    process = federation.env.process(scenario.rounds.run(federation))
    federation.env.run(until=process)
    federation.server.finish()
    for device in federation.devices:
        device.close()


def _surroundings(
    scenario: Scenario, placement: Placement, sky: RadioAccess, cells: Sequence[Cell]
) -> MobilityContext:
    def gains(device: int, place: tuple[float, float]) -> NDArray[np.float64]:
        found = placement.large_scale.gains(np.array([device]), np.array([place]))
        return np.asarray(found[:, 0])

    def strengths(gains: NDArray[np.float64]) -> list[float]:
        found: list[float] = reference_db(scenario.base_stations, gains[:, None])[:, 0].tolist()
        return found

    rule = scenario.handover or HandoverConfig()
    return MobilityContext(
        cells=cells,
        gains=gains,
        strengths=strengths,
        move=sky.move,
        rule=rule if len(cells) > 1 else None,
        step=placement.large_scale.step,
    )


def _cell(
    env: simpy.Environment,
    scenario: Scenario,
    number: int,
    air: Mapping[Direction, CellCarrier],
    up: Route,
    down: Route,
    hub: str,
    hears: Callable[[Sequence[int]], NDArray[np.float64]],
) -> Cell:
    description = scenario.base_stations[number]
    station = None
    if description.station is not None and description.station.sleeps:
        station = BaseStationSleep(env, description.station.waking)
        for port in air.values():
            port.also_tell(station.note)
    uplink, downlink = description.uplink, description.downlink
    return Cell(
        env=env,
        name=f"cell-{number}",
        uplink=air["uplink"],
        downlink=air["downlink"],
        up=up,
        down=down,
        rateless=downlink.rateless,
        hub=hub,
        broadcast_share=downlink.share if downlink.broadcast else 0.0,
        request=AccessOverhead(uplink.access_delay, uplink.header, station),
        order=AccessOverhead(downlink.access_delay, downlink.header, station),
        loss=uplink.loss,
        expected_rate=partial(expected_rate, description),
        hears=hears,
        analog=analog_uplink(description),
        station=station,
    )
