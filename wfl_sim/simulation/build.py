"""Build a federation from a scenario in one SimPy environment, and run it."""

from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from functools import lru_cache, partial
from math import inf, nan

import numpy as np

from channel_models.validation import FloatArray
from wfl_sim.config.answers import AnswerError
from wfl_sim.device_models.availability import Always, Availability
from wfl_sim.device_models.energy import EnergyLedger
from wfl_sim.device_models.radio_power import radio_of
from wfl_sim.device_models.workload import Workload
from wfl_sim.execution.plan import Plan
from wfl_sim.network.carriers.background import BackgroundTraffic
from wfl_sim.network.carriers.backhaul import Route, build_routes
from wfl_sim.network.carriers.backhaul_graph import SERVER
from wfl_sim.network.carriers.cell import Cell
from wfl_sim.network.carriers.radio_access import RadioAccess
from wfl_sim.network.context import Environment, RadioRecord, RunContext
from wfl_sim.network.devices.device import Device
from wfl_sim.network.devices.mobility import MobilityContext, MobilityProcess
from wfl_sim.network.federation.federation import Federation, sender_facts
from wfl_sim.network.federation.server import EdgeServer, Server
from wfl_sim.network.federation.watchdog import ClockListener, Watchdog
from wfl_sim.radio.bands.band import expected_rate, uplink_outlook
from wfl_sim.radio.over_the_air import analog_uplink
from wfl_sim.radio.procedures.handover import HandoverConfig
from wfl_sim.radio.reach import unreached
from wfl_sim.scenario.scenario import Scenario
from wfl_sim.simulation.placement import Placement, reference_db

Routes = Mapping[tuple[str, str], Route]
"""Route from one node to another."""


def build_federation(
    scenario: Scenario,
    placement: Placement,
    workloads: Sequence[Workload],
    plan: Plan,
    excluded: Collection[int] = (),
    outage: Collection[int] = (),
    examples: Sequence[int] = (),
    ahead: Executor | None = None,
) -> Federation:
    """Return the federation at time zero, with idle devices and the first evaluation noted.

    Args:
        scenario: The scenario.
        placement: Positions, gains and backhaul of the scenario.
        workloads: Local update of each device.
        plan: Names the learning tasks.
        excluded: Indices of devices that are never available.
        outage: Indices of devices whose uploads fail, out of reach.
        examples: Number of training examples of each device; one each if there are no data.
        ahead: Threads that draw samples of fading beside the simulation; the samples are the same.
    """
    env = Environment()
    devices: list[Device] = []
    groups = [group for group in scenario.devices for _ in range(group.count)]
    users = [each.traffic for each in placement.sources for _ in each.links]
    context = RunContext(env, scenario.seed, plan, EnergyLedger(len(groups)))
    if scenario.record is not None and scenario.record.radio is not None:
        context.radio = RadioRecord(scenario.record.radio, len(groups))
    server = Server(context, scenario.server.hardware, scenario.evaluation.every)
    access = RadioAccess(
        env,
        scenario.base_stations,
        np.hstack([placement.gains, placement.background_gains]),
        seed=scenario.seed,
        watts=np.array([*(group.power for group in groups), *(each.power for each in users)]),
        speeds=np.array([*(group.pace for group in groups), *(each.speed for each in users)]),
        interference=scenario.interference,
        load_memory=scenario.load_memory,
        ahead=ahead,
        record=context.radio,
        senders=partial(sender_facts, devices),
        sources=placement.sources,
        sight=placement.sight,
    )
    names = [f"cell-{number}" for number in range(len(scenario.base_stations))]
    hubs = dict(zip(names, placement.hubs, strict=True))
    edges = [hub for hub in dict.fromkeys(hubs.values()) if hub != SERVER]
    up, down = list(hubs.items()), [(hub, name) for name, hub in hubs.items()]
    above = [pair for edge in edges for pair in ((edge, SERVER), (SERVER, edge))]
    routes = build_routes(env, placement.wired, [*up, *down, *above])
    cells = [
        _cell(scenario, access, number, name, hub, routes)
        for number, (name, hub) in enumerate(hubs.items())
    ]
    devices += _devices(
        scenario, placement, workloads, context, server, cells, (excluded, outage), examples
    )
    edge_servers = _edge_servers(scenario, context, edges, hubs, routes, workloads)
    mobility = _mobility_context(scenario, placement, access, cells)
    for index, track in placement.tracks.items():
        MobilityProcess(context, devices[index], track, int(placement.serving[index]), mobility)
    if scenario.evaluation.interval is not None:
        env.process(server.watch(scenario.evaluation.interval))
    context.measure(-1, server.shared)
    return Federation(
        context,
        server,
        devices,
        edge_servers,
        {cell.name: cell.sleep for cell in cells if cell.sleep is not None},
        _background(scenario, placement, context, access),
        access,
    )


def run_federation(
    federation: Federation, scenario: Scenario, listener: ClockListener | None = None
) -> None:
    """Run the rounds policy to its end, and close all spans.

    Raises:
        LocatedError: It does not end: see `Watchdog`.
    """
    # A round with a deadline ends by itself, whoever waits in it, and so does an upload in vain.
    ends = [getattr(scenario.rounds, "deadline", None) or 0.0]
    ends += [group.patience for group in scenario.devices if group.reach == "outage"]
    stall = max(scenario.stall, *ends)
    steps = scenario.rounds.run(federation)
    if not isinstance(steps, Generator):
        raise AnswerError.of(scenario.rounds, "run", "a generator: let it yield events", steps)
    process = federation.env.process(steps)
    Watchdog(federation, stall, listener).run(process)
    federation.finish()


def _cell(
    scenario: Scenario, access: RadioAccess, number: int, name: str, hub: str, routes: Routes
) -> Cell:
    config, carriers = scenario.base_stations[number], access.carriers[number]
    return Cell(
        env=access.env,
        name=name,
        uplink=carriers["uplink"],
        downlink=carriers["downlink"],
        route_up=routes[name, hub],
        route_down=routes[hub, name],
        hub=hub,
        rateless=config.downlink.rateless,
        broadcast_share=config.downlink.share if config.downlink.broadcast else 0.0,
        loss=config.uplink.loss,
        # Selections ask for every device in every round, both ways, and most stay where they are.
        expected_rate=lru_cache(2 * scenario.device_count)(partial(expected_rate, config)),
        uplink_outlook=partial(uplink_outlook, config),
        uplink_gains=partial(access.uplink_gains, number),
        analog=analog_uplink(config),
        sleep=access.sleeps[number],
    )


def _devices(
    scenario: Scenario,
    placement: Placement,
    workloads: Sequence[Workload],
    context: RunContext,
    server: Server,
    cells: Sequence[Cell],
    left_out: tuple[Collection[int], Collection[int]],
    examples: Sequence[int],
) -> list[Device]:
    devices: list[Device] = []
    excluded, outage = left_out
    for group in scenario.devices:
        for member in range(group.count):
            index = len(devices)
            serving = int(placement.serving[index])
            station, gain = scenario.base_stations[serving], float(placement.gains[serving, index])
            device = Device(
                context,
                index,
                hardware=group.hardware,
                workload=workloads[index],
                cell=cells[serving],
                mean_gain=gain,
                power=group.power,
                examples=examples[index] if examples else 1,
                compute=group.compute,
                radio=radio_of(group.hardware, modem=group.modem, bandwidth=station.bandwidth),
                battery=group.battery,
                away_power=group.away_power,
                intervals=_intervals(group.availability, context, member, index),
                excluded=index in excluded,
                answer=server.answer,
                can_hand_over=index in placement.tracks and len(cells) > 1,
                in_vain=(group.patience, station.sent(gain, group.power))
                if index in outage
                else None,
            )
            devices.append(device)
    return devices


def _intervals(
    availability: Availability, context: RunContext, member: int, device: int
) -> Iterator[tuple[float, float]] | None:
    """Return when a device can be reached; None for always, which spares a process."""
    if type(availability) is Always:  # a subclass may say otherwise
        return None
    return _in_order(availability, member, context.stream("availability", device))


def _in_order(
    availability: Availability, member: int, rng: np.random.Generator
) -> Iterator[tuple[float, float]]:
    """Yield the intervals of a device; AnswerError where one does not come after the last."""
    rule, last = "intervals (start, end) that rise and do not overlap", -inf
    given = availability.intervals(member, rng)
    if not isinstance(given, Iterable):
        raise AnswerError.of(availability, "intervals", rule, given)
    for each in given:
        try:
            start, end = map(float, each)
        except (TypeError, ValueError):
            start = end = nan
        if not last <= start < end:
            raise AnswerError.of(availability, "intervals", rule, each)
        yield start, end
        last = end


def _background(
    scenario: Scenario, placement: Placement, context: RunContext, access: RadioAccess
) -> list[BackgroundTraffic]:
    return [
        BackgroundTraffic(
            context,
            each,
            f"cell-{each.cell}",
            access.carriers[each.cell][each.traffic.direction],
            radio_of(each.traffic.hardware),
        )
        for each in placement.sources
    ]


def _edge_servers(
    scenario: Scenario,
    context: RunContext,
    edges: Sequence[str],
    hubs: Mapping[str, str],
    routes: Routes,
    workloads: Sequence[Workload],
) -> list[EdgeServer]:
    if scenario.backhaul is None:
        return []
    hardware, every = scenario.backhaul.hardware, scenario.evaluation.every
    return [
        EdgeServer(
            context,
            Server(context, hardware, every, edge),
            cells=[name for name, hub in hubs.items() if hub == edge],
            up=routes[edge, SERVER],
            down=routes[SERVER, edge],
            state_bits=max(each.state_bits for each in workloads),
        )
        for edge in edges
    ]


def _mobility_context(
    scenario: Scenario, placement: Placement, access: RadioAccess, cells: Sequence[Cell]
) -> MobilityContext:
    def gains(device: int, position: tuple[float, float]) -> FloatArray:
        found = placement.large_scale.gains(np.array([device]), np.array([position]))
        return np.asarray(found[:, 0])

    watts = [group.power for group in scenario.devices for _ in range(group.count)]

    def covers(device: int, cell: int, gain: float) -> bool:
        return unreached(scenario.base_stations[cell], watts[device], gain) is None

    def strengths(gains: FloatArray) -> list[float]:
        found: list[float] = reference_db(scenario.base_stations, gains[:, None])[:, 0].tolist()
        return found

    return MobilityContext(
        cells=cells,
        gains=gains,
        strengths=strengths,
        move=access.move,
        handover=(scenario.handover or HandoverConfig()) if len(cells) > 1 else None,
        step=placement.large_scale.step,
        covers=covers,
    )
