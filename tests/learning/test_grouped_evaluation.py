"""Evaluations in one pass against one by one: the same answers, and losses but for rounding."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from wfl_sim.data.examples import Shards
from wfl_sim.data.metrics import Correlation, MacroF1, named
from wfl_sim.execution.task import Evaluate, InitialShared, Result, StateRef
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.grouped import evaluation
from wfl_sim.learning.learner import PeftLearner
from wfl_sim.methods import PFTT, FedAvg, FedDPA
from wfl_sim.methods.parts import Adapter, LoRA
from wfl_sim.state import State

from .test_grouped import LOCAL, METHODS, learner, tasks_of

Folder = Callable[[str], Pretrained]


def moved(state: State, device: int) -> State:
    rng = np.random.default_rng(device)
    return {n: a + rng.normal(0, 0.3, a.shape).astype(np.float32) for n, a in state.items()}


def evaluations_of(learn: PeftLearner) -> tuple[list[Evaluate], list[Any]]:
    """Return an evaluation of every device, each of values of its own, and what goes into it."""
    tasks, inputs = [], []
    for device, (shared, private) in enumerate(tasks_of(learn)[1]):
        tasks.append(
            Evaluate(
                recipe=learn.recipe,
                device=device,
                shard=learn.shards.test[device].fingerprint(),
                shared=StateRef("s", "shared"),
                private=StateRef("p", "private"),
            )
        )
        own = {
            "shared": moved(shared["shared"], device),
            "private": moved(private["private"], 9 + device),
        }
        inputs.append([{"shared": own["shared"]}, {"private": own["private"]}])
    return tasks, inputs


def both(learn: PeftLearner) -> tuple[list[Result], list[Result]]:
    tasks, inputs = evaluations_of(learn)
    alone = [learn.run(task, given) for task, given in zip(tasks, inputs, strict=True)]
    return alone, list(learn.run_group(tasks, inputs))


def passes(learn: PeftLearner) -> list[int]:
    """Return a list that is told of each pass how many texts go through the network."""
    found: list[int] = []
    model = learn.adapted_model(0).model
    model.register_forward_pre_hook(
        lambda module, args, kwargs: found.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    return found


@pytest.fixture
def uneven(shards: Shards) -> Shards:
    """Devices with 5, 2 and 7 held-out examples."""
    sizes = zip(shards.test, (5, 2, 7), strict=True)
    return replace(shards, test=tuple(test.subset(range(size)) for test, size in sizes))


def agree(learn: PeftLearner) -> None:
    alone, group = both(learn)
    assert len({each.values["loss"] for each in alone}) == len(alone)
    for one, other in zip(alone, group, strict=True):
        assert other.states == {}
        assert other.values.keys() == one.values.keys()
        for name in other.values.keys() - {"loss"}:
            assert other.values[name] == one.values[name]
        assert other.values["loss"] == pytest.approx(one.values["loss"], rel=1e-5)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("kind", ["bert", "roberta", "distilbert", "gpt2", "llama"])
def test_a_group_answers_as_each_does_alone(
    pretrained: Folder, shards: Shards, kind: str, name: str
) -> None:
    """Nothing drops out in an evaluation, whatever the network does in training."""
    learn = learner(pretrained(kind), shards, METHODS[name])
    found = passes(learn)
    agree(learn)
    assert found[-1] > max(len(each) for each in learn.shards.test)


@pytest.mark.parametrize(
    ("rows", "sizes"),
    [(128, [6, 6, 2]), (9, [6, 6, 2]), (4, [3, 3, 4, 2, 2]), (2, [2, 2, 2, 2, 2, 2, 2])],
)
def test_devices_may_have_more_or_fewer_examples(
    quiet: Folder,
    uneven: Shards,
    monkeypatch: pytest.MonkeyPatch,
    rows: int,
    sizes: list[int],
) -> None:
    monkeypatch.setattr(evaluation, "ROWS", rows)
    learn = learner(quiet("bert"), uneven, METHODS["lora-adapter"])
    found = passes(learn)
    agree(learn)
    assert found[3:] == sizes


def test_metrics_of_a_group_are_those_of_each(
    quiet: Folder, uneven: Shards, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each device has 5, 2 or 7 texts, in passes of 4."""
    monkeypatch.setattr(evaluation, "ROWS", 4)
    method = METHODS["lora-adapter"]
    learn = learner(quiet("bert"), uneven, method, metrics=named((MacroF1(), Correlation())))
    assert learn.recipe != learner(quiet("bert"), uneven, method).recipe
    agree(learn)
    values = [each.values for each in both(learn)[0]]
    assert all(set(each) == {"accuracy", "loss", "macro_f1", "mcc"} for each in values)
    assert any(each["macro_f1"] != each["accuracy"] for each in values)


def test_ranks_may_differ(quiet: Folder, uneven: Shards) -> None:
    method = PFTT(adapter=Adapter(bottleneck=4), lora=LoRA(rank=3, alpha=8), local=LOCAL)
    agree(learner(quiet("bert"), uneven, method, ranks=(1, 3, 2)))


def test_a_device_without_examples_is_an_error(quiet: Folder, uneven: Shards) -> None:
    none = replace(uneven, test=(*uneven.test[:2], uneven.test[2].subset([])))
    learn = learner(quiet("bert"), none, METHODS["lora"])
    tasks, inputs = evaluations_of(learn)
    with pytest.raises(ValueError, match="no held-out examples"):
        learn.run_group(tasks, inputs)


def test_what_cannot_share_a_pass_is_said_once_and_left_to_others(
    quiet: Folder, shards: Shards, caplog: pytest.LogCaptureFixture
) -> None:
    for method, reason in (
        (FedAvg(local=LOCAL), "the pretrained weights are a part themselves"),
        (FedDPA(lora=LoRA(rank=2), local=LOCAL), "LoRAs weigh differently"),
    ):
        learn = learner(quiet("bert"), shards, method)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert not any(learn.shares(task) for task in evaluations_of(learn)[0])
        (record,) = caplog.records
        assert "one by one" in record.message
        assert reason in record.message
    learn = learner(quiet("bert"), shards, METHODS["lora"])
    assert all(learn.shares(task) for task in (*evaluations_of(learn)[0], *tasks_of(learn)[0]))
    assert not learn.shares(InitialShared(recipe=learn.recipe, seed=1))
