"""Costs of a phase on instructions, counted on the shapes of the networks that take part.

A device generates answers token by token with a cache, scores them by the policy and its reference,
evaluates the reward models, and learns; or it answers and learns nothing. An answer is counted at
its full length, which is known before anything is generated. Sparse attention costs its share of
the products of queries, keys and values (torch's kernels here still compute all of them and mask).
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import Parameter
from transformers import DynamicCache, PreTrainedModel

from channel_models.validation import FloatArray
from wfl_sim.data.examples import PromptLengths
from wfl_sim.device_models.workload import Writing
from wfl_sim.learning.adapted_model import AdaptedModel
from wfl_sim.learning.alignment.policy import (
    Rollout,
    answer_log_probability,
    policy_gradient,
    preference_loss,
)
from wfl_sim.learning.base_models.model_loading import load_on_meta
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.causal.attention import cache_argument, kept_share, why_not_sparse
from wfl_sim.learning.causal.generation import Decoding, generate
from wfl_sim.learning.causal.log_probabilities import hidden_states, log_probabilities
from wfl_sim.learning.causal.prompts import PromptBatch, dummy_prompts
from wfl_sim.learning.costs.counting import (
    Flops,
    Footprint,
    PhaseCost,
    StepCost,
    count_flops,
    count_update,
    footprint_of,
    size_of,
    storages,
)
from wfl_sim.learning.costs.live_memory import peak_memory
from wfl_sim.learning.objectives import logits, next_word_cross_entropy, word_cross_entropy
from wfl_sim.learning.tokenized import dummy_batch
from wfl_sim.methods.objectives import DPO, GRPO, PPO, PREFERENCES, Alignment
from wfl_sim.methods.phases import Answering, NextWord, Phase


def phase_cost(
    adapted: AdaptedModel,
    phase: Phase,
    layout: PromptLengths,
    reward_models: Sequence[tuple[Pretrained, int]],
) -> PhaseCost:
    """Return the cost of one phase.

    Args:
        adapted: policy on the meta device.
        phase: what is trained, and how.
        layout: lengths of requests and answers.
        reward_models: rewards that are networks, and their numbers of outputs.
    """
    model, objective = adapted.model.eval(), phase.objective
    trained = adapted.trained(phase)
    if isinstance(objective, Answering):
        return _answering(model, phase, layout)
    if not isinstance(objective, Alignment):
        return _supervised(model, trained, phase, layout)
    if objective.attention.ratio < 1 and (why := why_not_sparse(model.config, layout.tokens)):
        raise ValueError(f"attention cannot be sparse: {model.config.model_type!r} {why}")
    if isinstance(objective.algorithm, DPO):
        return _preferences(model, trained, phase, objective, layout)
    return _rewards(model, trained, phase, objective, layout, reward_models)


def _answering(model: PreTrainedModel, phase: Phase, layout: PromptLengths) -> PhaseCost:
    """Return the cost of one batch of answers, written with a cache and without a gradient."""
    flops, cache, live = _generation(model, dummy_prompts(phase.local.batch, layout), Alignment())
    held = footprint_of([*model.parameters(), *model.buffers()], (), phase.local, {})
    return PhaseCost(
        flops=flops,
        steps=1,
        footprint=replace(held, activations=cache, live=live),
        traffic=layout.answer * (held.frozen + cache),
        frozen_traffic=layout.answer * held.plain,
    )


def _supervised(
    model: PreTrainedModel, trained: Sequence[Parameter], phase: Phase, layout: PromptLengths
) -> PhaseCost:
    model.train()
    loss = next_word_cross_entropy if isinstance(phase.objective, NextWord) else word_cross_entropy

    def update(rows: int) -> None:
        loss(model, dummy_prompts(rows, layout)).backward()

    step = count_update(model, trained, phase.local, update)
    return step.times(phase.local.steps)


def _preferences(
    model: PreTrainedModel,
    trained: Sequence[Parameter],
    phase: Phase,
    objective: Alignment,
    layout: PromptLengths,
) -> PhaseCost:
    texts = dummy_prompts(phase.local.at_once, layout)
    share = kept_share(layout.tokens, objective.attention)

    def score() -> None:
        with torch.no_grad():
            for _ in range(2):
                answer_log_probability(model, texts, objective)

    def update(rows: int) -> None:
        pair, unknown = dummy_prompts(rows, layout), torch.zeros(rows, device="meta")
        preference_loss(model, pair, pair, (unknown, unknown), objective).backward()

    step = count_update(model, trained, phase.local, update)
    footprint, steps = _with_copies(step, objective), phase.local.steps
    footprint = replace(footprint, live=max(footprint.live, peak_memory(model, score)))
    scoring = footprint.passes * count_flops(model, score).with_attention(share)
    readings = 2 * math.ceil(footprint.passes)
    return PhaseCost(
        flops=steps * (scoring + step.flops.with_attention(share)),
        steps=steps,
        footprint=footprint,
        traffic=steps * (footprint.moved + readings * _size(model)),
        frozen_traffic=steps * (footprint.frozen_moved + readings * footprint.plain),
    )


def _rewards(
    model: PreTrainedModel,
    trained: Sequence[Parameter],
    phase: Phase,
    objective: Alignment,
    layout: PromptLengths,
    reward_models: Sequence[tuple[Pretrained, int]],
) -> PhaseCost:
    algorithm = objective.algorithm
    assert isinstance(algorithm, PPO | GRPO)
    count = phase.local.batch * algorithm.answers
    texts, read = dummy_prompts(count, layout), dummy_batch(count, layout.tokens, "meta")
    minibatch = _rollout(dummy_prompts(-(-count // algorithm.minibatches), layout), objective)
    networks = [load_on_meta(each, outputs) for each, outputs in reward_models]
    share = kept_share(layout.tokens, objective.attention)
    heads = [objective.rewards.helpfulness, objective.rewards.safety].count(PREFERENCES)

    def score() -> None:
        with torch.no_grad():
            log_probabilities(model, texts, objective.attention)

    def reward() -> None:
        for each in networks:
            logits(each, read)
        with torch.no_grad():
            for _ in range(heads):
                hidden_states(model, texts)

    def update(_: int) -> None:
        policy_gradient(model, trained, minibatch, objective, [(0.5, 0.5)])

    step = count_update(model, trained, phase.local, update)
    updates = algorithm.epochs * algorithm.minibatches
    whole_batch = count / (len(minibatch) * algorithm.minibatches)  # minibatches may differ by one
    generating, cache, alive = _generation(model, texts, objective)
    flops = (
        generating
        + 2 * count_flops(model, score).with_attention(share)
        + count_flops(model, reward).total
        + updates * whole_batch * step.flops.with_attention(share)
    )
    learning = _with_copies(step, objective)
    # A device generates, then scores, then asks for rewards, then learns.
    rewarded = peak_memory(model, reward, networks)
    live = max(learning.live, alive, peak_memory(model, score), rewarded)
    learning = replace(learning, live=live)
    rewarding = sum(_size(each) for each in networks)
    # Every token that is written needs all weights, and about half the cache, read and written.
    written = Writing(
        flops=generating,
        traffic=layout.answer * (_size(model) + cache),
        frozen_traffic=layout.answer * learning.plain,
    )
    readings = 2 + heads
    traffic = readings * _size(model) + rewarding + updates * step.footprint.moved
    frozen = readings * learning.plain + rewarding + updates * step.footprint.frozen_moved
    steps = phase.local.steps
    return PhaseCost(
        flops=steps * flops,
        steps=steps * updates,
        footprint=replace(learning, frozen=learning.frozen + rewarding),
        traffic=steps * (written.traffic + traffic),
        frozen_traffic=steps * (written.frozen_traffic + frozen),
        writing=written.times(steps),
    )


def _generation(
    model: PreTrainedModel, texts: PromptBatch, objective: Alignment
) -> tuple[float, float, float]:
    """Return the FLOPs of generating all answers, and bytes: of the cache at the end, and alive.

    With a cache most is alive when requests are read, or the cache at the end is more.
    """
    first, length = texts.request.shape[1], texts.answer.shape[1]
    decoding = Decoding(sparsity=objective.attention, temperature=1.0, end=0, pad=0)

    def generation(tokens: int) -> FloatArray:
        """Return FLOPs, those of attention among them, and the bytes of the cache."""
        prompts = texts.with_answers(texts.answer[:, :tokens], texts.answer_mask[:, :tokens])
        cache = DynamicCache(config=model.config)
        flops = count_flops(model, lambda: generate(model, prompts, decoding, [None], cache))
        layers: Any = cache.layers
        held = (value for layer in layers for value in vars(layer).values())
        parts = (part for v in held for part in (v.values() if isinstance(v, dict) else [v]))
        size = sum(part.nbytes for part in parts if isinstance(part, Tensor))
        return np.array([flops.total, flops.attention, size])

    prefill = generation(1)
    layers: Any = DynamicCache(config=model.config).layers
    windows = [each.sliding_window for each in layers if getattr(each, "is_sliding", False)]
    other = first + length > min(windows, default=math.inf) or cache_argument(model) is None
    if length <= 3 or other:
        whole, read = generation(length), texts
    else:
        read = texts.with_answers(texts.answer[:, :1], texts.answer_mask[:, :1])
        # A token costs an affine function of the tokens in the cache: three lengths tell all.
        second, third = generation(2), generation(3)
        step, growth = second - prefill, third - 2 * second + prefill
        whole = prefill + (length - 1) * step + (length - 1) * (length - 2) / 2 * growth
    later = whole - prefill
    asked = kept_share(first + length, objective.attention, 0, first)
    answered = kept_share(first + length, objective.attention, first)
    flops = Flops(*prefill[:2]).with_attention(asked) + Flops(*later[:2]).with_attention(answered)
    reading = peak_memory(model, lambda: generate(model, read, decoding, [None]))
    return float(flops), float(whole[2]), max(reading, float(whole[2]))


def _rollout(texts: PromptBatch, objective: Alignment) -> Rollout:
    """Return a rollout of the right shapes."""
    objectives = 1 if objective.combine == "linear" else 2
    scores = torch.zeros(texts.answer.shape, device="meta")
    each = torch.zeros(*texts.answer.shape, objectives, device="meta")
    values = each if isinstance(objective.algorithm, PPO) else None
    return Rollout(texts, scores, scores, each, values, values)


def _with_copies(step: StepCost, objective: Alignment) -> Footprint:
    """Return the footprint with the copies of trained weights: of the reference, as an anchor."""
    copies = 2 if objective.distance else 1
    return replace(step.footprint, copies=copies * step.footprint.trained)


def _size(model: PreTrainedModel) -> float:
    """Return the size of weights and buffers, in byte."""
    return size_of(storages([*model.parameters(), *model.buffers()]))
