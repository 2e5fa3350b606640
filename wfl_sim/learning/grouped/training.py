"""One phase of the local updates of many devices, in shared passes."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wfl_sim.learning.adapted_model import AdaptedModel
from wfl_sim.learning.causal import prompts
from wfl_sim.learning.grouped.layers import GroupLayers, scales_of, slice_of, stacked
from wfl_sim.learning.objectives import losses_of
from wfl_sim.learning.phase_requests import PhaseRequest, Trained
from wfl_sim.learning.tokenized import bucketed, joined
from wfl_sim.learning.torch_settings import deterministic, in_precision
from wfl_sim.learning.training import batches, finite, gradient_of, optimizer_of, set_rate
from wfl_sim.randomness import stream


def train_together(adapted: AdaptedModel, requests: Sequence[PhaseRequest]) -> list[Trained]:
    """Train requests of one kind at once; each is trained on the batches that it would have alone.

    Args:
        adapted: a network with the parts of any request; its values do not matter, and stay.
        requests: requests of one `kind`.

    Raises:
        ValueError: a request has no examples.
        FloatingPointError: a loss is no longer finite.
    """
    # In descending order of steps: the devices that still train are the first of a stack.
    order = sorted(range(len(requests)), key=lambda each: -requests[each].train.phase.local.steps)
    with deterministic(seed=0, threads=adapted.threads):
        done = _train(adapted, [requests[each] for each in order])
    trained = dict(zip(order, done, strict=True))
    return [trained[each] for each in range(len(requests))]


def _train(adapted: AdaptedModel, requests: Sequence[PhaseRequest]) -> list[Trained]:
    model, phase = adapted.model.requires_grad_(False).train(), requests[0].train.phase
    each_loss = losses_of(phase.objective)
    assert each_loss is not None
    names = {id(value): name for name, value in adapted.parameters.items()}
    layers = GroupLayers(model, adapted.parameters)
    starts = [request.train.start for request in requests]
    stacks = {name: stacked(starts, name, model.device) for name in adapted.parameters}
    learned = [names[id(value)] for value in adapted.trained(phase)]
    add_terms = GroupGradientTerms(requests, {name: stacks[name] for name in learned})
    scales = scales_of([request.parts for request in requests], model.device, phase.mutes)
    prefix, texts = adapted.prefix, [request.examples for request in requests]
    examples: Any = (
        prompts.joined([each.texts for each in texts])
        if isinstance(texts[0], prompts.Conversations)
        else joined(texts)
    )
    rows, counts = _plan(requests, model.device)
    precision = in_precision(model)
    losses: list[Tensor] = []
    moments: list[Mapping[str, Tensor]] = []
    steps = [request.train.phase.local.steps for request in requests]
    rates, clip = phase.local.rates(steps[0]), phase.local.clip_norm
    for end in sorted(set(steps)):
        size = sum(each >= end for each in steps)
        values = [stacks[name][:size].clone().requires_grad_() for name in learned]
        optimizer = optimizer_of(values, phase.local)
        for value, before in zip(values, moments, strict=False):
            optimizer.state[value] = {n: v[:size] if v.dim() else v for n, v in before.items()}
        now = {name: stack[:size] for name, stack in stacks.items()}
        now |= dict(zip(learned, values, strict=True))
        with (
            adapted.cls_token_only(),
            nullcontext() if prefix is None else prefix.over(*texts) as begin_above,
            layers.on(now, {part: scale[:size] for part, scale in scales.items()}),
        ):
            for step in range(len(losses), end):
                chosen = rows[step, :size].flatten()
                batch = examples.take(chosen)
                if isinstance(batch, prompts.PromptBatch):
                    batch = batch.trimmed()
                if begin_above is not None:
                    begin_above(chosen, batch)
                with precision:
                    sums, terms = each_loss(model, batch)
                kept = counts[:size]
                share = kept / (kept * terms.view(size, -1)).sum(dim=1, keepdim=True)
                means = (sums.view(size, -1) * share).sum(dim=1)
                means.sum().backward()
                add_terms(values)
                if clip:
                    clip_each(values, clip)
                if rates is not None:
                    set_rate(optimizer, rates[step])
                optimizer.step()
                optimizer.zero_grad()
                losses.append(means.detach())
        moments = [optimizer.state[value] for value in values]
        for name, value in zip(learned, values, strict=True):
            stacks[name][:size] = value.detach()
    ends = {name: stack.cpu().numpy() for name, stack in stacks.items()}
    return [
        (
            {name: slice_of(ends[name], row, a.shape) for name, a in request.train.start.items()},
            finite([loss[row] for loss in losses[: steps[row]]], request.train.phase.local),
        )
        for row, request in enumerate(requests)
    ]


class GroupGradientTerms:
    """What methods add to the gradients of a group's steps; see `wfl_sim.learning.training`.

    Args:
        requests: requests of one kind.
        stacks: start values of the parameters that are trained.
    """

    def __init__(self, requests: Sequence[PhaseRequest], stacks: Mapping[str, Tensor]) -> None:
        trains = [request.train for request in requests]
        self._proximal = trains[0].phase.proximal
        self._origins: list[Tensor] = []
        self._pushes: list[Tensor] = []
        for name, stack in stacks.items():
            if self._proximal:
                origins = [train.anchor or train.start for train in trains]
                self._origins.append(stacked(origins, name, stack.device))
            if any(train.correction for train in trains):
                pushes = [
                    {name: train.correction.get(name, np.zeros_like(train.start[name]))}
                    for train in trains
                ]
                self._pushes.append(stacked(pushes, name, stack.device))

    def __call__(self, values: Sequence[Tensor]) -> None:
        """Add to the gradients of the values of the first devices."""
        with torch.no_grad():
            for value, origin in zip(values, self._origins, strict=False):
                gradient_of(value).add_(value - origin[: len(value)], alpha=self._proximal)
            for value, push in zip(values, self._pushes, strict=False):
                gradient_of(value).add_(push[: len(value)])


def clip_each(values: Sequence[Tensor], largest: float) -> None:
    """Clip the gradient of each device to a norm, as torch does with that of one."""
    gradients = [gradient_of(value) for value in values]
    squares = [gradient.flatten(1).square().sum(1) for gradient in gradients]
    share = (largest / (torch.stack(squares).sum(0).sqrt() + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(share.view(-1, *[1] * (gradient.dim() - 1)))


def _plan(requests: Sequence[PhaseRequest], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return which examples are in the batches, and whether each counts.

    Rows count from the first example of the first request. A batch smaller than the largest is
    filled up with its own examples, which count nothing.

    Returns:
        int64 of shape (most steps, requests, largest batch), and float32 (requests, batch).
    """
    most = max(request.train.phase.local.steps for request in requests)
    widest = max(request.train.phase.local.batch for request in requests)
    rows = torch.zeros(most, len(requests), widest, dtype=torch.int64)
    counts = torch.zeros(len(requests), widest)
    first = 0
    for place, request in enumerate(requests):
        local = request.train.phase.local
        rng = stream(request.seed, "batches", request.number)
        drawn = torch.stack(
            list(batches(len(request.examples), local, rng, bucketed(request.examples)))
        )
        filled = torch.arange(widest) % local.batch
        rows[: local.steps, place] = first + drawn[:, filled]
        counts[place, : local.batch] = 1
        first += len(request.examples)
    return rows.to(device), counts.to(device)
