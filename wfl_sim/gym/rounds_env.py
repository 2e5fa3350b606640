"""An environment whose steps are the rounds of a scenario."""

import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, SupportsFloat

import gymnasium
import numpy as np
import simpy
from gymnasium import spaces

from wfl_sim.config.errors import LocatedError, ScenarioError
from wfl_sim.execution.graph import TaskGraph
from wfl_sim.execution.plan import NetworkOnly, Plan
from wfl_sim.execution.store import Store
from wfl_sim.execution.training_plan import TrainingPlan
from wfl_sim.gym.decisions import action_space, apply, observation_space, observed, prepared
from wfl_sim.network.device import Device
from wfl_sim.network.federation import Federation
from wfl_sim.network.watchdog import Watchdog
from wfl_sim.records import Metric
from wfl_sim.results import write_run
from wfl_sim.rounds.policy import ask, finish, gather
from wfl_sim.scenario.loading import load
from wfl_sim.scenario.resolve import digest, to_yaml
from wfl_sim.simulation.learner_cache import LearnerCache
from wfl_sim.simulation.progress import metrics
from wfl_sim.simulation.run import provenance
from wfl_sim.simulation.simulation import Simulation

Reward = Callable[[Mapping[str, Any]], float]


def _less_time(info: Mapping[str, Any]) -> float:
    return -float(info["seconds"])


class RoundsEnv(gymnasium.Env[dict[str, Any], Any]):
    """Synchronous rounds of a scenario; an action decides the next one for every device.

    `reset` begins a run with a seed of its own, which follows from the seed of the environment. A
    step is a round: its devices are asked, compute and send, and the server aggregates. A round in
    which nobody is available takes `pause` s. An episode ends after `rounds`.

    A selection has a bit for each device. Other decisions have a number from 0 to 1: a weight among
    the devices that send in a cell, or a share of the highest power or frequency. Weights and power
    below 0.01 count as 0.01, and a frequency below the lowest of the hardware as the lowest.

    Args:
        scenario: a file, or a mapping of Python, with one point.
        act: "selection", "shares", "power" or "frequency"; with several, actions are mappings.
        rounds: of an episode; `rounds.count` of the scenario unless given.
        reward: of a round, from its `info`; minus its seconds unless given.
        out: folder of the run folders, one for each episode; none are written unless given.
        store: of what is trained, if the scenario trains; `out`/.store unless given.
        pause: simulated s of a round that asks nobody.

    Raises:
        ScenarioError: the scenario cannot be used; the message says where.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012  (as Gymnasium has it)

    def __init__(
        self,
        scenario: str | Path | Mapping[str, Any],
        *,
        act: str | Sequence[str],
        rounds: int = 0,
        reward: Reward = _less_time,
        out: str | Path | None = None,
        store: str | Path | None = None,
        pause: float = 1.0,
    ) -> None:
        loaded = load(scenario)
        if len(loaded) != 1:
            raise ScenarioError(f"sweep: an environment has one scenario, got {len(loaded)}")
        self._acts = [act] if isinstance(act, str) else [*act]
        one = loaded[0].scenario
        for key, value in loaded[0].document.data["rounds"].items():
            of_privacy = key == "clients" and one.privacy is not None  # the cohort of its noise
            if key != "count" and value != "synchronous" and not of_privacy:
                what = "has no effect: rounds here are synchronous, and actions say who is asked"
                warnings.warn(str(loaded[0].document.error(("rounds", key), what)), stacklevel=2)
        try:
            found = {each: action_space(each, one) for each in self._acts}
        except LocatedError as error:
            raise loaded[0].error(error) from None
        self._loaded = loaded[0]
        self._scenario = prepared(one, self._acts)
        self.action_space = found[act] if isinstance(act, str) else spaces.Dict(found)
        self.observation_space = observation_space(one.device_count)
        self._rounds = rounds or getattr(one.rounds, "count", None) or 1
        self._reward = reward
        self._out = None if out is None else Path(out)
        place = store or (self._out and self._out / ".store")
        self._store = Store(Path(place)) if place and one.data is not None else None
        self._pause = pause
        self._cache = LearnerCache()
        self._open = ExitStack()
        self._graph: TaskGraph | None = None
        self._number = self._rounds
        self._rows: list[Metric] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin a run; `options={"seed": 3}` gives it this seed of the scenario."""
        super().reset(seed=seed)
        drawn = int(self.np_random.integers(2**31))
        one = replace(self._scenario, seed=int((options or {}).get("seed", drawn)))
        self._simulation = Simulation(one, network_only=self._store is None, cache=self._cache)
        self._open.close()
        self._graph, self._number, self._rows = None, 0, []
        self._federation: Federation = self._simulation.federation(self._plan())
        self._watts = np.array([device.power for device in self._federation.devices])
        self._watchdog = Watchdog(self._federation, one.stall)
        return observed(self._federation, 0), {"seed": one.seed}

    def step(self, action: Any) -> tuple[dict[str, Any], SupportsFloat, bool, bool, dict[str, Any]]:
        """Run a round.

        Returns:
            Observation, reward, whether the episode is over, False, and what happened: `seconds`
            and `joules` of the round, `asked` and `arrived` (devices), and the metrics of a run
            that trains. The last step of an episode names the `run` folder, if one is written.

        Raises:
            ResetNeeded: no episode has begun, or it is over.
            InvalidAction: the action has not a value for each device.
        """
        if self._number >= self._rounds:
            raise gymnasium.error.ResetNeeded("no episode is going on: call reset()")
        decisions = action if isinstance(action, Mapping) else {self._acts[0]: action}
        found = {act: np.shape(values) for act, values in decisions.items()}
        if found != dict.fromkeys(self._acts, (len(self._federation.devices),)):
            raise gymnasium.error.InvalidAction(f"must be of {self.action_space}, got {found}")
        federation, env = self._federation, self._federation.env
        apply(decisions, federation, self._watts)
        start, joules = env.now, self._joules()
        chosen = decisions.get("selection")
        cohort = [each for each in federation.available() if chosen is None or chosen[each.index]]
        arrived: list[int] = []
        process = env.process(self._round(cohort, arrived))
        try:
            self._watchdog.run(process)
        except LocatedError as error:
            raise self._loaded.error(error) from error
        self._number += 1
        over = self._number >= self._rounds or federation.all_lost
        info: dict[str, Any] = {
            "seconds": env.now - start,
            "joules": self._joules() - joules,
            "asked": [device.index for device in cohort],
            "arrived": arrived,
            **self._measured(),
        }
        reward = float(self._reward(info))
        if over:
            self._number = self._rounds
            info |= self._finish()
        return observed(federation, self._number), reward, over, False, info

    def close(self) -> None:
        """Close what is open."""
        self._open.close()

    def _plan(self) -> Plan:
        simulation = self._simulation
        if self._store is None or simulation.shards is None:
            return NetworkOnly(simulation.learner, simulation.scenario.seed)
        graph = TaskGraph(simulation.learner, self._store, executor=simulation.scenario.execution)
        self._graph = self._open.enter_context(graph)
        overall = len(simulation.shards.pooled) > 0
        return TrainingPlan(
            graph,
            simulation.learner,
            simulation.shards,
            seed=simulation.scenario.seed,
            overall=overall,
        )

    def _round(
        self, cohort: Sequence[Device], arrived: list[int]
    ) -> Generator[simpy.Event, Any, None]:
        federation = self._federation
        if not cohort:
            yield federation.env.timeout(self._pause)
            return
        parts = yield from gather(federation, ask(federation.server, cohort, self._number))
        arrived.extend(sorted(each.device.index for each in parts))
        yield from federation.server.aggregate(parts, self._number)
        finish(federation, cohort, self._number)

    def _joules(self) -> float:
        context = self._federation.context
        return float(context.ledger.drawn(self._federation.env.now).sum())

    def _measured(self) -> dict[str, float]:
        """Train what the new evaluations need; return their numbers as `scope/metric`."""
        due = self._federation.context.evaluations
        if self._graph is None or not due:
            return {}
        self._graph.compute([key for each in due for key in each.keys])
        names = [device.name for device in self._federation.devices]
        rows = metrics(due, names, self._graph.values)
        due.clear()
        self._rows += rows
        return {f"{row.scope}/{row.metric}": row.value for row in rows if not row.device}

    def _finish(self) -> dict[str, Any]:
        """End the run, and write its folder if that is asked for."""
        federation, one = self._federation, self._simulation.scenario
        for device in federation.devices:
            device.close()
        if self._out is None:
            return {}
        states = {}
        if self._graph is not None:
            states = {"shared": self._graph.state(federation.server.shared)}
        result = self._simulation.result(federation, self._rows, states)
        manifest = {**provenance(one), **result.totals, "network_only": self._graph is None}
        folder = self._out / f"{one.name}-{'-'.join(self._acts)}-s{one.seed}-{digest(one)}"
        write_run(folder, scenario_yaml=to_yaml(one), manifest=manifest, **result.tables)
        return {"run": str(folder)}
