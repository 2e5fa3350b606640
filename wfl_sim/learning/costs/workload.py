"""Costs of one local update, from the shapes of network, parts, batch and codec.

Where texts are padded to the longest of their batch, an update's seed tells the tokens of every
batch before anything is trained, and with them FLOPs and bytes moved.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import Final

import numpy as np

from wfl_sim.codecs import Float32
from wfl_sim.codecs.codec import payload_bits
from wfl_sim.config.plugin_code import code_of
from wfl_sim.data.examples import PromptLengths
from wfl_sim.device_models.workload import Batches, StepExchange, Workload, Writing
from wfl_sim.execution.lru_cache import LruCache
from wfl_sim.learning.adapted_model import AdaptedModel
from wfl_sim.learning.alignment.rewards import reward_models_of
from wfl_sim.learning.base_models.model_loading import causal_shape, load_on_meta, most_tokens
from wfl_sim.learning.base_models.pretrained_model import Pretrained
from wfl_sim.learning.causal.prompts import dummy_prompts
from wfl_sim.learning.costs.alignment import phase_cost
from wfl_sim.learning.costs.counting import PhaseCost, StepCost, count_step
from wfl_sim.learning.costs.split import count_split_step
from wfl_sim.learning.learner_context import LearnerContext
from wfl_sim.learning.objectives import loss_of, word_cross_entropy
from wfl_sim.learning.peft.peft_folder import begin_with
from wfl_sim.learning.tokenized import TokenizedTexts, dummy_batch, padded
from wfl_sim.learning.training import batches
from wfl_sim.methods.method import (
    METHODS,
    SplitModel,
    download_shapes,
    needs,
    on_device,
    upload_shapes,
)
from wfl_sim.methods.parts import Part, Shapes, with_role
from wfl_sim.methods.phases import Answering, Phase
from wfl_sim.randomness import stream


@dataclass(frozen=True, kw_only=True)
class CountedUpdate:
    """What a local update costs apart from its steps, and one step of each phase."""

    apart: Workload
    steps: Sequence[PhaseCost]
    """The device's share of one step of each phase."""
    shapes: Shapes
    """Of all parameters of all parts."""

    def of(self, phases: Sequence[Phase], tokens: int) -> Workload:
        """Return the costs of an update with the steps of these phases."""
        numbers = [phase.local.steps for phase in phases]
        counted = [*zip(numbers, self.steps, strict=True)]
        written = [each.writing.times(number) for number, each in counted]
        return replace(
            self.apart,
            update_flops=sum(number * each.flops for number, each in counted),
            steps=sum(number * each.steps for number, each in counted),
            memory=max(each.footprint.held for each in self.steps),
            frozen=min(each.footprint.plain for each in self.steps),
            traffic=sum(number * each.traffic for number, each in counted),
            frozen_traffic=sum(number * each.frozen_traffic for number, each in counted),
            writing=Writing(
                flops=sum(each.flops for each in written),
                traffic=sum(each.traffic for each in written),
                frozen_traffic=sum(each.frozen_traffic for each in written),
            ),
            batches=()
            if self.apart.exchange or any(isinstance(p.objective, Answering) for p in phases)
            else tuple(Batches(phase.local.steps, phase.local.batch, tokens) for phase in phases),
        )


_COUNTED: Final = LruCache[CountedUpdate](64)
"""By all that decides it: a scenario that is run again in this process is not counted again."""


def count_update_of(context: LearnerContext, parts: Sequence[Part]) -> CountedUpdate:
    """Count a local update with some parts on the meta device; no weights are loaded.

    Raises:
        ValueError: the network cannot read texts of so many tokens, or a part has no place in it.
    """
    model, method, examples = context.model, context.method, context.examples
    rewards = [] if examples.layout is None else reward_models_of(method.phases)
    settings = (model, method, parts, context.tokens, context.codec_up, context.codec_down)
    # The file of an adapter may be another one meanwhile; `repr` need not show all that users' own
    # classes are.
    if model.adapter or code_of(settings):
        return _count(context, parts, rewards)
    networks = (model, *(each for each, _ in rewards))
    read = [(each.folder() / "config.json").read_bytes() for each in networks]
    key = repr((settings, examples.classes, examples.layout, rewards, read))
    if key not in _COUNTED:
        _COUNTED[key] = _count(context, parts, rewards)
    return _COUNTED[key]


def _count(
    context: LearnerContext,
    parts: Sequence[Part],
    reward_models: Sequence[tuple[Pretrained, int]],
) -> CountedUpdate:
    model, method, tokens = context.model, context.method, context.tokens
    layout = context.examples.layout
    if layout is None:
        network = load_on_meta(model, context.examples.classes)
    else:
        network = causal_shape(model)
    limit = most_tokens(network.config)
    if limit is not None and tokens > limit:
        raise ValueError(f"tokens must be at most {limit} for {model.pretrained!r}, got {tokens}")
    adapted = AdaptedModel(network, parts, begin=begin_with(model, network, parts))
    shapes = adapted.shapes(adapted.parts)
    shared = with_role(adapted.parts, shapes, "shared")
    whole = upload_shapes(method, shared)
    up = {name: shape for name, shape in whole.items() if on_device(method, name)}
    down = download_shapes(method, shared)
    down = {name: shape for name, shape in down.items() if on_device(method, name)}
    costs, exchange = [], None
    for each in method.phases:
        phase = replace(each, local=replace(each.local, steps=1, epochs=0))
        with adapted.muted(phase):
            if isinstance(method, SplitModel):
                cost, exchange = _split(adapted, phase, layout or tokens, method.device_blocks)
            elif layout is None:
                cost = count_step(network, adapted.trained(phase), phase, tokens).times(1)
            else:
                cost = phase_cost(adapted, phase, layout, reward_models)
        if phase.proximal:
            copies = cost.footprint.copies + cost.footprint.trained
            cost = replace(cost, footprint=replace(cost.footprint, copies=copies))
        costs.append(cost)
    apart = Workload(
        upload_bits=payload_bits(context.codec_up, up),
        download_bits=payload_bits(context.codec_down, down),
        update_flops=0.0,
        steps=0,
        aggregate_flops=2.0 * sum(prod(shape) for shape in whole.values()),
        upload_values=sum(prod(shape) for shape in up.values()),
        memory=0.0,
        model=model.pretrained,
        method=METHODS.label(method),
        unicast=needs(method, "unicast"),
        state_bits=payload_bits(Float32(), up),
        exchange=exchange,
    )
    return CountedUpdate(apart=apart, steps=costs, shapes=shapes)


def _split(
    adapted: AdaptedModel, phase: Phase, length: PromptLengths | int, blocks: int
) -> tuple[PhaseCost, StepExchange]:
    """Return the device's share of a step, and what crosses the cut.

    The server learns of a text its label and length; of an answer its words, and both lengths.
    """
    network, count = adapted.model, phase.local.batch
    if isinstance(length, int):
        batch = dummy_batch(count, length, "meta")
        loss, known = partial(loss_of(phase.objective), network.train(), batch), 2 * count
    else:
        prompts = dummy_prompts(count, length)
        loss, known = (
            partial(word_cross_entropy, network.train(), prompts),
            count * (length.answer + 2),
        )
    trained = adapted.trained(phase)
    step, exchange = count_split_step(network, trained, phase.local, loss, known, blocks)
    return step.times(1), exchange


class SampledCosts:
    """Counts steps on the meta device, once for each number of tokens; no weights are loaded."""

    def __init__(
        self, model: Pretrained, classes: int, parts: Sequence[Part], phases: Sequence[Phase]
    ) -> None:
        self._adapted = AdaptedModel(load_on_meta(model, classes), parts)
        self._phases = phases
        self._steps: dict[tuple[int, int], StepCost] = {}

    def of(self, whole: Workload, examples: TokenizedTexts, seed: int) -> Workload:
        """Return the costs of one local update, given those with all texts at the full length."""
        counted = [
            (number, width, steps)
            for number, phase in enumerate(self._phases)
            for width, steps in sorted(self._widths(number, phase, examples, seed).items())
        ]
        costs = [self._step(number, width).times(steps) for number, width, steps in counted]
        return replace(
            whole,
            update_flops=sum(each.flops for each in costs),
            traffic=sum(each.traffic for each in costs),
            frozen_traffic=sum(each.frozen_traffic for each in costs),
            batches=tuple(
                Batches(steps, self._phases[number].local.batch, width)
                for number, width, steps in counted
            ),
        )

    def _widths(
        self, number: int, phase: Phase, examples: TokenizedTexts, seed: int
    ) -> Counter[int]:
        """Return how many batches of a phase have how many tokens."""
        lengths, most = examples.lengths(), examples.ids.shape[1]
        rng = stream(seed, "batches", number)
        local = phase.local.of(len(examples))
        drawn = batches(examples, local, rng)
        return Counter(padded(int(np.max(lengths[rows.numpy()])), most) for rows in drawn)

    def _step(self, number: int, tokens: int) -> StepCost:
        """Return the cost of a step of a phase."""
        if (number, tokens) not in self._steps:
            phase, adapted = self._phases[number], self._adapted
            with adapted.muted(phase):
                self._steps[number, tokens] = count_step(
                    adapted.model, adapted.trained(phase), phase, tokens
                )
        return self._steps[number, tokens]
