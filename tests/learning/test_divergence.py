"""Devices that diverge: left out under a robust rule, named otherwise, alone and in a group."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.learning.test_grouped import ANSWERS, LOCAL, learner, tasks_of
from wfl_sim.data import Instruct
from wfl_sim.data.examples import Shards
from wfl_sim.data.instruct import Preferences
from wfl_sim.execution.task import Aggregate, Result, StateRef
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.learner import PeftLearner
from wfl_sim.methods import PFTT, FedRLHF
from wfl_sim.methods.objectives import DPO, GRPO, PPO, RULES, Rewards
from wfl_sim.methods.parts import Adapter, LoRA
from wfl_sim.methods.robust import Median
from wfl_sim.methods.server import AggregationConfig
from wfl_sim.methods.server_optimizers import Adam, Average
from wfl_sim.state import State, each, times

METHOD = PFTT(adapter=Adapter(bottleneck=4), lora=LoRA(rank=2), local=LOCAL)
Run = Callable[[PeftLearner, Any, Any], list[Result]]


def alone(learn: PeftLearner, tasks: Any, inputs: Any) -> list[Result]:
    return [learn.run(task, given) for task, given in zip(tasks, inputs, strict=True)]


def together(learn: PeftLearner, tasks: Any, inputs: Any) -> list[Result]:
    return list(learn.run_group(tasks, inputs))


def in_series(learn: PeftLearner, tasks: Any, inputs: Any) -> list[Result]:
    return list(learn.run_series(tasks, inputs))


@pytest.fixture
def fleet(quiet: Callable[[str], Pretrained], shards: Shards) -> Callable[..., Any]:
    """A function to a learner and updates in round 4: one diverges, or all by what they get."""

    def made(*, name: str = "private", **server: Any) -> tuple[PeftLearner, Any, Any]:
        learn = learner(quiet("bert"), shards, METHOD, server=AggregationConfig(**server))
        tasks, inputs = tasks_of(learn)
        for place in [1] if name == "private" else range(3):
            held = inputs[place][name == "private"]
            held[name] = each(held[name], lambda array: np.full_like(array, 1e30))
        return learn, [replace(task, round=4) for task in tasks], inputs

    return made


@pytest.mark.parametrize("run", [alone, in_series, together])
def test_a_robust_rule_leaves_a_diverged_device_out(fleet: Any, run: Run) -> None:
    """It sends what is not finite, keeps what it had, and the others learn as they would alone."""
    learn, tasks, inputs = fleet(robust=Median())
    results = run(learn, tasks, inputs)
    assert all(np.isnan(array).all() for array in results[1].states["upload"].values())
    assert results[1].states["private"] is inputs[1][1]["private"]
    for place in (0, 2):
        expected = learn.run(tasks[place], inputs[place]).states["upload"]
        upload = results[place].states["upload"]
        assert all(np.allclose(upload[name], expected[name], atol=1e-3) for name in expected)
    made = learn.run(aggregate(learn), [{"shared": shared_of(inputs)}, *uploads(results)])
    assert made.values == {"left_out/1": 1.0}


@pytest.mark.parametrize("run", [alone, in_series, together])
@pytest.mark.parametrize(
    ("broken", "server", "line"),
    [
        ("private", {}, r"the loss is \w+ at local step 1; lr 0.005 may be too large"),
        ("shared", {"optimizer": Average(lr=2)}, "before the first .* lr of server.optimizer, or"),
        (
            "shared",
            {"optimizer": Adam(), "robust": Median()},
            "or of devices, may be too",
        ),
    ],
)
def test_one_line_names_device_and_round_and_the_server_optimiser(
    fleet: Any, run: Run, broken: str, server: Any, line: str
) -> None:
    with pytest.raises(FloatingPointError, match=rf"^training .*{line}.* \(device-\d, round 4\)$"):
        run(*fleet(name=broken, **server))


def test_a_server_optimiser_that_diverges_is_named(fleet: Any) -> None:
    learn, tasks, inputs = fleet(optimizer=Adam(lr=1e39))
    sent = [{"upload": times(2.0, shared_of(inputs))} for _ in tasks]
    with pytest.raises(FloatingPointError, match="the server optimiser has made values"):
        learn.run(aggregate(learn), [{"shared": times(-1.0, shared_of(inputs))}, *sent])


def shared_of(inputs: Any) -> State:
    shared: State = inputs[0][0]["shared"]
    return shared


def uploads(results: list[Result]) -> list[Any]:
    return [result.states for result in results]


def aggregate(learn: PeftLearner) -> Aggregate:
    devices = range(len(learn.shards.train))
    return Aggregate(
        recipe=learn.recipe,
        shared=StateRef("s", "shared"),
        uploads=tuple(StateRef(f"u{device}", "upload") for device in devices),
        weights=(1.0,) * len(devices),
        devices=tuple(devices),
        bases=(StateRef("s", "shared"),) * len(devices),
        staleness=(0,) * len(devices),
    )


@pytest.mark.parametrize("algorithm", [PPO(), GRPO(group=2), DPO()])
def test_alignment_in_groups_names_the_device_too(algorithm: Any) -> None:
    local = replace(LOCAL, steps=2, batch=2, lr=1e30, optimizer="sgd")
    rules = Rewards(helpfulness=RULES, safety=RULES)
    data = Instruct(examples=24, test_fraction=0.5, preferences=Preferences())
    shards: Any = data.shards(3, 0)
    method = FedRLHF(rewards=rules, layers=1, algorithm=algorithm, local=local)
    learn = learner(ANSWERS, shards, method, tokens=shards.pooled.layout.tokens)
    with pytest.raises(FloatingPointError, match=r"at local step 2; .* \(device-\d, round 0\)$"):
        learn.run_group(*tasks_of(learn))
