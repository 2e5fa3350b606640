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
from gymnasium.utils import EzPickle

from wfl_sim.config.errors import LocatedError, ScenarioError
from wfl_sim.execution.graph import TaskGraph
from wfl_sim.execution.plan import NetworkOnly, Plan
from wfl_sim.execution.store import Store
from wfl_sim.execution.training_plan import TrainingPlan
from wfl_sim.gym.decisions import (
    action_space,
    apply,
    decided,
    idle_keys,
    named,
    observation_space,
    observed,
    prepared,
    worth,
)
from wfl_sim.network.devices.device import Device
from wfl_sim.network.federation.federation import Federation
from wfl_sim.network.federation.watchdog import Watchdog
from wfl_sim.records import Metric
from wfl_sim.results import digest_spans, write_run
from wfl_sim.results.tables import NAME_BYTES, cut
from wfl_sim.rounds.policy import ask, finish, gather
from wfl_sim.scenario.loading import remarks
from wfl_sim.scenario.resolve import digest, to_yaml
from wfl_sim.scenario.scenario import Scenario
from wfl_sim.simulation.learner_cache import LearnerCache
from wfl_sim.simulation.progress import metrics
from wfl_sim.simulation.remarks import not_finite_remark
from wfl_sim.simulation.request import RunRequest
from wfl_sim.simulation.run import prepare, provenance

Reward = Callable[[Mapping[str, Any]], float]


def _less_time(info: Mapping[str, Any]) -> float:
    return -float(info["seconds"])


def _warn(text: str) -> None:
    warnings.warn(text, stacklevel=3)


class RoundsEnv(gymnasium.Env[dict[str, Any], Any], EzPickle):
    """Synchronous rounds of a scenario; an action decides the next one for every device.

    `reset` begins a run with a seed of its own, which follows from the seed of the environment. A
    step is a round: its devices are asked, compute and send, and the server aggregates. A round in
    which nobody is available takes `pause` s. An episode ends after `rounds`.

    A selection has a bit for each device. Other decisions have a number from 0 to 1: a weight among
    the devices that send in a cell, or a share of the highest power or frequency. Weights and power
    below 0.01 count as 0.01, and a frequency below the lowest of the hardware as the lowest.

    A copy (pickle, `copy.deepcopy`) is an environment of the same arguments before its first reset.

    Args:
        scenario: a file, a mapping of Python or a `Scenario`, with one point.
        act: "selection", "shares", "power" or "frequency"; with several, actions are mappings.
        rounds: of an episode; `rounds.count` of the scenario unless given.
        reward: of a round, from its `info`; minus its seconds unless given.
        out: folder of the run folders, one for each episode; none are written unless given.
            Names end in a digest of what happened, so only an equal episode takes the same.
        store: of what is trained, if the scenario trains; `out`/.store unless given.
        pause: simulated s of a round that asks nobody.
        allow_plugins: let ``kind: ./mine.py:Mine`` run that file.

    Raises:
        ScenarioError: the scenario cannot be used, or `out` not be written; the message says where.
        ValueError: another argument cannot be used.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012  (as Gymnasium has it)

    def __init__(
        self,
        scenario: str | Path | Mapping[str, Any] | Scenario,
        *,
        act: str | Sequence[str],
        rounds: int = 0,
        reward: Reward = _less_time,
        out: str | Path | None = None,
        store: str | Path | None = None,
        pause: float = 1.0,
        allow_plugins: bool = False,
    ) -> None:
        EzPickle.__init__(
            self,
            scenario,
            act=act,
            rounds=rounds,
            reward=reward,
            out=out,
            store=store,
            pause=pause,
            allow_plugins=allow_plugins,
        )
        request = RunRequest.of(scenario, out=out or ".", store=store, allow_plugins=allow_plugins)
        loaded = request.planned
        if len(loaded) != 1:
            raise ScenarioError(f"sweep: an environment has one scenario, got {len(loaded)}")
        if out is not None:
            request.check_out()
        self._acts = named(act)
        counted = isinstance(rounds, int | np.integer) and rounds >= 0
        timed = isinstance(pause, int | float | np.number) and 0 < pause < float("inf")
        if not (counted and timed):
            what = f"got rounds={rounds!r}, pause={pause!r}"
            raise ValueError(f"rounds must be 1 or more, and pause a number of seconds, {what}")
        if not callable(reward):
            raise ValueError(f"reward must be a function of `info`, got {reward!r}")
        one = loaded[0].scenario
        self._rounds = int(rounds) or getattr(one.rounds, "count", None) or 0
        if not self._rounds:
            raise ValueError("rounds must be 1 or more: the scenario has no `rounds.count`")
        for remark in remarks(loaded):
            _warn(remark)
        for key in idle_keys(one):
            what = "has no effect: rounds here are synchronous, and actions say who is asked"
            _warn(str(loaded[0].document.error(("rounds", key), what)))
        try:
            found = {each: action_space(each, one) for each in self._acts}
        except LocatedError as error:
            raise loaded[0].error(error) from None
        self._loaded = loaded[0]
        self._scenario = prepared(one, self._acts)
        self.action_space = found[act] if isinstance(act, str) else spaces.Dict(found)
        self.observation_space = observation_space(one.device_count)
        self._reward = reward
        self._out = None if out is None else request.out
        place = request.store or (self._out and self._out / ".store")
        self._store = place if one.data is not None else None
        if self._store is None and one.data is not None:
            _warn("nothing is trained: neither `out` nor `store` says where to keep results")
        self._pause = pause
        self._cache = LearnerCache()
        self._open = ExitStack()
        self._graph: TaskGraph | None = None
        self._number = self._rounds
        self._rows: list[Metric] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin a run; `options={"seed": 3}` gives it this seed of the scenario.

        Returns the observation, the seed, and the metrics before any training of a run that trains.

        Raises:
            ScenarioError: the scenario cannot be run with this seed; the message says where.
            ValueError: there is no such option, or it is no seed.
        """
        super().reset(seed=seed)
        chosen = {"seed": int(self.np_random.integers(2**31)), **(options or {})}
        seed = chosen["seed"]
        whole = isinstance(seed, int | np.integer) and 0 <= seed < 2**63
        if chosen.keys() != {"seed"} or not whole:
            raise ValueError(f"options may have a `seed`, from 0 to 2**63 - 1, got {options}")
        one = replace(self._scenario, seed=int(seed))
        self._number = self._rounds  # no episode, if what follows fails
        self._simulation = prepare(
            replace(self._loaded, scenario=one),
            _warn,
            network_only=self._store is None,
            cache=self._cache,
        )
        self._open.close()
        self._graph, self._number, self._rows = None, 0, []
        self._federation: Federation = self._simulation.federation(self._plan())
        self._federation.settle()
        self._watts = np.array([device.power for device in self._federation.devices])
        self._watchdog = Watchdog(self._federation, one.stall)
        return observed(self._federation, 0), {"seed": one.seed, **self._measured()}

    def step(self, action: Any) -> tuple[dict[str, Any], SupportsFloat, bool, bool, dict[str, Any]]:
        """Run a round.

        Returns:
            Observation, reward, whether the episode is over, whether the round came to no end
            within `stall` of the scenario (`stalled` says who waits), and what happened: `seconds`
            and `joules` of the round, `asked` and `arrived` (devices), and the metrics of a run
            that trains. The last step of an episode names the `run` folder, if one is written.

        Raises:
            ResetNeeded: no episode has begun, or it is over.
            TypeError: `reward` has returned no number.
            InvalidAction: the action has not a value of the space for each device.
            ScenarioError: the clock stands still, or a kind has answered what it must not.
        """
        if self._number >= self._rounds:
            raise gymnasium.error.ResetNeeded("no episode is going on: call reset()")
        federation, env = self._federation, self._federation.env
        decisions = decided(action, self._acts, len(federation.devices))
        apply(decisions, federation, self._watts)
        start, joules = env.now, self._joules()
        chosen = decisions.get("selection")
        cohort = [each for each in federation.available() if chosen is None or chosen[each.index]]
        arrived: list[int] = []
        process = env.process(self._round(cohort, arrived))
        number, info = self._number + 1, dict[str, Any]()
        try:
            self._watchdog.run(process)
        except LocatedError as error:
            self._number = self._rounds
            if error.path != ("stall",):
                raise self._loaded.error(error) from error
            info["stalled"] = str(self._loaded.error(error))
        over = "stalled" not in info and (number >= self._rounds or federation.all_lost)
        self._number = self._rounds if over or info else number
        info |= {
            "seconds": env.now - start,
            "joules": self._joules() - joules,
            "asked": [device.index for device in cohort],
            "arrived": arrived,
        }
        if over:
            federation.finish()
        info |= self._measured()
        if over and self._out is not None:
            info["run"] = str(self._written(self._out))
        reward = worth(self._reward(info))
        if "power" in decisions:  # what is shown holds for any next action
            apply({"power": np.ones(len(federation.devices))}, federation, self._watts)
        return observed(federation, number), reward, over, "stalled" in info, info

    def close(self) -> None:
        """End the episode, and close what is open; `reset` begins another one."""
        self._number = self._rounds
        self._open.close()

    def _plan(self) -> Plan:
        simulation = self._simulation
        if self._store is None or not simulation.trains:
            return NetworkOnly(simulation.learner, simulation.scenario.seed)
        store = self._open.enter_context(Store(self._store))
        graph = TaskGraph(simulation.learner, store, executor=simulation.scenario.execution)
        self._graph = self._open.enter_context(graph)
        return simulation.training_plan(graph)

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

    def _written(self, out: Path) -> Path:
        """Write the folder of the run, which has ended, and return it."""
        federation, one = self._federation, self._simulation.scenario
        states, spent = {}, dict[str, Any]()
        if self._graph is not None:
            states = {"shared": self._graph.state(federation.server.shared)}
            spent = self._simulation.privacy_spent(federation.context, drawn=False)
        result = self._simulation.result(federation, self._rows, states)
        given = {**result.totals, **spent, "network_only": self._graph is None}
        manifest, plan = {**provenance(one), **given}, federation.context.plan
        if isinstance(plan, TrainingPlan) and one.server.robust and (left_out := plan.left_out()):
            manifest["uploads_left_out"] = left_out
            _warn(not_finite_remark(left_out))
        course = digest_spans(result.spans)[:8]
        end = f"-{'-'.join(self._acts)}-s{one.seed}-{digest(one)}-{course}"
        folder = out / (cut(one.name, NAME_BYTES - len(end)) + end)
        write_run(folder, scenario_yaml=to_yaml(one), manifest=manifest, **result.tables)
        return folder
