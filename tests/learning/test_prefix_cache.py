"""The layers below the lowest part: no graph, and where asked, one pass of each text."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from torch import nn
from transformers.pytorch_utils import Conv1D

from wfl_sim.data.examples import Shards
from wfl_sim.learning.adapted_model import AdaptedModel
from wfl_sim.learning.base_models.model_loading import load_model, load_tokenizer
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.peft.architecture import layers_of
from wfl_sim.learning.prefix_cache import PrefixCache
from wfl_sim.learning.tokenized import encode
from wfl_sim.methods import FedIT
from wfl_sim.methods.parts import Head, LoRA, Part
from wfl_sim.methods.phases import Local, Phase

from .test_grouped import both, farthest, learner

Folder = Callable[[str], Pretrained]
LOCAL = Local(steps=5, batch=4, lr=0.1, optimizer="sgd", momentum=0.5)
TOP = {
    "bert": "layer.1.attention.self.query",
    "roberta": "layer.1.attention.self.query",
    "distilbert": "layer.1.attention.q_lin",
    "gpt2": "h.1.attn.c_attn",
    "llama": "layers.1.self_attn.q_proj",
}


def upper(kind: str) -> FedIT:
    """LoRA in the upper of two layers."""
    return FedIT(lora=LoRA(rank=2, targets=(TOP[kind],)), local=LOCAL)


def entered(layer: nn.Module) -> list[bool]:
    """Return a list that is told of each pass through a layer whether a gradient comes back."""
    passes: list[bool] = []
    layer.register_forward_hook(lambda module, given, output: passes.append(output.requires_grad))
    return passes


@pytest.mark.parametrize("kind", TOP)
def test_a_text_passes_the_prefix_once_and_learning_stays(
    quiet: Folder, shards: Shards, kind: str
) -> None:
    plain = learner(quiet(kind), shards, upper(kind))
    keeping = learner(replace(quiet(kind), activations=1e6), shards, upper(kind))
    assert keeping.recipe != plain.recipe
    assert keeping.workload(0) == plain.workload(0)
    lower, upper_layer = layers_of(keeping.adapted_model(0).model)
    inner = entered(next(m for m in lower.modules() if isinstance(m, nn.Linear | Conv1D)))
    above = entered(upper_layer)
    expected, (alone, group) = both(plain)[0], both(keeping)
    for one, two, three in zip(expected, alone, group, strict=True):
        assert farthest(one.states["upload"], two.states["upload"]) < 1e-5
        assert farthest(one.states["upload"], three.states["upload"]) < 1e-5
    assert len(inner) == len(shards.train)
    assert not any(inner)
    assert sum(above) == LOCAL.steps * (len(shards.train) + 1)


def test_layers_below_the_lowest_part_keep_nothing_for_backward(
    quiet: Folder, shards: Shards
) -> None:
    learn = learner(quiet("bert"), shards, upper("bert"))
    lower, upper_layer = layers_of(learn.adapted_model(0).model)
    below, above = entered(lower), entered(upper_layer)
    both(learn)
    assert below
    assert not any(below)
    assert all(above)


def prefix_of(quiet: Folder, method: Any, limit: float) -> PrefixCache:
    adapted = AdaptedModel(load_model(quiet("bert"), 3, 0), method.parts, 1, activations=limit)
    assert adapted.prefix is not None
    return adapted.prefix


def test_only_the_layers_below_all_parts_are_skipped(quiet: Folder, pretrained: Folder) -> None:
    assert len(prefix_of(quiet, upper("bert"), 1e6).layers) == 1
    assert prefix_of(quiet, FedIT(), 1e6).layers == []
    assert prefix_of(pretrained, upper("bert"), 1e6).layers == []


def test_memory_is_bounded_and_the_last_used_are_kept(quiet: Folder, shards: Shards) -> None:
    learn = learner(quiet("bert"), shards, upper("bert"))
    texts = [encode(learn.examples.tokenizer, each, 12) for each in shards.train]
    sizes = [len(each) * 12 * 32 * 4 for each in texts]
    prefix = prefix_of(quiet, upper("bert"), sizes[0] + sizes[2])
    first = prefix.outputs(texts[0])
    assert first is not None
    assert first.nbytes == sizes[0]
    assert prefix.outputs(texts[2]) is not None
    assert prefix.outputs(texts[0]) is first
    assert prefix.outputs(texts[1]) is not None
    again = prefix.outputs(texts[0])
    assert again is not first
    assert np.array_equal(again, first)
    assert prefix_of(quiet, upper("bert"), sizes[0] - 1).outputs(texts[0]) is None


def test_where_the_head_alone_learns_all_layers_are_kept_and_memory_stays_bounded(
    quiet: Folder, shards: Shards
) -> None:
    """Of the last layer there is one token, which is what counts against the limit."""
    head = Part(name="head", config=Head(), shared=True)
    texts = [encode(load_tokenizer(quiet("bert")), each, 12) for each in shards.train]
    limit = 2 * max(len(each) for each in texts) * 12 * 32 * 4
    adapted = AdaptedModel(load_model(quiet("bert"), 3, 0), [head], 1, activations=limit)
    plain = AdaptedModel(load_model(quiet("bert"), 3, 0), [head], 1)
    assert plain.prefix is None
    assert adapted.prefix is not None
    assert len(adapted.prefix.layers) == 2
    phase = Phase(trains=("head",), local=LOCAL)
    for turn in range(40):
        batch = replace(texts[turn % 3], ids=texts[turn % 3].ids.clone())
        losses = []
        for each in (adapted, plain):
            each.reset(each.parts, 0)
            losses.append(each.train_phase(0, phase, batch, turn))
        assert losses[0] == pytest.approx(losses[1], rel=1e-4)
        kept = [tensor for _, tensor in adapted.prefix._kept._values.values()]
        assert {tensor.shape[1] for tensor in kept} == {1}
        assert adapted.prefix._kept._size == sum(tensor.nbytes for tensor in kept) <= limit
