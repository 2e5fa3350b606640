"""Training of a group: one phase of the local updates of many devices at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from wfl_sim.learning.encoding import Encoded, joined
from wfl_sim.learning.exact import exact
from wfl_sim.learning.group.layers import GroupLayers
from wfl_sim.learning.group.stacks import slice_of, stacked
from wfl_sim.learning.objectives import losses_of
from wfl_sim.learning.training import batches, finite, optimizer_of
from wfl_sim.learning.workbench import Workbench
from wfl_sim.methods.aggregation import State
from wfl_sim.methods.parts import LoRA, Part
from wfl_sim.methods.phases import Phase
from wfl_sim.randomness import stream


@dataclass(frozen=True, kw_only=True, eq=False)
class Turn:
    """One phase of one device's local update."""

    number: int
    """of the phase in its local update"""
    phase: Phase
    parts: tuple[Part, ...]
    start: State
    """values of all parts"""
    examples: Encoded
    seed: int
    """of the local update"""

    @property
    def kind(self) -> object:
        """What turns of one group have in common: all but ranks, steps, batches and values."""
        alike = replace(self.phase, local=replace(self.phase.local, steps=1, batch=1))
        return self.number, alike, tuple((part.name, type(part.config)) for part in self.parts)


def train_together(bench: Workbench, turns: Sequence[Turn]) -> list[tuple[State, list[float]]]:
    """Train turns of one kind at once; each is trained on the batches that it would have alone.

    Args:
        bench: with the parts of any of the turns; what is on it does not matter and stays.
        turns: of one `kind`.

    Returns:
        Of each turn all values afterwards, and the loss of each step in nat.

    Raises:
        ValueError: a turn has no examples.
        FloatingPointError: a loss is no longer finite.
    """
    # Who is done first stands last, so that the rest of a stack is its beginning.
    order = sorted(range(len(turns)), key=lambda each: -turns[each].phase.local.steps)
    with exact(seed=0, threads=bench.threads):
        done = _train(bench, [turns[each] for each in order])
    trained = dict(zip(order, done, strict=True))
    return [trained[each] for each in range(len(turns))]


def _train(bench: Workbench, turns: Sequence[Turn]) -> list[tuple[State, list[float]]]:
    model, phase = bench.model.requires_grad_(False).train(), turns[0].phase
    names = {id(value): name for name, value in bench.parameters.items()}
    layers = GroupLayers(model, names)
    starts = [turn.start for turn in turns]
    stacks = {name: stacked(starts, name, model.device) for name in bench.parameters}
    learned = [names[id(value)] for value in bench.trained(phase)]
    scales = _scales(turns, model.device)
    examples = joined([turn.examples for turn in turns])
    rows, weights = _plan(turns, model.device)
    each_loss = losses_of(phase.objective)
    losses: list[Tensor] = []
    state: list[Mapping[str, Tensor]] = []
    steps = [turn.phase.local.steps for turn in turns]
    for end in sorted(set(steps)):
        size = sum(each >= end for each in steps)
        values = [stacks[name][:size].clone().requires_grad_() for name in learned]
        optimizer = optimizer_of(values, phase.local)
        for value, before in zip(values, state, strict=False):
            optimizer.state[value] = {n: v[:size] if v.dim() else v for n, v in before.items()}
        now = {n: stack[:size] for n, stack in stacks.items()} | dict(zip(learned, values, strict=True))
        with layers.on(now, {part: scale[:size] for part, scale in scales.items()}):
            for step in range(len(losses), end):
                batch = examples.take(rows[step, :size].flatten())
                means = (each_loss(model, batch).view(size, -1) * weights[:size]).sum(dim=1)
                means.sum().backward()
                optimizer.step()
                optimizer.zero_grad()
                losses.append(means.detach())
        state = [optimizer.state[value] for value in values]
        for name, value in zip(learned, values, strict=True):
            stacks[name][:size] = value.detach()
    ends = {name: stack.cpu().numpy() for name, stack in stacks.items()}
    return [
        (
            {name: slice_of(ends[name], row, a.shape) for name, a in turn.start.items()},
            finite([loss[row] for loss in losses[: steps[row]]], turn.phase.local),
        )
        for row, turn in enumerate(turns)
    ]


def _scales(turns: Sequence[Turn], device: torch.device) -> dict[str, Tensor]:
    """Return alpha / rank of each LoRA, shape (turns, 1, 1), by the name of its part."""
    loras: dict[str, list[float]] = {}
    for turn in turns:
        for part in turn.parts:
            if isinstance(part.config, LoRA):
                loras.setdefault(part.name, []).append(part.config.scale)
    return {
        name: torch.tensor(values, device=device)[:, None, None] for name, values in loras.items()
    }


def _plan(turns: Sequence[Turn], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return which examples are in the batches, and how much each counts.

    Rows count from the first example of the first turn. A batch smaller than the largest is filled
    up with its own examples, which count nothing.

    Returns:
        int64 of shape (most steps, turns, largest batch), and float32 of shape (turns, batch).
    """
    most = max(turn.phase.local.steps for turn in turns)
    widest = max(turn.phase.local.batch for turn in turns)
    rows = torch.zeros(most, len(turns), widest, dtype=torch.int64)
    weights = torch.zeros(len(turns), widest)
    first = 0
    for place, turn in enumerate(turns):
        local = turn.phase.local
        rng = stream(turn.seed, "batches", turn.number)
        drawn = torch.stack(list(batches(len(turn.examples), local, rng)))
        filled = torch.arange(widest) % local.batch
        rows[: local.steps, place] = first + drawn[:, filled]
        weights[place, : local.batch] = 1 / local.batch
        first += len(turn.examples)
    return rows.to(device), weights.to(device)
