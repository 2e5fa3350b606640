"""Rounds that train: simulated time alone decides, what is dropped is never executed."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pytest

from tests.fixtures.runs import scenario
from wfl_sim.execution.executor import EXECUTORS, inputs_of
from wfl_sim.execution.graph import TaskGraph
from wfl_sim.execution.store import Store
from wfl_sim.execution.task import Aggregate, LocalUpdate
from wfl_sim.execution.training_plan import TrainingPlan
from wfl_sim.results import digest_metrics, digest_spans, digest_states
from wfl_sim.simulation.build import build_federation, run_federation
from wfl_sim.simulation.simulation import Simulation

TRAINING = """
name: paces
seed: 3
model: {pretrained: builtin:tiny-bert}
data: {kind: newswire, examples: 40, tokens: 24, partition: {kind: dirichlet, alpha: 1}}
method: {kind: fedit, lora: {rank: 2}, local: {steps: 2, batch: 8}}
rounds: {kind: synchronous, count: 2, clients: 3}
evaluation: {global_examples: 16, personal_examples: 8, every: 3}
cells: [{bandwidth: 5 MHz, channel: {pathloss: macro, shadowing: {sigma: 6 dB}}}]
devices:
  - {count: 2, hardware: jetson-orin-nano, area: {radius: 300 m}}
  - {count: 2, hardware: {base: raspberry-pi-5, step_overhead: 50 ms}, area: {radius: 300 m}}
"""

POLICIES = {
    "over-selection": ["rounds={kind: over-selection, count: 3, clients: 4, take: 2}"],
    "drop": ["rounds={kind: deadline, count: 3, deadline: 60 ms}"],
    "fold": ["rounds={kind: deadline, count: 4, deadline: 60 ms, late: fold}"],
    "fedasync": ["rounds={kind: asynchronous, count: 6}", "server.staleness={kind: mixing}"],
    "fedbuff": ["rounds={kind: asynchronous, count: 3, buffer: 2}", "server.weights=equal"],
    "tiers": ["rounds={kind: tiers, count: 4, tiers: 2}"],
}


def digests(outcome):
    return (
        digest_spans(outcome.spans),
        digest_metrics(outcome.metrics),
        digest_states(outcome.states),
    )


@dataclass(frozen=True)
class Shuffled:
    """Takes all that is ready and ends it in an order of the host's own, after naps."""

    @property
    def mode(self):
        return "exact"

    @contextmanager
    def session(self, learner, store) -> Iterator["ShuffledSession"]:
        yield ShuffledSession(learner, store)


class ShuffledSession:
    def __init__(self, learner, store):
        self._learner, self._store = learner, store
        self._taken = {}
        self._host = random.SystemRandom()

    @property
    def room(self):
        return 1000

    def submit(self, tasks, outlook):
        self._taken.update(tasks)

    def finished(self):
        key = self._host.choice(list(self._taken))
        task = self._taken.pop(key)
        time.sleep(self._host.uniform(0, 0.01))
        self._store.put(key, self._learner.run(task, inputs_of(task, self._store)))
        return [key]

    def report(self):
        return {}


@pytest.mark.parametrize("policy", POLICIES)
def test_simulated_time_decides_and_not_the_host(tmp_path, policy, monkeypatch):
    monkeypatch.setattr(EXECUTORS, "_kinds", {**EXECUTORS._kinds, "shuffled": Shuffled})
    done = []
    simulation = Simulation(scenario(tmp_path, *POLICIES[policy], text=TRAINING))
    straight = simulation.run(Store(tmp_path / "straight"), lambda task, *_: done.append(task))
    simulation = Simulation(scenario(tmp_path, *POLICIES[policy], text=TRAINING))
    simulation.scenario = replace(simulation.scenario, execution=Shuffled())
    shuffled = simulation.run(Store(tmp_path / "shuffled"))
    assert digests(shuffled) == digests(straight)
    network = Simulation(scenario(tmp_path, *POLICIES[policy], text=TRAINING), network_only=True)
    assert digest_spans(network.run().spans) == digest_spans(straight.spans)
    check_dropped(straight, done)


def check_dropped(outcome, done):
    """Whoever was dropped in a round was not trained in it."""
    trained = sum(isinstance(task, LocalUpdate) for task in done)
    through = [
        (s.actor, s.round) for s in outcome.spans if (s.activity, s.outcome) == ("upload", "done")
    ]
    assert trained <= len(through)
    used = sum(len(task.uploads) for task in done if isinstance(task, Aggregate))
    assert used <= trained


def test_what_is_dropped_is_never_executed(tmp_path):
    done = []
    outcome = Simulation(scenario(tmp_path, *POLICIES["drop"], text=TRAINING)).run(
        Store(tmp_path / "store"), lambda task, *_: done.append(task)
    )
    dropped = {s.actor for s in outcome.spans if s.outcome == "dropped"}
    trained = {f"device-{task.device}" for task in done if isinstance(task, LocalUpdate)}
    assert dropped
    assert trained
    assert not dropped & trained


@pytest.mark.parametrize("kind", ["fedit", "pftt"])
def test_what_comes_too_late_is_trained_only_for_what_a_device_keeps(tmp_path, kind):
    """Half of all uploads are lost on the air: a private part has learned, a shared one has not."""
    done = []
    method = f"method={{kind: {kind}, lora: {{rank: 2}}, local: {{steps: 1, batch: 4}}}}"
    lost = "cells.0.uplink.loss={kind: constant, rate: 0.5}"
    outcome = Simulation(scenario(tmp_path, method, lost, "rounds.count=3", text=TRAINING)).run(
        Store(tmp_path / "store"), lambda task, *_: done.append(task)
    )
    sent = [s.outcome for s in outcome.spans if s.activity == "upload"]
    assert 0 < sent.count("lost") < len(sent)
    trained = sum(isinstance(task, LocalUpdate) for task in done)
    assert trained == (len(sent) if kind == "pftt" else sent.count("done"))


def trained_federation(tmp_path, *settings):
    """Return the federation and the graph after a run in which all was executed."""
    ready = Simulation(scenario(tmp_path, *settings, text=TRAINING))
    graph = TaskGraph(ready.learner, Store(tmp_path / "store"))
    plan = TrainingPlan(graph, ready.learner, ready.shards, seed=3, overall=True)
    federation = build_federation(ready.scenario, ready.placement, ready.workloads, plan)
    run_federation(federation, ready.scenario)
    graph.compute([federation.server.shared.key])
    return federation, graph


def aggregations(federation, graph):
    """Return the aggregations from the first to the last, and the state each has made."""
    chain, key = [], federation.server.shared.key
    while isinstance(task := graph._tasks[key], Aggregate):
        chain.append((task, graph.result(key).states["shared"]))
        key = task.shared.key
    return chain[::-1]


def test_fedasync_mixes_by_staleness(tmp_path):
    rule = "server.staleness={kind: mixing, alpha: 0.6, exponent: 0.5}"
    federation, graph = trained_federation(tmp_path, POLICIES["fedasync"][0], rule)
    stale = []
    for number, (task, made) in enumerate(aggregations(federation, graph)):
        (tau,) = task.staleness
        stale.append(tau)
        a = 0.6 * (1 + tau) ** -0.5
        x, y = graph.state(task.shared), graph.state(task.uploads[0])
        for name in made:
            assert made[name] == pytest.approx((1 - a) * x[name] + a * y[name], abs=1e-6)
        (upload,) = [graph._tasks[handle.key] for handle in task.uploads]
        assert upload.shared == task.bases[0]
        # The base is the state that lies so many aggregations back.
        older = [each.shared for each, _ in aggregations(federation, graph)]
        assert older.index(task.bases[0]) == number - tau
    assert max(stale) >= 1


def test_fedbuff_adds_the_mean_of_discounted_changes(tmp_path):
    settings = ["rounds={kind: asynchronous, count: 5, buffer: 2}", "server.weights=equal"]
    federation, graph = trained_federation(tmp_path, *settings)
    stale = []
    for task, made in aggregations(federation, graph):
        stale += task.staleness
        x = graph.state(task.shared)
        for name in made:
            changes = [
                (1 + tau) ** -0.5 * (graph.state(up)[name] - graph.state(base)[name])
                for up, base, tau in zip(task.uploads, task.bases, task.staleness, strict=True)
            ]
            assert made[name] == pytest.approx(x[name] + np.mean(changes, axis=0), abs=1e-6)
    assert max(stale) >= 1


def test_evaluations_at_an_interval(tmp_path):
    settings = ["rounds={kind: asynchronous, until: 0.5 s}", "evaluation.interval=200 ms"]
    outcome = Simulation(scenario(tmp_path, *settings, text=TRAINING)).run(Store(tmp_path / "s"))
    rows = [m for m in outcome.metrics if (m.metric, m.scope) == ("accuracy", "global")]
    assert [row.time for row in rows] == pytest.approx([0.0, 0.2, 0.4, 0.5])
    ends = [s.end for s in outcome.spans if s.activity == "aggregate"]
    assert [row.round for row in rows] == [sum(e <= row.time for e in ends) - 1 for row in rows]


def test_a_device_goes_on_from_the_newest_state(tmp_path):
    federation, graph = trained_federation(tmp_path, *POLICIES["fedasync"])
    versions = [task.shared for task, _ in aggregations(federation, graph)]
    tasks = [task for task in graph._tasks.values() if isinstance(task, LocalUpdate)]
    for device in federation.devices:
        began = [
            versions.index(t.shared)
            for t in tasks
            if t.device == device.index and t.shared in versions
        ]
        assert began == sorted(set(began))


def test_local_noise_is_spent_by_what_arrives_looked_at_or_not(tmp_path):
    """Uploads of an older state are ignored, and the server has received them all the same."""
    pytest.importorskip("opacus")
    settings = (
        "rounds={kind: asynchronous, count: 5, oldest: 0, clients: 4}",
        "server.weights=equal",
        "privacy={clip: 1, noise_multiplier: 1, noise: local}",
    )
    result = Simulation(scenario(tmp_path, *settings, text=TRAINING)).run(Store(tmp_path / "s"))
    uploads = [s for s in result.spans if (s.activity, s.outcome) == ("upload", "done")]
    assert len(uploads) > 5
    most = max(Counter(s.actor for s in uploads).values())
    assert result.totals["privacy"]["releases"] == most == 5
