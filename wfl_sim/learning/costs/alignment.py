"""What a phase on instructions costs, counted on the shapes of the networks that take part.

Everything a device runs is in it: writing answers token by token with a cache, scoring them by the
policy and by its reference, reading them by the reward models, and every pass forward and backward.
An answer is counted at its full length, which is known before anything is written. Attention that
is sparse costs its share of the products of queries, keys and values (torch's kernels here still
compute all of them and mask).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import Parameter
from torch.utils.flop_counter import FlopCounterMode
from transformers import DynamicCache, PreTrainedModel

from wfl_sim.data.instructions import PromptLengths
from wfl_sim.learning.adapted_model import AdaptedModel
from wfl_sim.learning.alignment.policy import (
    Anchor,
    Rollout,
    policy_gradient,
    preference_loss,
    whole,
)
from wfl_sim.learning.causal.attention import kept
from wfl_sim.learning.causal.generation import generate
from wfl_sim.learning.causal.log_probabilities import log_probabilities
from wfl_sim.learning.causal.prompts import PromptBatch, blank
from wfl_sim.learning.costs.counting import Footprint, moments
from wfl_sim.learning.model_loading import load_on_meta
from wfl_sim.learning.objectives import word_cross_entropy
from wfl_sim.learning.pretrained_model import Pretrained
from wfl_sim.methods.objectives import DPO, GRPO, PPO, Alignment
from wfl_sim.methods.phases import Phase

_ATTENTION = {torch.ops.aten.bmm, torch.ops.aten.baddbmm}


@dataclass(frozen=True, kw_only=True)
class PhaseCost:
    """What all local steps of a phase cost."""

    flops: float
    steps: int
    """of the optimiser"""
    footprint: Footprint
    traffic: float
    """byte moved between memory and processor at least"""


def phase_cost(
    adapted: AdaptedModel,
    phase: Phase,
    layout: PromptLengths,
    rewarders: Sequence[tuple[Pretrained, int]],
) -> PhaseCost:
    """Return the cost of one phase.

    Args:
        adapted: with its network on the meta device.
        phase: what is trained, and how.
        layout: lengths of requests and answers.
        rewarders: reward models that are networks, and their numbers of outputs.
    """
    objective = phase.objective
    if not isinstance(objective, Alignment):
        return _supervised(adapted, phase, layout)
    if isinstance(objective.algorithm, DPO):
        return _by_pairs(adapted, phase, objective, layout)
    return _by_reward(adapted, phase, objective, layout, rewarders)


def _supervised(adapted: AdaptedModel, phase: Phase, layout: PromptLengths) -> PhaseCost:
    texts = blank(phase.local.batch, layout, "meta")
    _only(adapted, phase)

    def update() -> None:
        word_cross_entropy(adapted.model, texts).backward()

    footprint = _footprint(adapted, phase, _saved(adapted.model, update))
    steps = phase.local.steps
    return PhaseCost(
        flops=steps * _count(adapted, update).at(1.0),
        steps=steps,
        footprint=footprint,
        traffic=steps * footprint.moved,
    )


def _by_pairs(
    adapted: AdaptedModel, phase: Phase, objective: Alignment, layout: PromptLengths
) -> PhaseCost:
    texts = blank(phase.local.batch, layout, "meta")
    share = kept(layout.tokens, objective.attention)
    _only(adapted, phase)
    unknown = torch.zeros(phase.local.batch, device="meta")

    def look_up() -> None:
        with torch.no_grad():
            for _ in range(2):
                whole(adapted.model, texts, objective)

    def update() -> None:
        preference_loss(adapted.model, texts, texts, (unknown, unknown), objective).backward()

    footprint = _footprint(adapted, phase, _saved(adapted.model, update), copies=_copies(objective))
    steps = phase.local.steps
    return PhaseCost(
        flops=steps * (_count(adapted, look_up).at(share) + _count(adapted, update).at(share)),
        steps=steps,
        footprint=footprint,
        traffic=steps * (footprint.moved + 2 * _bytes(adapted.model)),
    )


def _by_reward(
    adapted: AdaptedModel,
    phase: Phase,
    objective: Alignment,
    layout: PromptLengths,
    rewarders: Sequence[tuple[Pretrained, int]],
) -> PhaseCost:
    algorithm, model = objective.algorithm, adapted.model
    assert isinstance(algorithm, PPO | GRPO)
    trained = _only(adapted, phase)
    count = phase.local.batch * algorithm.answers
    texts = blank(count, layout, "meta")
    share = kept(layout.tokens, objective.attention)
    batch = _unknown(blank(-(-count // algorithm.minibatches), layout, "meta"), adapted, objective)
    anchor = Anchor(0.0, (), ())
    judges = [load_on_meta(each, outputs) for each, outputs in rewarders]

    def score() -> None:
        with torch.no_grad():
            log_probabilities(model, texts, objective.attention)

    def judge() -> None:
        for each in judges:
            each(input_ids=texts.ids, attention_mask=_dense(texts))

    def update() -> None:
        policy_gradient(model, trained, batch, objective, (0.5, 0.5), anchor)

    updates = algorithm.epochs * algorithm.minibatches
    whole_batch = count / (len(batch) * algorithm.minibatches)  # minibatches may differ by one
    writing, cached = _writing(adapted, texts, objective)
    flops = (
        writing
        + 2 * _count(adapted, score).at(share)
        + _count(adapted, judge).at(1.0)
        + updates * whole_batch * _count(adapted, update).at(share)
    )
    rewarding = sum(_bytes(each) for each in judges)
    footprint = _footprint(
        adapted,
        phase,
        _saved(model, update),
        copies=_copies(objective),
        beside=rewarding,
        cached=cached,
    )
    step = replace(footprint, frozen=footprint.frozen - rewarding)
    traffic = (
        layout.answer * _bytes(model)  # every word needs all weights
        + layout.answer * cached  # and about half the cache, read and written
        + 2 * _bytes(model)
        + rewarding
        + updates * step.moved
    )
    return PhaseCost(
        flops=phase.local.steps * flops,
        steps=phase.local.steps * updates,
        footprint=footprint,
        traffic=phase.local.steps * traffic,
    )


@dataclass(frozen=True)
class _Flops:
    """Of some work: all of it, and the products in which words look at words."""

    total: float
    looking: float

    def at(self, share: float) -> float:
        """Return the FLOP where words look at this share of the words before them."""
        return self.total - (1 - share) * self.looking


def _count(adapted: AdaptedModel, work: Callable[[], None]) -> _Flops:
    with FlopCounterMode(display=False) as counter:
        work()
    for parameter in adapted.parameters.values():
        parameter.grad = None
    # Below the backbone alone: linear layers on the last states may be batched products, too.
    backbone = f"{type(adapted.model).__name__}.{adapted.model.base_model_prefix}"
    counts = counter.get_flop_counts().get(backbone, {})
    looking = sum(counts.get(operation, 0) for operation in _ATTENTION)
    return _Flops(float(counter.get_total_flops()), float(looking))


def _writing(
    adapted: AdaptedModel, texts: PromptBatch, objective: Alignment
) -> tuple[float, float]:
    """Return the FLOP of writing all answers, and the bytes of the cache at the end."""
    sparsity, first = objective.attention, texts.request.shape[1]
    caches = []

    def write(upto: int) -> _Flops:
        some = texts.answered(texts.answer[:, :upto], texts.answer_mask[:, :upto])
        cache = DynamicCache()
        caches.append(cache)
        return _count(
            adapted,
            lambda: void(
                generate(
                    adapted.model,
                    some,
                    sparsity=sparsity,
                    temperature=1.0,
                    end=0,
                    pad=0,
                    rng=None,
                    cache=cache,
                )
            ),
        )

    tokens = first + texts.answer.shape[1]
    reading, all_of_it = write(1), write(texts.answer.shape[1])
    going_on = _Flops(all_of_it.total - reading.total, all_of_it.looking - reading.looking)
    flops = reading.at(kept(tokens, sparsity, 0, first)) + going_on.at(
        kept(tokens, sparsity, first)
    )
    layers: Any = caches[-1].layers
    cached = float(sum(layer.keys.nbytes + layer.values.nbytes for layer in layers))
    return flops, cached


def void(_: object) -> None:
    """Drop a result."""


def _unknown(texts: PromptBatch, adapted: AdaptedModel, objective: Alignment) -> Rollout:
    """Return experience of the right shapes."""
    count, places = texts.answer.shape
    objectives = 1 if objective.combine == "linear" else 2
    words = torch.zeros(count, places, device="meta")
    each = torch.zeros(count, places, objectives, device="meta")
    critic = isinstance(objective.algorithm, PPO)
    return Rollout(texts, words, words, each, each if critic else None, each if critic else None)


def _dense(texts: PromptBatch) -> Tensor:
    """Return a mask with four sides, whose values nobody looks at; see `encoding.blank`."""
    count, tokens = texts.ids.shape
    return torch.zeros(count, 1, tokens, tokens, device="meta")


def _only(adapted: AdaptedModel, phase: Phase) -> list[Parameter]:
    """Let the parameters of a phase have gradients, and no others."""
    adapted.model.requires_grad_(False).eval()
    trained = adapted.trained(phase)
    for parameter in trained:
        parameter.requires_grad_(True)
    return trained


def _saved(model: PreTrainedModel, work: Callable[[], None]) -> float:
    """Return the bytes that autograd keeps of a pass forward, weights aside."""
    tensors = [*model.parameters(), *model.buffers()]
    weights = {tensor.untyped_storage()._cdata for tensor in tensors}
    saved: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            saved[storage._cdata] = storage
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        work()
    for parameter in model.parameters():
        parameter.grad = None
    return float(sum(storage.nbytes() for storage in saved.values()))


def _footprint(
    adapted: AdaptedModel,
    phase: Phase,
    activations: float,
    *,
    copies: int = 0,
    beside: float = 0.0,
    cached: float = 0.0,
) -> Footprint:
    """Return what a device holds: at its peak it writes (with a cache) or learns (with
    activations)."""
    trained = adapted.trained(phase)
    learned = float(sum(parameter.nbytes for parameter in trained))
    return Footprint(
        frozen=_bytes(adapted.model) - learned + copies * learned + beside,
        trained=learned,
        moments=moments(phase.local) * learned,
        activations=max(activations, cached),
    )


def _copies(objective: Alignment) -> int:
    """Return how often trained weights are held besides: while the reference speaks, and as an
    anchor."""
    return 2 if objective.distance else 1


def _bytes(model: PreTrainedModel) -> float:
    tensors = [*model.parameters(), *model.buffers()]
    held = {tensor.untyped_storage()._cdata: tensor.untyped_storage() for tensor in tensors}
    return float(sum(storage.nbytes() for storage in held.values()))
