"""Evaluations in one pass against one by one: the same answers, and losses but for rounding."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from wfl_sim.execution.task import Evaluate, Handle, Result
from wfl_sim.learning.data.examples import Shards
from wfl_sim.learning.group import evaluation
from wfl_sim.learning.learner import PeftLearner
from wfl_sim.learning.model import Pretrained
from wfl_sim.methods import PFTT, FedIT
from wfl_sim.methods.aggregation import State
from wfl_sim.methods.parts import Adapter, LoRA

from .test_group import LOCAL, METHODS, learner, tasks_of

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
                shared=Handle("s", "shared"),
                private=Handle("p", "private"),
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
    model = learn.benches.of(0).model
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
        assert other.values["accuracy"] == one.values["accuracy"]
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


@pytest.mark.parametrize(("rows", "sizes"), [(256, [21]), (9, [9, 8]), (1, [3, 3, 2, 2, 2, 1, 1])])
def test_devices_may_have_more_or_fewer_examples(
    quiet: Folder,
    uneven: Shards,
    monkeypatch: pytest.MonkeyPatch,
    rows: int,
    sizes: list[int],
) -> None:
    monkeypatch.setattr(evaluation, "_ROWS", rows)
    learn = learner(quiet("bert"), uneven, METHODS["lora-adapter"])
    found = passes(learn)
    agree(learn)
    assert found[3:] == sizes


def test_ranks_may_differ(quiet: Folder, uneven: Shards) -> None:
    method = PFTT(adapter=Adapter(bottleneck=4), lora=LoRA(rank=3, alpha=8), local=LOCAL)
    agree(learner(quiet("bert"), uneven, method, ranks=(1, 3, 2)))


def test_a_device_without_examples_is_an_error(quiet: Folder, uneven: Shards) -> None:
    none = replace(uneven, test=(*uneven.test[:2], uneven.test[2].subset([])))
    learn = learner(quiet("bert"), none, METHODS["lora"])
    tasks, inputs = evaluations_of(learn)
    with pytest.raises(ValueError, match="no held-out examples"):
        learn.run_group(tasks, inputs)


def test_what_cannot_share_a_pass_is_evaluated_one_by_one(
    quiet: Folder, shards: Shards, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wfl_sim.learning import group

    monkeypatch.setattr(group, "unlike", lambda *given: "a reason")
    monkeypatch.delattr(group, "evaluate_together")
    learn = learner(quiet("bert"), shards, FedIT(lora=LoRA(rank=2), local=LOCAL))
    alone, together = both(learn)
    assert [each.values for each in alone] == [each.values for each in together]
