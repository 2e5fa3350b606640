"""Costs of one local update, from the shapes of network, parts, batch and codec."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from math import prod

from wfl_sim.codecs.codec import Codec
from wfl_sim.data.instructions import PromptLengths
from wfl_sim.device_models.workload import Batches, SplitExchange, Workload
from wfl_sim.learning.adapted_model import AdaptedModel
from wfl_sim.learning.alignment.rewards import reward_models_of
from wfl_sim.learning.causal.prompts import dummy_prompts
from wfl_sim.learning.costs.alignment import phase_cost
from wfl_sim.learning.costs.counting import count_step
from wfl_sim.learning.costs.split import count_split_step
from wfl_sim.learning.model_loading import causal_shape, load_on_meta, most_tokens
from wfl_sim.learning.objectives import loss_of, word_cross_entropy
from wfl_sim.learning.peft_folder import begin_with
from wfl_sim.learning.pretrained_model import Pretrained
from wfl_sim.learning.tokenized import dummy_batch
from wfl_sim.methods.method import (
    Method,
    SplitModel,
    download_shapes,
    needs_unicast,
    on_device,
    upload_shapes,
)
from wfl_sim.methods.parts import Part, Shapes, with_role
from wfl_sim.methods.phases import Phase


def workload_of(
    model: Pretrained,
    method: Method,
    parts: Sequence[Part],
    *,
    classes: int,
    tokens: int,
    codec_up: Codec,
    codec_down: Codec,
    layout: PromptLengths | None = None,
) -> tuple[Workload, Shapes]:
    """Count a local update on the meta device; no weights are loaded.

    With a `layout` the examples are instructions, and the network is a language model.

    Returns:
        The costs, and the shapes of all parameters of all parts.

    Raises:
        ValueError: the network cannot read texts of `tokens` tokens, or a part has no place in it.
    """
    network = load_on_meta(model, classes) if layout is None else causal_shape(model)
    limit = most_tokens(network.config)
    if limit is not None and tokens > limit:
        raise ValueError(f"tokens must be at most {limit} for {model.pretrained!r}, got {tokens}")
    reward_models = [] if layout is None else reward_models_of(method.phases)
    adapted = AdaptedModel(network, parts, begin=begin_with(model, network, parts))
    shapes = adapted.shapes(adapted.parts)
    shared = with_role(adapted.parts, shapes, "shared")
    whole = upload_shapes(method, shared)
    up = {name: shape for name, shape in whole.items() if on_device(method, name)}
    down = download_shapes(method, shared)
    down = {name: shape for name, shape in down.items() if on_device(method, name)}
    costs = []
    for phase in method.phases:
        with adapted.muted(phase):
            if layout is None:
                step = count_step(network, adapted.trained(phase), phase, tokens)
                costs.append(step.times(phase.local.steps))
            else:
                costs.append(phase_cost(adapted, phase, layout, reward_models))
    workload = Workload(
        upload_bits=codec_up.bits(up) if up else 0,
        download_bits=codec_down.bits(down) if down else 0,
        update_flops=sum(each.flops for each in costs),
        steps=sum(each.steps for each in costs),
        aggregate_flops=2.0 * sum(prod(shape) for shape in whole.values()),
        upload_values=sum(prod(shape) for shape in up.values()),
        memory=max(each.footprint.held for each in costs),
        frozen=min(each.footprint.frozen for each in costs),
        traffic=sum(each.traffic for each in costs),
        model=model.pretrained,
        batches=tuple(
            Batches(phase.local.steps, phase.local.batch, tokens) for phase in method.phases
        ),
        unicast=needs_unicast(method),
    )
    if isinstance(method, SplitModel):
        (phase,) = method.phases
        workload = _split(workload, adapted, phase, layout or tokens, method.device_blocks)
    return workload, shapes


def _split(
    whole: Workload,
    adapted: AdaptedModel,
    phase: Phase,
    length: PromptLengths | int,
    blocks: int,
) -> Workload:
    """Return the device's share of the costs of a local update on the whole network.

    The server learns of a text its label and length; of an answer its words, and both lengths.
    """
    network, count = adapted.model, phase.local.batch
    if isinstance(length, int):
        batch = dummy_batch(count, length, "meta")
        loss, known = partial(loss_of(phase.objective), network.train(), batch), 2 * count
    else:
        prompts = dummy_prompts(count, length)
        loss, known = (
            partial(word_cross_entropy, network.eval(), prompts),
            count * (length.answer + 2),
        )
    step = count_split_step(network, adapted.trained(phase), phase.local, loss, known, blocks)
    return replace(
        whole,
        update_flops=whole.steps * (step.forward + step.backward),
        memory=step.footprint.held,
        frozen=step.footprint.frozen,
        traffic=whole.steps * step.footprint.moved,
        batches=(),
        exchange=SplitExchange(
            up_bits=step.up_bits,
            down_bits=step.down_bits,
            forward=step.forward / (step.forward + step.backward),
            server_flops=step.server,
        ),
    )
