"""Training of a group: one phase of the local updates of many devices at once."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from wfl_sim.learning.adapted_model import AdaptedModel
from wfl_sim.learning.grouped.layers import GroupLayers
from wfl_sim.learning.grouped.stacks import scales_of, slice_of, stacked
from wfl_sim.learning.objectives import losses_of
from wfl_sim.learning.phase_requests import PhaseRequest, Trained
from wfl_sim.learning.tokenized import bucketed, joined
from wfl_sim.learning.torch_settings import deterministic, in_precision
from wfl_sim.learning.training import batches, finite, optimizer_of
from wfl_sim.randomness import stream


def train_together(bench: AdaptedModel, turns: Sequence[PhaseRequest]) -> list[Trained]:
    """Train turns of one kind at once; each is trained on the batches that it would have alone.

    Args:
        bench: with the parts of any of the turns; what is on it does not matter, and stays.
        turns: of one `kind`.

    Raises:
        ValueError: a turn has no examples.
        FloatingPointError: a loss is no longer finite.
    """
    # Who is done first stands last, so that the rest of a stack is its beginning.
    order = sorted(range(len(turns)), key=lambda each: -turns[each].request.phase.local.steps)
    with deterministic(seed=0, threads=bench.threads):
        done = _train(bench, [turns[each] for each in order])
    trained = dict(zip(order, done, strict=True))
    return [trained[each] for each in range(len(turns))]


def _train(bench: AdaptedModel, turns: Sequence[PhaseRequest]) -> list[Trained]:
    model, phase = bench.model.requires_grad_(False).train(), turns[0].request.phase
    each_loss = losses_of(phase.objective)
    assert each_loss is not None
    names = {id(value): name for name, value in bench.parameters.items()}
    layers = GroupLayers(model, bench.parameters)
    starts = [turn.request.start for turn in turns]
    stacks = {name: stacked(starts, name, model.device) for name in bench.parameters}
    learned = [names[id(value)] for value in bench.trained(phase)]
    nudge = GroupGradientTerms(turns, {name: stacks[name] for name in learned})
    scales = scales_of([turn.parts for turn in turns], model.device, phase.mutes)
    examples = joined([turn.examples for turn in turns])
    rows, weights = _plan(turns, model.device)
    precision = in_precision(model)
    losses: list[Tensor] = []
    moments: list[Mapping[str, Tensor]] = []
    steps = [turn.request.phase.local.steps for turn in turns]
    for end in sorted(set(steps)):
        size = sum(each >= end for each in steps)
        values = [stacks[name][:size].clone().requires_grad_() for name in learned]
        optimizer = optimizer_of(values, phase.local)
        for value, before in zip(values, moments, strict=False):
            optimizer.state[value] = {n: v[:size] if v.dim() else v for n, v in before.items()}
        now = {name: stack[:size] for name, stack in stacks.items()}
        now |= dict(zip(learned, values, strict=True))
        with (
            bench.first_token(),
            bench.prefix.over(*(turn.examples for turn in turns)) as give,
            layers.on(now, {part: scale[:size] for part, scale in scales.items()}),
        ):
            for step in range(len(losses), end):
                chosen = rows[step, :size].flatten()
                batch = examples.take(chosen)
                give(chosen, batch)
                with precision:
                    each = each_loss(model, batch)
                means = (each.view(size, -1) * weights[:size]).sum(dim=1)
                means.sum().backward()
                nudge(values)
                optimizer.step()
                optimizer.zero_grad()
                losses.append(means.detach())
        moments = [optimizer.state[value] for value in values]
        for name, value in zip(learned, values, strict=True):
            stacks[name][:size] = value.detach()
    ends = {name: stack.cpu().numpy() for name, stack in stacks.items()}
    return [
        (
            {name: slice_of(ends[name], row, a.shape) for name, a in turn.request.start.items()},
            finite([loss[row] for loss in losses[: steps[row]]], turn.request.phase.local),
        )
        for row, turn in enumerate(turns)
    ]


class GroupGradientTerms:
    """What methods add to the gradients of a group's steps; see `wfl_sim.learning.training`."""

    def __init__(self, turns: Sequence[PhaseRequest], stacks: Mapping[str, Tensor]) -> None:
        """Stack origins and corrections of what learns."""
        requests = [turn.request for turn in turns]
        self._proximal = requests[0].phase.proximal
        self._origins: list[Tensor] = []
        self._pushes: list[Tensor] = []
        for name, stack in stacks.items():
            if self._proximal:
                origins = [request.anchor or request.start for request in requests]
                self._origins.append(stacked(origins, name, stack.device))
            if any(request.correction for request in requests):
                pushes = [
                    {name: request.correction.get(name, np.zeros_like(request.start[name]))}
                    for request in requests
                ]
                self._pushes.append(stacked(pushes, name, stack.device))

    def __call__(self, values: Sequence[Tensor]) -> None:
        """Add to the gradients of the values of the first devices."""
        with torch.no_grad():
            for value, origin in zip(values, self._origins, strict=False):
                _gradient(value).add_(value - origin[: len(value)], alpha=self._proximal)
            for value, push in zip(values, self._pushes, strict=False):
                _gradient(value).add_(push[: len(value)])


def _gradient(value: Tensor) -> Tensor:
    if value.grad is None:
        value.grad = torch.zeros_like(value)
    return value.grad


def _plan(turns: Sequence[PhaseRequest], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return which examples are in the batches, and how much each counts.

    Rows count from the first example of the first turn. A batch smaller than the largest is filled
    up with its own examples, which count nothing.

    Returns:
        int64 of shape (most steps, turns, largest batch), and float32 of shape (turns, batch).
    """
    most = max(turn.request.phase.local.steps for turn in turns)
    widest = max(turn.request.phase.local.batch for turn in turns)
    rows = torch.zeros(most, len(turns), widest, dtype=torch.int64)
    weights = torch.zeros(len(turns), widest)
    first = 0
    for place, turn in enumerate(turns):
        local = turn.request.phase.local
        rng = stream(turn.seed, "batches", turn.number)
        drawn = torch.stack(list(batches(len(turn.examples), local, rng, bucketed(turn.examples))))
        filled = torch.arange(widest) % local.batch
        rows[: local.steps, place] = first + drawn[:, filled]
        weights[place, : local.batch] = 1 / local.batch
        first += len(turn.examples)
    return rows.to(device), weights.to(device)
