"""Deferred execution: only what is demanded, once, in order, whatever the order of asking."""

import numpy as np
import pytest

from wfl_sim.data.examples import Examples, Shards
from wfl_sim.execution.graph import TaskGraph
from wfl_sim.execution.plan import ReceivedUpload
from wfl_sim.execution.store import Store
from wfl_sim.execution.task import (
    Aggregate,
    Evaluate,
    InitialShared,
    LocalUpdate,
    Result,
    StateRef,
    key_of,
)
from wfl_sim.execution.training_plan import TrainingPlan
from wfl_sim.methods import FedIT
from wfl_sim.methods.aggregation import Upload
from wfl_sim.methods.server import AggregationConfig, server_update


class Counting:
    """A learner that adds numbers, and notes what it was asked to run."""

    sends_news = False
    keeps = True
    varies = False

    def __init__(self, recipe="counting"):
        self.recipe = recipe
        self.ran = []

    def workload(self, device):
        raise NotImplementedError

    def drawn_workload(self, device, seed):
        raise NotImplementedError

    def download_bits(self, device, news):
        raise NotImplementedError

    def run(self, task, inputs):
        self.ran.append(task)
        states = [s[h.output] for h, s in zip(task.incoming, inputs, strict=True)]
        total = np.float32([sum(float(s["part/x"][0]) for s in states)])
        match task:
            case LocalUpdate():
                one = {"part/x": total + task.device + 1}
                return Result({"upload": one, "private": one})
            case Aggregate():
                return Result({"shared": {"part/x": total / len(task.uploads)}})
            case Evaluate():
                return Result({}, {"accuracy": float(total[0])})
            case _:
                name = "shared" if isinstance(task, InitialShared) else "private"
                return Result({name: {"part/x": np.float32([0])}})


def shards(devices):
    each = tuple(Examples((f"text {i}",) * (i + 1), [0] * (i + 1)) for i in range(devices))
    return Shards(each, each, each[0], ("class",))


@pytest.fixture
def learner():
    return Counting()


def plan(graph, devices=3, **more):
    return TrainingPlan(graph, Counting(), shards(devices), seed=1, overall=True, **more)


def two_rounds(graph):
    """Rounds of devices 0 and 1; device 2 trains too but is dropped."""
    training = plan(graph)
    shared = training.initial_shared()
    for number in range(2):
        uploads = [
            ReceivedUpload(device=d, upload=training.local_update(d, number, shared))
            for d in (0, 1)
        ]
        training.local_update(2, number, shared)
        shared = training.aggregate(shared, uploads)
    overall, _ = training.evaluate(shared)
    return training, overall


@pytest.mark.parametrize(("equal", "weights"), [(False, (1.0 + 2.0, 3.0)), (True, (2.0, 1.0))])
def test_a_cell_weighs_as_much_as_what_is_in_it(tmp_path, learner, equal, weights):
    """Two devices at one edge server and one at another; they have 1, 2 and 3 examples."""
    graph = TaskGraph(learner, Store(tmp_path))
    training = plan(graph, equal=equal)
    shared = training.initial_shared()
    sent = [ReceivedUpload(device=d, upload=training.local_update(d, 0, shared)) for d in range(3)]
    edges = [training.aggregate(shared, each, edge=True) for each in (sent[:2], sent[2:])]
    cloud = training.aggregate(shared, [ReceivedUpload(upload=each) for each in edges])
    assert graph.task(cloud.key).weights == weights
    uploads = [Upload({"x": np.float32([x])}, w) for x, w in zip((1, 4), weights, strict=True)]
    rule = AggregationConfig(weights="equal" if equal else "examples")
    mean = (weights[0] + 4 * weights[1]) / sum(weights)
    assert server_update(FedIT(), rule, {"x": np.float32([0])}, uploads)["x"] == [mean]


def test_nothing_runs_before_it_is_demanded(tmp_path, learner):
    graph = TaskGraph(learner, Store(tmp_path))
    _, overall = two_rounds(graph)
    assert learner.ran == []
    assert graph.values(overall)["accuracy"] > 0


class Remembering(Counting):
    """Keeps another private state where its upload is of no use."""

    remembers_uploads = True

    def run(self, task, inputs):
        made = super().run(task, inputs)
        if isinstance(task, LocalUpdate):
            return Result({**made.states, "unacknowledged": {"part/x": np.float32([-1])}})
        return made


@pytest.mark.parametrize("kind", [Remembering, Counting])
def test_a_device_remembers_no_upload_that_was_not_used(tmp_path, kind):
    learner = kind()
    training = TrainingPlan(
        TaskGraph(learner, Store(tmp_path)), learner, shards(3), seed=1, overall=True
    )
    shared = training.initial_shared()
    output = "unacknowledged" if isinstance(learner, Remembering) else "private"
    lost = training.local_update(0, 0, shared)
    training.reject(0, lost)
    assert training.private()[0] == StateRef(lost.key, output)
    heard = training.local_update(0, 1, shared)
    assert training.private()[0] == StateRef(heard.key, "private")
    training.reject(0, lost)  # not its last one
    assert training.private()[0] == StateRef(heard.key, "private")
    training.reject(0, heard)
    assert training.private()[0] == StateRef(heard.key, output)


def test_what_was_dropped_is_never_trained(tmp_path, learner):
    graph = TaskGraph(learner, Store(tmp_path))
    _, overall = two_rounds(graph)
    graph.compute([overall])
    trained = [task for task in learner.ran if isinstance(task, LocalUpdate)]
    assert sorted(task.device for task in trained) == [0, 0, 1, 1]
    assert graph.executed == len(learner.ran)


def test_inputs_come_before_what_needs_them(tmp_path, learner):
    graph = TaskGraph(learner, Store(tmp_path))
    _, overall = two_rounds(graph)
    graph.compute([overall])
    done = set()
    for task in learner.ran:
        assert {ref.key for ref in task.incoming} <= done
        done.add(key_of(task))


def test_a_second_run_on_the_same_store_executes_nothing(tmp_path, learner):
    first = TaskGraph(learner, Store(tmp_path))
    value = first.values(two_rounds(first)[1])
    again = Counting()
    second = TaskGraph(again, Store(tmp_path))
    assert second.values(two_rounds(second)[1]) == value
    assert again.ran == []


def test_a_lost_result_is_made_again_alone(tmp_path, learner):
    first = TaskGraph(learner, Store(tmp_path))
    _, overall = two_rounds(first)
    first.compute([overall])
    lost = next(task for task in learner.ran if isinstance(task, Evaluate))
    (tmp_path / key_of(lost)[:2] / f"{key_of(lost)}.safetensors").unlink()
    again = Counting()
    second = TaskGraph(again, Store(tmp_path))
    second.compute([two_rounds(second)[1]])
    assert again.ran == [lost]


def test_keys_name_everything_that_goes_in(tmp_path, learner):
    graph = TaskGraph(learner, Store(tmp_path))
    training = plan(graph)
    shared = training.initial_shared()
    base = training.local_update(0, 0, shared)
    fresh = plan(TaskGraph(learner, Store(tmp_path)))
    assert fresh.local_update(0, 0, fresh.initial_shared()) == base
    fresh = plan(TaskGraph(learner, Store(tmp_path)))
    assert fresh.local_update(0, 1, shared) != base
    assert fresh.local_update(1, 0, shared) != base
    changed = TrainingPlan(
        TaskGraph(learner, Store(tmp_path)), Counting("other"), shards(3), seed=1, overall=True
    )
    assert changed.local_update(0, 0, shared) != base
    other_seed = TrainingPlan(
        TaskGraph(learner, Store(tmp_path)), learner, shards(3), seed=2, overall=True
    )
    assert other_seed.local_update(0, 0, shared) != base


def test_private_state_follows_its_device(tmp_path, learner):
    graph = TaskGraph(learner, Store(tmp_path))
    training = plan(graph)
    shared = training.initial_shared()
    training.local_update(0, 0, shared)
    training.local_update(0, 1, shared)
    own = [ref.key for ref in training.private()]
    graph.compute(own)
    values = [float(graph.state(h)["part/x"][0]) for h in training.private()]
    # Device 0 has added 1 twice to its own state; the others are untrained.
    assert values == [2.0, 0.0, 0.0]


def test_progress_tells_done_and_needed(tmp_path, learner):
    seen = []
    graph = TaskGraph(
        learner, Store(tmp_path), lambda task, done, needed: seen.append((done, needed))
    )
    graph.compute([two_rounds(graph)[1]])
    assert seen == [(n + 1, len(seen)) for n in range(len(seen))]
