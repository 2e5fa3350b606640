"""One phase of the local updates of many devices in shared passes, and optimisers over stacks."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor

from wfl_sim.learning.adapted_model import AdaptedModel
from wfl_sim.learning.alignment.language_model import LanguageModel
from wfl_sim.learning.alignment.training import align
from wfl_sim.learning.causal import prompts
from wfl_sim.learning.grouped.layers import GroupLayers, scales_of, slice_of, stacked
from wfl_sim.learning.objectives import losses_of
from wfl_sim.learning.phase_requests import PhaseRequest, Trained
from wfl_sim.learning.tokenized import joined
from wfl_sim.learning.torch_settings import deterministic, in_precision
from wfl_sim.learning.training import batches, finite, gradient_of, optimizer_of, take_step
from wfl_sim.methods.objectives import Alignment
from wfl_sim.randomness import stream
from wfl_sim.state import State


class GroupParameters:
    """Stacks of all parameters, and one optimiser over those that learn.

    Args:
        adapted: a network with the parts of any request.
        requests: requests of one kind, in descending order of steps: the devices that still learn
            are the first of a stack.
        steps: that the optimiser of the first device will take.
    """

    def __init__(self, adapted: AdaptedModel, requests: Sequence[PhaseRequest], steps: int) -> None:
        phase, device = requests[0].train.phase, adapted.model.device
        self._starts = [request.train.start for request in requests]
        self._stacks = {name: stacked(self._starts, name, device) for name in adapted.parameters}
        self._scales = scales_of([request.parts for request in requests], device, phase.mutes)
        self._layers = GroupLayers(adapted.model, adapted.parameters)
        names = {id(value): name for name, value in adapted.parameters.items()}
        self.learned = [names[id(value)] for value in adapted.trained(phase)]
        self._local, self._rates = phase.local, iter(phase.local.rates(steps) or ())
        self.adapted = adapted
        self.values: Mapping[str, Tensor] = self._stacks
        """Present values of the devices that still learn, by name, (devices, *shape)."""
        self.trained: Sequence[Tensor] = ()
        """Those of them that learn."""
        self._begin(len(requests), ())

    def keep(self, devices: int) -> None:
        """Go on with the first of the devices, in the memory of the stacks."""
        if len(self.trained[0]) == devices:
            return
        self._begin(devices, [self._optimizer.state[value] for value in self.trained])

    def _begin(self, devices: int, moments: Sequence[Mapping[str, Tensor]]) -> None:
        now = {name: stack[:devices] for name, stack in self._stacks.items()}
        self.trained = [now[name].detach().requires_grad_() for name in self.learned]
        self.values = {**now, **dict(zip(self.learned, self.trained, strict=True))}
        self._optimizer = optimizer_of(self.trained, self._local)
        for value, before in zip(self.trained, moments, strict=False):
            self._optimizer.state[value] = {
                name: moment[:devices] if moment.dim() else moment
                for name, moment in before.items()
            }

    def on(self) -> AbstractContextManager[object]:
        """Let the network compute with present values, an equal share of rows for each device."""
        devices = len(self.trained[0])
        scales = {part: scale[:devices] for part, scale in self._scales.items()}
        return self._layers.on(self.values, scales)

    def step(self) -> None:
        """Take one step of the optimiser of each device, and forget the gradient."""
        if self._local.clip_norm:
            clip_each(self.trained, self._local.clip_norm)
        take_step(self._optimizer, self._rates)

    def states(self) -> list[State]:
        """Return the values of each device."""
        ends = {name: stack.cpu().numpy() for name, stack in self._stacks.items()}
        return [
            {name: slice_of(ends[name], row, array.shape) for name, array in start.items()}
            for row, start in enumerate(self._starts)
        ]


def clip_each(values: Sequence[Tensor], largest: float) -> None:
    """Clip the gradient of each device to a norm, as torch does with that of one."""
    gradients = [gradient_of(value) for value in values]
    squares = [gradient.flatten(1).square().sum(1) for gradient in gradients]
    share = (largest / (torch.stack(squares).sum(0).sqrt() + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(share.view(-1, *[1] * (gradient.dim() - 1)))


def train_together(adapted: AdaptedModel, requests: Sequence[PhaseRequest]) -> list[Trained]:
    """Train requests of one kind at once; each is trained on the batches that it would have alone.

    Args:
        adapted: a network with the parts of any request; its values do not matter, and stay.
        requests: requests of one `kind`.

    Raises:
        ValueError: a request has no examples.
        DivergedError: a loss is no longer finite.
    """
    # In descending order of steps: the devices that still train are the first of a stack.
    order = sorted(range(len(requests)), key=lambda each: -requests[each].train.phase.local.steps)
    with deterministic(seed=0, threads=adapted.threads):
        aligns = isinstance(requests[0].train.phase.objective, Alignment)
        done = (_align if aligns else _train)(adapted, [requests[each] for each in order])
    trained = dict(zip(order, done, strict=True))
    return [trained[each] for each in range(len(requests))]


def _align(adapted: AdaptedModel, requests: Sequence[PhaseRequest]) -> list[Trained]:
    assert isinstance(adapted, LanguageModel)
    phase = requests[0].train.phase
    inputs = [
        adapted.inputs(each.number, each.train.phase, each.examples, each.seed) for each in requests
    ]
    adapted.model.requires_grad_(False)
    group = GroupParameters(adapted, requests, phase.optimizer_steps)
    losses = align(group, phase, inputs, adapted.tokenizer)
    return list(zip(group.states(), losses, strict=True))


def _train(adapted: AdaptedModel, requests: Sequence[PhaseRequest]) -> list[Trained]:
    model, phase = adapted.model.requires_grad_(False).train(), requests[0].train.phase
    each_loss = losses_of(phase.objective)
    assert each_loss is not None
    steps = [request.train.phase.local.steps for request in requests]
    group = GroupParameters(adapted, requests, steps[0])
    add_terms = GroupGradientTerms(requests, group.learned, model.device)
    prefix, texts = adapted.prefix, [request.examples for request in requests]
    examples: Any = (
        prompts.joined([each.texts for each in texts])
        if isinstance(texts[0], prompts.Conversations)
        else joined(texts)
    )
    rows, counts = _plan(requests, model.device)
    precision = in_precision(model)
    losses: list[Tensor] = []
    with (
        adapted.cls_token_only(),
        nullcontext() if prefix is None else prefix.over(*texts) as begin_above,
    ):
        for step in range(steps[0]):
            size = sum(each > step for each in steps)
            group.keep(size)
            chosen = rows[step, :size].flatten()
            batch = examples.take(chosen)
            if isinstance(batch, prompts.PromptBatch):
                batch = batch.trimmed()
            if begin_above is not None:
                begin_above(chosen, batch)
            # The backward pass, too: layers may be computed anew in it.
            with group.on():
                with precision:
                    sums, terms = each_loss(model, batch)
                kept = counts[:size]
                share = kept / (kept * terms.view(size, -1)).sum(dim=1, keepdim=True)
                means = (sums.view(size, -1) * share).sum(dim=1)
                means.sum().backward()
            add_terms(group.trained)
            group.step()
            losses.append(means.detach())
    done = []
    for row, (request, state) in enumerate(zip(requests, group.states(), strict=True)):
        own = [float(loss[row]) for loss in losses[: steps[row]]]
        done.append((state, finite(own, request.train.phase.local)))
    return done


class GroupGradientTerms:
    """What methods add to the gradients of a group's steps; see `wfl_sim.learning.training`."""

    def __init__(
        self, requests: Sequence[PhaseRequest], learned: Sequence[str], device: torch.device
    ) -> None:
        trains = [request.train for request in requests]
        self._proximal = trains[0].phase.proximal
        self._origins: list[Tensor] = []
        self._pushes: list[Tensor] = []
        for name in learned:
            if self._proximal:
                origins = [train.anchor or train.start for train in trains]
                self._origins.append(stacked(origins, name, device))
            if any(train.correction for train in trains):
                pushes = [
                    {name: train.correction.get(name, np.zeros_like(train.start[name]))}
                    for train in trains
                ]
                self._pushes.append(stacked(pushes, name, device))

    def __call__(self, values: Sequence[Tensor]) -> None:
        """Add to the gradients of the values of the first devices."""
        with torch.no_grad():
            for value, origin in zip(values, self._origins, strict=False):
                gradient_of(value).add_(value - origin[: len(value)], alpha=self._proximal)
            for value, push in zip(values, self._pushes, strict=False):
                gradient_of(value).add_(push[: len(value)])


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
        drawn = torch.stack(list(batches(request.examples, local, rng)))
        filled = torch.arange(widest) % local.batch
        rows[: local.steps, place] = first + drawn[:, filled]
        counts[place, : local.batch] = 1
        first += len(request.examples)
    return rows.to(device), counts.to(device)
