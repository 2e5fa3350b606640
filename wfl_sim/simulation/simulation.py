"""Simulation: runs a scenario and returns its spans, metrics and states."""

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from importlib.util import find_spec
from multiprocessing import parent_process
from types import MappingProxyType
from typing import Any

from wfl_sim.config.errors import LocatedError
from wfl_sim.data.examples import label_counts
from wfl_sim.execution.graph import Progress, TaskGraph
from wfl_sim.execution.plan import NetworkOnly, Plan
from wfl_sim.execution.store import Store
from wfl_sim.execution.training_plan import TrainingPlan
from wfl_sim.execution.worker_process import cores
from wfl_sim.learning.learner import PeftLearner
from wfl_sim.network.context import RunContext
from wfl_sim.network.federation.federation import Federation
from wfl_sim.network.federation.watchdog import ClockListener
from wfl_sim.records import LabelCount, Level, Metric, RadioSample, Span
from wfl_sim.rounds.selection.selector import SELECTORS
from wfl_sim.scenario.privacy_checks import draws_uniformly
from wfl_sim.scenario.scenario import Scenario
from wfl_sim.simulation.build import build_federation, run_federation
from wfl_sim.simulation.feasibility import check_link_budget, check_memory
from wfl_sim.simulation.learner_cache import LearnerCache, errors_at
from wfl_sim.simulation.network_totals import network_totals
from wfl_sim.simulation.placement import place
from wfl_sim.simulation.progress import NewestMetric, metrics
from wfl_sim.simulation.remarks import not_finite
from wfl_sim.state import State


@dataclass(frozen=True)
class SimulationResult:
    """Rows, states and totals of a simulation."""

    spans: Sequence[Span]
    metrics: Sequence[Metric]
    states: Mapping[str, State]
    """The final shared state as "shared", and the private state of each device by its name."""
    totals: Mapping[str, Any]
    """Simulated seconds, bits, joules by component, and host seconds by phase of the run."""
    levels: Sequence[Level] = ()
    labels: Sequence[LabelCount] = ()
    radio: Sequence[RadioSample] = ()
    samples: Sequence[Mapping[str, str]] = ()
    """Answers of a language model, before tuning and after."""

    @property
    def tables(self) -> dict[str, Any]:
        """What `write_run` stores in tables and files, by its argument."""
        names = ("spans", "metrics", "states", "levels", "labels", "radio", "samples")
        return {name: getattr(self, name) for name in names}


class Simulation:
    """One scenario, checked and ready to run.

    The constructor reads and divides the data, places the devices and counts the cost of a local
    update on the shapes of the model; nothing is trained.

    Args:
        scenario: The scenario to run.
        network_only: Whether to train nothing; the spans are the same.
        threads: Threads of torch in each task; ignored if `cache` is given.
        cache: Data and learners of earlier simulations of this process, to be used again.

    Raises:
        LocatedError: The parts of the scenario do not fit together.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        network_only: bool = False,
        threads: int = 1,
        cache: LearnerCache | None = None,
    ) -> None:
        started = time.perf_counter()
        self.scenario = scenario
        cache = cache or LearnerCache(threads)
        with errors_at("devices"):
            self.placement = place(scenario)
        self.out_of_reach = check_link_budget(scenario, self.placement)
        self.shards = cache.shards(scenario)
        self.learner = cache.learner(scenario)
        with errors_at("model"):
            self.workloads = [self.learner.workload(i) for i in range(scenario.device_count)]
        too_small = check_memory(scenario, self.workloads)
        self.excluded = tuple(sorted({*too_small, *self.out_of_reach.excluded}))
        if len(self.excluded) == scenario.device_count:
            raise LocatedError("no device is both in reach and has memory enough", "devices")
        self.trains = self.shards is not None and not network_only
        self.inspection = None
        """What was read of model and texts before the training."""
        if self.trains and isinstance(self.learner, PeftLearner):
            with errors_at("model"):
                self.inspection = self.learner.inspection
        self._check_accountant()
        self._seconds = {"preparation": time.perf_counter() - started}

    def __repr__(self) -> str:
        return f"Simulation({self.scenario.name!r}, {self.scenario.device_count} devices)"

    def run(
        self,
        store: Store | None = None,
        progress: Progress | None = None,
        clock: ClockListener | None = None,
        measured: Callable[[str, float], None] | None = None,
    ) -> SimulationResult:
        """Simulate the network, then execute the training that its evaluations need.

        Args:
            store: Results of tasks; required unless the run is network-only.
            progress: Called after each executed task.
            clock: Told the simulated time, about once a second, while the network is simulated.
            measured: Told the newest metric, now and then, while training goes on.

        Raises:
            ValueError: A run that trains has no store.
            LocatedError: Training has diverged, or is asked for in a run that trains nothing; or
                the simulated run would not end.
        """
        check_training(self.scenario, self.trains)
        if not self.trains:
            federation = self._simulate(NetworkOnly(self.learner, self.scenario.seed), clock)
            return self.result(federation)
        if store is None:
            raise ValueError("a run that trains needs a store")
        newest = NewestMetric(store, progress, measured)
        with TaskGraph(self.learner, store, newest, executor=self.scenario.execution) as graph:
            return self._train(graph, clock, newest)

    def _train(
        self, graph: TaskGraph, clock: ClockListener | None, newest: NewestMetric
    ) -> SimulationResult:
        plan = self.training_plan(graph)
        with errors_at("method", kinds=(FloatingPointError,)):
            federation = self._simulate(plan, clock)
        context, started = federation.context, time.perf_counter()
        names = [device.name for device in federation.devices]
        private = dict(zip(names, plan.private(), strict=True))
        finals = {"shared": federation.server.shared} | private
        needed = [key for evaluation in context.evaluations for key in evaluation.keys]
        newest.watch(context.evaluations)
        with errors_at("method", kinds=(FloatingPointError,)):
            graph.compute([*needed, *(state.key for state in finals.values())])
        rows = metrics(context.evaluations, names, graph.values)
        states = {name: graph.state(handle) for name, handle in finals.items()}
        broken = not_finite(states)
        left_out = plan.left_out() if self.scenario.server.robust else {}
        self._seconds["learning"] = time.perf_counter() - started
        totals = {
            "tasks_executed": graph.executed,
            **({"uploads_left_out": left_out} if left_out else {}),
            **({"not_finite": broken} if broken else {}),
            **self.privacy_spent(context),
            "execution": dict(graph.report()),
        }
        samples: list[dict[str, str]] = []
        if isinstance(self.learner, PeftLearner) and not broken:
            samples = self.learner.samples(states["shared"], [states[name] for name in names])
        states = {name: state for name, state in states.items() if state}
        return replace(self.result(federation, rows, states, totals), samples=samples)

    def training_plan(self, graph: TaskGraph) -> TrainingPlan:
        """Return the plan of a run that trains."""
        assert self.shards is not None
        return TrainingPlan(
            graph,
            self.learner,
            self.shards,
            seed=self.scenario.seed,
            overall=len(self.shards.pooled) > 0,
            equal=self.scenario.server.weights == "equal",
        )

    def federation(self, plan: Plan, ahead: Executor | None = None) -> Federation:
        """Return the federation at time zero, see `build_federation`."""
        return build_federation(
            self.scenario,
            self.placement,
            self.workloads,
            plan,
            excluded=self.excluded,
            outage=self.out_of_reach.outage,
            examples=[len(each) for each in self.shards.train] if self.shards else (),
            ahead=ahead,
        )

    def result(
        self,
        federation: Federation,
        rows: Sequence[Metric] = (),
        states: Mapping[str, State] = MappingProxyType({}),
        totals: Mapping[str, Any] = MappingProxyType({}),
    ) -> SimulationResult:
        """Return the result of a federation whose run is over; `totals` are added to its own."""
        totals = {**self._totals(federation), **totals}
        context, sites = federation.context, [cell.position for cell in self.scenario.base_stations]
        levels = [*self.placement.levels(sites), *context.levels]
        labels = [] if self.shards is None else list(label_counts(self.shards))
        radio = () if context.radio is None else context.radio.rows
        return SimulationResult(context.spans, rows, {**states}, totals, levels, labels, radio)

    def _check_accountant(self) -> None:
        privacy = self.scenario.privacy
        noisy = self.trains and privacy is not None and privacy.noise_multiplier > 0
        if noisy and find_spec("opacus") is None:
            raise LocatedError("noise needs an accountant: install wfl-sim[privacy]", "privacy")

    def privacy_spent(self, context: RunContext, *, drawn: bool = True) -> dict[str, Any]:
        """Return the epsilon spent by what the server has received, if updates have noise.

        Args:
            context: of the run.
            drawn: whether the rounds of the scenario have drawn the cohorts, and not an agent.
        """
        privacy, rounds = self.scenario.secured, self.scenario.rounds
        if privacy is None or not privacy.noise_multiplier:
            return {}
        from wfl_sim.learning.privacy_accounting import epsilon_spent

        cohorts: Sequence[Sequence[int]] = context.plan.cohorts
        if privacy.noise == "local":  # each upload tells by itself
            cohorts = [[device] for device in context.received]
        uniform = drawn and not context.partial_pools and draws_uniformly(rounds)
        count = self.scenario.device_count
        return {"privacy": epsilon_spent(privacy, cohorts, count, uniform=uniform)}

    def _simulate(self, plan: Plan, clock: ClockListener | None) -> Federation:
        started = time.perf_counter()
        has_spare_core = cores() > 1 and parent_process() is None
        threads = ThreadPoolExecutor(1, "fading") if has_spare_core else nullcontext()
        with threads as ahead, _few_collections() as freeze:
            federation = self.federation(plan, ahead)
            freeze()
            run_federation(federation, self.scenario, clock)
        self._seconds["network"] = time.perf_counter() - started
        return federation

    def _totals(self, federation: Federation) -> dict[str, Any]:
        left_out = {"excluded": self.excluded, "outage": self.out_of_reach.outage}
        return {
            **network_totals(self.scenario, federation),
            **{why: [f"device-{i}" for i in left_out[why]] for why in left_out if left_out[why]},
            "tasks_executed": 0,
            "host_seconds": dict(self._seconds),
        }


@contextmanager
def _few_collections() -> Iterator[Callable[[], None]]:
    """Collect no garbage until what is given is called, and until the end none that is there then.

    100,000 devices take a collection about a second.
    """
    mine = gc.isenabled() and not gc.get_freeze_count()
    if mine:
        gc.disable()
    try:
        yield _freeze if mine else lambda: None
    finally:
        if mine:
            gc.enable()
            gc.unfreeze()


def _freeze() -> None:
    gc.freeze()
    gc.enable()


def check_training(scenario: Scenario, trains: bool) -> None:
    """Refuse a client selection that needs losses in a run that trains nothing.

    Raises:
        LocatedError: The selection needs training, and the run does not train.
    """
    select = getattr(scenario.rounds, "select", None)
    if not trains and getattr(select, "needs_training", False):
        raise LocatedError(
            f"{SELECTORS.label(select)} looks at losses: the run must train, neither "
            "--network-only nor on a synthetic model",
            "rounds",
            "select",
        )
