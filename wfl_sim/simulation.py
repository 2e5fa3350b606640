"""Simulation: a scenario runs, and its rows and states become an outcome."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import wfl_sim.world as world
from wfl_sim.costs import check_costs
from wfl_sim.energy import COMPONENTS
from wfl_sim.execution.graph import Progress, TaskGraph
from wfl_sim.execution.plan import NetworkOnly, TrainingPlan
from wfl_sim.execution.store import Store
from wfl_sim.federation import Federation
from wfl_sim.infrastructure import server_joules, station_joules
from wfl_sim.learning.data.examples import Examples, Shards
from wfl_sim.learning.learner import PeftLearner
from wfl_sim.learning.synthetic import Synthetic, SyntheticLearner
from wfl_sim.measurement import metrics
from wfl_sim.methods.aggregation import State
from wfl_sim.protocols import Learner
from wfl_sim.radio.reach import check_reach
from wfl_sim.randomness import stream
from wfl_sim.records import Level, Metric, Span
from wfl_sim.registry import LocatedError
from wfl_sim.scenario import Scenario
from wfl_sim.topology import place


@dataclass(frozen=True)
class Outcome:
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

    def __init__(self, scenario: Scenario, *, network_only: bool = False, threads: int = 1) -> None:
        """Prepare a scenario.

        Args:
            scenario: what to run.
            network_only: learn nothing; the spans are the same.
            threads: of torch in each task.
        """
        started = time.perf_counter()
        self.scenario = scenario
        self.placement = _located(place, scenario, path=("devices",))
        check_reach(scenario, self.placement)
        self.shards = _shards(scenario)
        self.learner = _learner(scenario, self.shards, threads)
        self.workloads = [
            _located(self.learner.workload, device, path=("model",))
            for device in range(scenario.device_count)
        ]
        self.excluded = check_costs(scenario, self.workloads)
        self.trains = self.shards is not None and not network_only
        self._seconds = {"preparation": time.perf_counter() - started}

    def __repr__(self) -> str:
        return f"Simulation({self.scenario.name!r}, {self.scenario.device_count} devices)"

    def run(self, store: Store | None = None, progress: Progress | None = None) -> Outcome:
        """Simulate the network, then execute the training that its evaluations need.

        Args:
            store: results of tasks; required unless the run is network-only.
            progress: called after each executed task.

        Raises:
            ValueError: a run that trains has no store.
            LocatedError: training has diverged.
        """
        if self.trains and store is None:
            raise ValueError("a run that trains needs a store")
        if store is None or self.shards is None or not self.trains:
            federation = self._network(NetworkOnly())
            totals = self._totals(federation, 0)
            return Outcome(federation.spans, (), {}, totals, federation.levels)
        graph = TaskGraph(self.learner, store, progress)
        plan = TrainingPlan(
            graph,
            self.learner.recipe,
            self.shards,
            seed=self.scenario.seed,
            overall=len(self.shards.pooled) > 0,
        )
        federation = self._network(plan)
        started = time.perf_counter()
        names = [device.name for device in federation.devices]
        finals = {"shared": federation.server.shared} | dict(
            zip(names, plan.private(), strict=True)
        )
        try:
            graph.demand(
                [key for each in federation.measurements for key in each.keys]
                + [handle.key for handle in finals.values()]
            )
        except FloatingPointError as error:
            raise LocatedError(str(error), "method") from error
        rows = metrics(federation.measurements, names, graph.values)
        states = {name: graph.state(handle) for name, handle in finals.items()}
        self._seconds["learning"] = time.perf_counter() - started
        return Outcome(
            federation.spans,
            rows,
            {name: state for name, state in states.items() if state},
            self._totals(federation, graph.executed),
            federation.levels,
        )

    def _network(self, plan: "NetworkOnly | TrainingPlan") -> Federation:
        started = time.perf_counter()
        federation = world.build(
            self.scenario, self.placement, self.workloads, plan, excluded=self.excluded
        )
        world.run(federation, self.scenario)
        self._seconds["network"] = time.perf_counter() - started
        return federation

    def _totals(self, federation: Federation, executed: int) -> dict[str, Any]:
        now, traffic = federation.env.now, federation.traffic
        joules = federation.ledger.components(now).sum(axis=0)
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
            **_surroundings(self.scenario, federation),
            **({"excluded": [f"device-{i}" for i in self.excluded]} if self.excluded else {}),
            "tasks_executed": executed,
            "host_seconds": dict(self._seconds),
        }


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


def _surroundings(scenario: Scenario, federation: Federation) -> dict[str, Any]:
    """Return what server and base stations drew, in J, and the g of CO2 of the devices."""
    spans, end = federation.spans, federation.env.now
    drawn = {"server": server_joules(scenario.server.hardware, spans, end)}
    for number, cell in enumerate(scenario.base_stations):
        if cell.station is not None:
            name = f"cell-{number}"
            drawn[name] = station_joules(cell.station, spans, name, end, cell.downlink.power)
    grams = {} if scenario.carbon is None else {"grams_co2": scenario.carbon.grams(spans)}
    return {"infrastructure_joules": drawn, **grams}


def _located(function: Any, argument: Any, *, path: tuple[str | int, ...]) -> Any:
    """Call `function`, turning what it finds wrong into an error at a key of the scenario."""
    try:
        return function(argument)
    except LocatedError:
        raise
    except (ValueError, OSError, ImportError) as error:
        raise LocatedError(str(error), *path) from error


def _shards(scenario: Scenario) -> Shards | None:
    """Divide the data and keep of the held-out examples what the evaluation asks for."""
    if scenario.data is None or isinstance(scenario.model, Synthetic):
        return None
    data, evaluation = scenario.data, scenario.evaluation
    shards: Shards = _located(
        lambda devices: data.shards(devices, scenario.seed), scenario.device_count, path=("data",)
    )
    for device, examples in enumerate(shards.train):
        if not len(examples) or not len(shards.test[device]):
            raise LocatedError(
                f"leaves device {device} with {len(examples)} examples to train on and "
                f"{len(shards.test[device])} to be judged on: give more examples, fewer devices "
                "or a milder skew",
                "data",
            )
    shares = any(part.shared for part in scenario.method.parts)
    pooled = evaluation.global_examples if shares else 0
    return Shards(
        train=shards.train,
        test=tuple(
            _sample(examples, evaluation.personal_examples, scenario.seed, device)
            for device, examples in enumerate(shards.test)
        ),
        pooled=_sample(shards.pooled, pooled, scenario.seed, "pooled"),
        classes=shards.classes,
    )


def _sample(examples: Examples, count: int, seed: int, name: str | int) -> Examples:
    if len(examples) <= count:
        return examples
    rng = stream(seed, "evaluation", name)
    return examples.subset(sorted(rng.choice(len(examples), count, replace=False).tolist()))


def _learner(scenario: Scenario, shards: Shards | None, threads: int) -> Learner:
    if isinstance(scenario.model, Synthetic) or scenario.data is None or shards is None:
        return SyntheticLearner(scenario.model, scenario.method)
    return PeftLearner(
        model=scenario.model,
        method=scenario.method,
        shards=shards,
        tokens=scenario.data.tokens,
        codec_up=scenario.payload.upload,
        codec_down=scenario.payload.download,
        threads=threads,
    )
