"""Frozen weights in bfloat16, and training on an accelerator."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.learning.test_grouped import apart, both, learner, tasks_of
from tests.learning.test_grouped_evaluation import both as evaluated
from wfl_sim.data.examples import Shards
from wfl_sim.learning.base_models.model_loading import load_model
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.methods import PFTT
from wfl_sim.methods.parts import Adapter, LoRA
from wfl_sim.methods.phases import Local

Folder = Callable[[str], Pretrained]
METHOD = PFTT(
    adapter=Adapter(bottleneck=4), lora=LoRA(rank=2), local=Local(steps=6, batch=8, lr=5e-3)
)


def test_frozen_weights_are_halved_and_parts_are_not(quiet: Folder, shards: Shards) -> None:
    plain = learner(quiet("bert"), shards, METHOD)
    half = learner(replace(quiet("bert"), dtype="bf16"), shards, METHOD)
    assert half.recipe != plain.recipe
    assert half.workload(0) == plain.workload(0)
    adapted = half.adapted_model(0)
    parts = {id(value) for value in adapted.parameters.values()}
    types = {id(value) in parts: value.dtype for value in adapted.model.parameters()}
    assert types == {True: torch.float32, False: torch.bfloat16}
    task, given = (each[0] for each in tasks_of(half))
    result = half.run(task, given)
    assert all(a.dtype == np.float32 for s in result.states.values() for a in s.values())


def test_bfloat16_learns_nearly_the_same(quiet: Folder, shards: Shards) -> None:
    """Products of 8 significant bits: the loss of a short update differs by some per mille."""
    losses = []
    for dtype in ("fp32", "bf16"):
        learn = learner(replace(quiet("bert"), dtype=dtype), shards, METHOD)
        alone, group = both(learn)
        losses.append([each.values["train_loss"] for each in alone])
        for one, other in zip(alone, group, strict=True):
            assert one.values["train_loss"] == pytest.approx(other.values["train_loss"], rel=1e-2)
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=2e-2)


def test_a_device_that_is_not_there_is_named(quiet: Folder) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    with pytest.raises(OSError, match=r"^model\.device: cuda is asked for"):
        load_model(replace(quiet("bert"), device="cuda"), 3, 0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no accelerator")
@pytest.mark.parametrize("dtype", ["fp32", "bf16"])
def test_an_accelerator_learns_what_a_processor_learns(
    quiet: Folder, shards: Shards, dtype: str
) -> None:
    host = learner(replace(quiet("bert"), dtype=dtype), shards, METHOD)
    there = learner(replace(quiet("bert"), dtype=dtype, device="cuda"), shards, METHOD)
    assert there.recipe != host.recipe
    within = 1e-3 if dtype == "fp32" else 2e-2
    (expected, _), (alone, group), (again, _) = both(host), both(there), both(there)
    for one, two, three, four in zip(expected, alone, group, again, strict=True):
        assert two.values["train_loss"] == pytest.approx(one.values["train_loss"], rel=within)
        assert three.values["train_loss"] == pytest.approx(two.values["train_loss"], rel=within)
        assert two.values == four.values
        assert apart(two.states["upload"], four.states["upload"]) == 0
    (expected, _), (alone, group), (again, _) = evaluated(host), evaluated(there), evaluated(there)
    for one, two, three, four in zip(expected, alone, group, again, strict=True):
        assert two.values["loss"] == pytest.approx(one.values["loss"], rel=within)
        assert three.values["loss"] == pytest.approx(two.values["loss"], rel=within)
        assert two.values == four.values
