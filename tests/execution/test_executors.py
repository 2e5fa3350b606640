"""Executors: the same results from each executor, and groups of tasks that can share a pass."""

import os
from collections import Counter

import pytest

from tests.execution.test_graph import Counting, shards, two_rounds
from wfl_sim.execution import executor
from wfl_sim.execution.executors import Grouped, Inline
from wfl_sim.execution.graph import TaskGraph
from wfl_sim.execution.plan import ReceivedUpload
from wfl_sim.execution.store import Store
from wfl_sim.execution.store_maintenance import path_of
from wfl_sim.execution.task import (
    Aggregate,
    Evaluate,
    InitialPrivate,
    InitialShared,
    LocalUpdate,
    StateRef,
    key_of,
)
from wfl_sim.execution.training_plan import TrainingPlan
from wfl_sim.scenario.loading import load
from wfl_sim.scenario.resolve import digest


class Grouping(Counting):
    """Runs several local updates or evaluations at once, as sums in one go."""

    def __init__(self):
        super().__init__()
        self.groups = []
        self.evaluated = []

    def shares(self, task):
        return isinstance(task, LocalUpdate | Evaluate)

    def run_group(self, tasks, inputs):
        (kind,) = {type(task) for task in tasks}
        groups = self.groups if kind is LocalUpdate else self.evaluated
        groups.append([task.device for task in tasks])
        return [self.run(task, each) for task, each in zip(tasks, inputs, strict=True)]


def rounds(graph, devices=5, count=3):
    training = TrainingPlan(graph, Counting(), shards(devices), seed=1, overall=True)
    shared = training.initial_shared()
    wanted = []
    for number in range(count):
        uploads = [
            ReceivedUpload(device=d, upload=training.local_update(d, number, shared))
            for d in range(devices)
        ]
        shared = training.aggregate(shared, uploads)
        overall, personal = training.evaluate(shared)
        wanted += [overall, *personal]
    return wanted


def values(tmp_path, learner, executor):
    with Store(tmp_path) as store, TaskGraph(learner, store, executor=executor) as graph:
        keys = rounds(graph)
        graph.compute(keys)
        return [dict(graph.values(key)) for key in keys], graph.report()


def test_a_learner_gets_the_local_updates_of_a_round_together(tmp_path):
    learner = Grouping()
    expected, _ = values(tmp_path / "a", Counting(), Inline())
    found, report = values(tmp_path / "b", learner, Grouped())
    assert found == expected
    assert learner.groups == [[0, 1, 2, 3, 4]] * 3
    evaluated = Counter(device for group in learner.evaluated for device in group)
    assert evaluated == dict.fromkeys(range(-1, 5), 3)
    assert report == {"executor": "grouped", "mode": "grouped", "groups": 3, "largest_group": 5}


def test_groups_are_no_larger_than_asked(tmp_path):
    learner = Grouping()
    values(tmp_path, learner, Grouped(size=2))
    assert learner.groups == [[0, 1], [2, 3], [4]] * 3
    assert max(map(len, learner.evaluated)) == 2


@pytest.mark.parametrize(("devices", "sizes"), [(5, [5]), (9, [8, 1]), (20, [8, 8, 4])])
def test_evaluations_that_wait_take_no_room_from_updates(tmp_path, devices, sizes):
    learner = Grouping()
    with TaskGraph(learner, Store(tmp_path), executor=Grouped(size=8)) as graph:
        graph.compute(rounds(graph, devices=devices, count=12))
    assert [len(group) for group in learner.groups] == sizes * 12
    full, rest = divmod(12 * (devices + 1), 8)
    assert [len(group) for group in learner.evaluated] == [8] * full + [rest] * (rest > 0)


def test_what_cannot_share_is_stored_one_by_one(tmp_path):
    class Apart(Grouping):
        def shares(self, task):
            return isinstance(task, LocalUpdate)

    learner = Apart()
    values(tmp_path, learner, Grouped())
    assert learner.groups == [[0, 1, 2, 3, 4]] * 3
    assert learner.evaluated == []


def test_a_learner_without_groups_gets_one_task_at_a_time(tmp_path):
    expected, _ = values(tmp_path / "a", Counting(), Inline())
    found, report = values(tmp_path / "b", Counting(), Grouped())
    assert found == expected
    assert report["groups"] == 0


def test_inline_executes_in_the_order_of_asking(tmp_path):
    learner = Counting()
    with TaskGraph(learner, Store(tmp_path)) as graph:
        graph.compute(rounds(graph))
        order = [key_of(task) for task in learner.ran]
        assert order == [key for key in graph._tasks if key in set(order)]


class InSeries(Counting):
    """Executes local updates in series, each in so many seconds of a clock; all else in 1 ms."""

    def __init__(self, clock, seconds):
        super().__init__()
        self.clock, self.seconds, self.series = clock, seconds, []

    def run(self, task, inputs):
        passed = self.seconds if isinstance(task, LocalUpdate) else 1e-3
        self.clock.append(self.clock[-1] + passed)
        return super().run(task, inputs)

    def run_series(self, tasks, inputs):
        self.series.append([task.device for task in tasks])
        return [self.run(task, each) for task, each in zip(tasks, inputs, strict=True)]


@pytest.mark.parametrize(
    ("seconds", "sizes"), [(0.6, [1] * 5), (0.2, [1, 2, 2]), (0.15, [1, 3, 1]), (1e-4, [1, 4])]
)
def test_short_updates_are_executed_in_series_of_half_a_second(
    tmp_path, monkeypatch, seconds, sizes
):
    """After other tasks one goes alone, and tells how many fit, however short the others were."""
    clock = [0.0]
    monkeypatch.setattr(executor.time, "perf_counter", lambda: clock[-1])
    learner = InSeries(clock, seconds)
    expected, _ = values(tmp_path / "a", Counting(), Inline())
    found, report = values(tmp_path / "b", learner, Inline())
    assert found == expected
    assert report == {"executor": "inline", "mode": "exact"}
    assert max(map(len, learner.series)) == max(sizes)
    assert [len(series) for series in learner.series][: len(sizes)] == sizes
    assert [device for series in learner.series for device in series] == [*range(5)] * 3


def test_a_series_is_as_long_as_a_kill_may_cost(tmp_path, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(executor.time, "perf_counter", lambda: clock[-1])
    learner = InSeries(clock, 1e-4)
    with TaskGraph(learner, Store(tmp_path)) as graph:
        graph.compute(rounds(graph, devices=70, count=1))
    assert [len(series) for series in learner.series] == [1, 32, 32, 5]


def test_grouped_results_are_never_taken_for_exact_ones(tmp_path):
    learner = Grouping()
    values(tmp_path, learner, Grouped())
    before = len(learner.ran)
    values(tmp_path, learner, Inline())
    assert len(learner.ran) == 2 * before


def test_the_mode_is_in_a_key_unless_it_is_exact():
    task = InitialShared(recipe="r", seed=1)
    assert key_of(task) == key_of(task, "exact") != key_of(task, "grouped")
    update = LocalUpdate(
        recipe="r",
        device=0,
        shard="s",
        seed=0,
        shared=StateRef("a", "shared"),
        private=StateRef("b", "private"),
    )
    assert key_of(update, "grouped") != key_of(update)


def test_an_entry_that_has_gone_is_made_again(tmp_path, caplog):
    class Forgetful(Counting):
        """Loses the first shared state when it is needed next."""

        lost = False

        def run(self, task, inputs):
            result = super().run(task, inputs)
            if isinstance(task, LocalUpdate) and task.device == 4 and not self.lost:
                self.lost = True
                store.flush()
                store._recent._values.clear()
                os.unlink(path_of(store.folder, task.shared.key))
            return result

    learner, store = Forgetful(), Store(tmp_path / "b")
    expected, _ = values(tmp_path / "a", Counting(), Inline())
    with TaskGraph(learner, store) as graph:
        keys = rounds(graph)
        graph.compute(keys)
        assert [dict(graph.values(key)) for key in keys] == expected
    assert "has gone from the store" in caplog.text


def test_a_policy_that_needs_a_value_forces_just_that_value(tmp_path):
    learner = Counting()
    with TaskGraph(learner, Store(tmp_path)) as graph:
        training, overall = two_rounds(graph)
        _, personal = training.evaluate(training.initial_shared())
        graph.values(personal[2])
        # Device 2 has trained on the shared state before and after the updates of 0 and 1.
        assert Counter(type(task) for task in learner.ran) == {
            InitialShared: 1,
            InitialPrivate: 3,
            LocalUpdate: 4,
            Aggregate: 1,
            Evaluate: 1,
        }
        assert graph.executed == len(learner.ran)
        executed = graph.executed
        graph.values(personal[2])
        assert graph.executed == executed
        graph.compute([overall])
        assert graph.executed > executed


SCENARIO = """
name: modes
model: {kind: synthetic, payload: 2 Mbit, flops_per_step: 20 GFLOP}
method: fedit
rounds: {kind: synchronous, count: 1}
devices: [{count: 2, hardware: jetson-orin-nano}]
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "modes.yaml"
    path.write_text(SCENARIO)
    return path


def test_the_executor_is_no_part_of_the_world(file):
    def named(*settings):
        (loaded,) = load(file, settings=settings)
        return digest(loaded.scenario)

    assert named() == named("execution=inline") == named("execution={kind: grouped, size: 2}")
