"""Simulation: a scenario runs, and its rows and states become an outcome."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing import parent_process
from typing import Any

import wfl_sim.simulation.build as world
from wfl_sim.config.errors import LocatedError
from wfl_sim.data.examples import Shards
from wfl_sim.device_models.energy import COMPONENTS
from wfl_sim.execution.graph import Progress, TaskGraph
from wfl_sim.execution.plan import NetworkOnly, Plan, TrainingPlan
from wfl_sim.execution.store import Store
from wfl_sim.execution.worker_process import cores
from wfl_sim.network.federation import Federation
from wfl_sim.records import Level, Metric, Span
from wfl_sim.scenario.scenario import Scenario
from wfl_sim.simulation.feasibility import check_link_budget, check_memory
from wfl_sim.simulation.infrastructure_energy import server_joules, station_joules
from wfl_sim.simulation.learner_cache import LearnerCache, located
from wfl_sim.simulation.metrics import metrics
from wfl_sim.simulation.placement import place
from wfl_sim.state import State


@dataclass(frozen=True)
class SimulationResult:
    """What a simulation leaves behind."""

    spans: Sequence[Span]
    metrics: Sequence[Metric]
    states: Mapping[str, State]
    """the final shared state as "shared", the private state of each device by its name"""
    totals: Mapping[str, Any]
    """simulated seconds, bits, joules by component, and where host time went"""
    levels: Sequence[Level] = ()


class Simulation:
    """One scenario, checked and ready to run.

    Building it reads and divides the data, places the devices and counts what a local update
    costs on the shapes of the model; nothing is trained.

    Raises:
        LocatedError: the parts of the scenario do not fit together.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        network_only: bool = False,
        threads: int = 1,
        workshop: LearnerCache | None = None,
    ) -> None:
        """Prepare a scenario.

        Args:
            scenario: what to run.
            network_only: learn nothing; the spans are the same.
            threads: of torch in each task; the workshop's, where one is given.
            workshop: what earlier simulations of this process have prepared, to be used again.
        """
        started = time.perf_counter()
        self.scenario = scenario
        workshop = workshop or LearnerCache(threads)
        self.placement = located(place, scenario, path=("devices",))
        check_link_budget(scenario, self.placement)
        self.shards = workshop.shards(scenario)
        self.learner = workshop.learner(scenario)
        self.workloads = [
            located(self.learner.workload, device, path=("model",))
            for device in range(scenario.device_count)
        ]
        self.excluded = check_memory(scenario, self.workloads)
        self.trains = self.shards is not None and not network_only
        self._check_accountant()
        self._seconds = {"preparation": time.perf_counter() - started}

    def __repr__(self) -> str:
        return f"Simulation({self.scenario.name!r}, {self.scenario.device_count} devices)"

    def run(self, store: Store | None = None, progress: Progress | None = None) -> SimulationResult:
        """Simulate the network, then execute the training that its evaluations need.

        Args:
            store: results of tasks; required unless the run is network-only.
            progress: called after each executed task.

        Raises:
            ValueError: a run that trains has no store.
            LocatedError: training has diverged, or is asked for where there is none.
        """
        check_training(self.scenario, self.trains)
        if self.trains and store is None:
            raise ValueError("a run that trains needs a store")
        if store is None or self.shards is None or not self.trains:
            federation = self._network(NetworkOnly(self.learner, self.scenario.seed))
            totals = self._totals(federation, 0)
            return SimulationResult(
                federation.context.spans, (), {}, totals, federation.context.levels
            )
        with TaskGraph(self.learner, store, progress, executor=self.scenario.execution) as graph:
            return self._learned(graph, self.shards)

    def _learned(self, graph: TaskGraph, shards: Shards) -> SimulationResult:
        plan = TrainingPlan(
            graph,
            self.learner,
            shards,
            seed=self.scenario.seed,
            overall=len(shards.pooled) > 0,
        )
        try:
            federation = self._network(plan)
        except FloatingPointError as error:
            raise LocatedError(str(error), "method") from error
        started = time.perf_counter()
        names = [device.name for device in federation.devices]
        finals = {"shared": federation.server.shared} | dict(
            zip(names, plan.private(), strict=True)
        )
        try:
            graph.compute(
                [key for each in federation.context.evaluations for key in each.keys]
                + [handle.key for handle in finals.values()]
            )
        except FloatingPointError as error:
            raise LocatedError(str(error), "method") from error
        rows = metrics(federation.context.evaluations, names, graph.values)
        states = {name: graph.state(handle) for name, handle in finals.items()}
        self._seconds["learning"] = time.perf_counter() - started
        return SimulationResult(
            federation.context.spans,
            rows,
            {name: state for name, state in states.items() if state},
            {
                **self._totals(federation, graph.executed),
                **self._spent(plan.cohorts),
                "execution": dict(graph.report()),
            },
            federation.context.levels,
        )

    def _check_accountant(self) -> None:
        privacy = self.scenario.privacy
        noisy = self.trains and privacy is not None and privacy.noise_multiplier > 0
        if noisy and find_spec("opacus") is None:
            raise LocatedError("noise needs an accountant: install wfl-sim[privacy]", "privacy")

    def _spent(self, cohorts: Sequence[Sequence[int]]) -> dict[str, Any]:
        """Return the epsilon of what the server has seen, where updates have noise."""
        privacy = self.scenario.secured
        if privacy is None or not privacy.noise_multiplier:
            return {}
        from wfl_sim.learning.privacy_accounting import epsilon_spent

        return {"privacy": epsilon_spent(privacy, cohorts, self.scenario.device_count)}

    def _network(self, plan: Plan) -> Federation:
        started = time.perf_counter()
        alone = cores() > 1 and parent_process() is None
        with ThreadPoolExecutor(1, "fading") if alone else nullcontext() as ahead:
            federation = world.build_federation(
                self.scenario,
                self.placement,
                self.workloads,
                plan,
                excluded=self.excluded,
                examples=[len(each) for each in self.shards.train] if self.shards else (),
                ahead=ahead,
            )
            world.run(federation, self.scenario)
        self._seconds["network"] = time.perf_counter() - started
        return federation

    def _totals(self, federation: Federation, executed: int) -> dict[str, Any]:
        now, traffic = federation.env.now, federation.context.traffic
        joules = federation.context.ledger.components(now).sum(axis=0)
        return {
            "simulated_seconds": now,
            "bits": {
                "sent_up": traffic.sent_up,
                "received_up": traffic.received_up,
                "sent_down": traffic.sent_down,
                "received_down": traffic.received_down,
                "lost_up": traffic.lost_up,
                "lost_down": traffic.lost_down,
            },
            "joules": dict(zip(COMPONENTS, joules.tolist(), strict=True)),
            **_batteries(federation),
            **_handovers(federation),
            **_surroundings(self.scenario, federation),
            **({"excluded": [f"device-{i}" for i in self.excluded]} if self.excluded else {}),
            "tasks_executed": executed,
            "host_seconds": dict(self._seconds),
        }


def check_training(scenario: Scenario, trains: bool) -> None:
    """Refuse a selection that asks for what training gives, in a run that trains nothing.

    Raises:
        LocatedError: so.
    """
    select = getattr(scenario.rounds, "select", None)
    if not trains and getattr(select, "needs_training", False):
        raise LocatedError(
            f"{type(select).__name__} looks at losses: the run must train, neither --network-only "
            "nor on a synthetic model",
            "rounds",
            "select",
        )


def _batteries(federation: Federation) -> dict[str, dict[str, float]]:
    """Return what all batteries lost, kept and spilled, in J; nothing where there is none."""
    supplies = [s for s in (device.body.supply for device in federation.devices) if s is not None]
    if not supplies:
        return {}
    start = sum(supply.battery.initial * supply.battery.capacity for supply in supplies)
    return {
        "batteries": {
            "start": start,
            "end": sum(supply.level for supply in supplies),
            "charged": sum(supply.charged for supply in supplies),
            "spilled": sum(supply.spilled for supply in supplies),
        }
    }


def _handovers(federation: Federation) -> dict[str, dict[str, float]]:
    """Return how often devices changed their cells, and for how many s that held them up."""
    count, ping_pong = federation.context.handovers.count, federation.context.handovers.ping_pong
    if not count:
        return {}
    gaps = [
        span.end - span.start for span in federation.context.spans if span.activity == "handover"
    ]
    return {"handovers": {"count": count, "ping_pong": ping_pong, "interrupted_seconds": sum(gaps)}}


def _surroundings(scenario: Scenario, federation: Federation) -> dict[str, Any]:
    """Return what server and base stations drew, in J, and the g of CO2 of the devices."""
    spans, end = federation.context.spans, federation.env.now
    drawn = {"server": server_joules(scenario.server.hardware, spans, end)}
    for edge in federation.edges:
        drawn[edge.name] = server_joules(edge.server.hardware, spans, end, edge.name)
    for number, cell in enumerate(scenario.base_stations):
        if cell.station is not None:
            name = f"cell-{number}"
            slumber = federation.base_station_sleeps.get(name)
            wakings = slumber.wakings if slumber is not None else ()
            power = cell.downlink.power
            drawn[name] = station_joules(cell.station, spans, name, end, power, wakings)
    grams = {} if scenario.carbon is None else {"grams_co2": scenario.carbon.grams(spans)}
    return {"infrastructure_joules": drawn, **grams}
