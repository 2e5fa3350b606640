"""Bytes that one local step holds at its peak, and those that it moves, from shapes."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import Parameter
from torch.utils.flop_counter import FlopCounterMode
from transformers import PreTrainedModel

from wfl_sim.learning.objectives import loss_of
from wfl_sim.learning.tokenized import dummy_batch
from wfl_sim.methods.phases import Local, Phase


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """What a local step holds, in byte."""

    frozen: float
    """weights and buffers that get no gradient"""
    trained: float
    """weights that do"""
    moments: float
    """of the optimiser"""
    activations: float
    """kept for backward"""

    @property
    def held(self) -> float:
        """All of it at the peak; a gradient is as large as its weight."""
        return self.frozen + 2 * self.trained + self.moments + self.activations

    @property
    def moved(self) -> float:
        """What a step moves between memory and processor at the least.

        Forward and backward read all weights once each and write and read the activations; trained
        weights have their gradient written and read, and are themselves, with the moments, read and
        written by the optimiser. Caches that hold more, and kernels that move more, are left out.
        """
        weights = self.frozen + self.trained
        return 2 * weights + 2 * self.activations + 4 * self.trained + 2 * self.moments


def step_memory(
    model: PreTrainedModel, trained: Sequence[Parameter], phase: Phase, tokens: int
) -> float:
    """Return weights + gradients + optimiser moments + activations kept for backward, in byte."""
    return step_footprint(model, trained, phase, tokens).held


def step_footprint(
    model: PreTrainedModel, trained: Sequence[Parameter], phase: Phase, tokens: int
) -> Footprint:
    """Return what a local step holds.

    Activations are the distinct storages that autograd saves in a forward pass with written-out
    attention; a fused attention kernel needs less. Work space of the kernels is not in it.
    """
    tensors = [*model.parameters(), *model.buffers()]
    weights = {tensor.untyped_storage()._cdata: tensor.untyped_storage() for tensor in tensors}
    saved: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in weights:
            saved[storage._cdata] = storage
        return tensor

    model.requires_grad_(False).train()
    for parameter in trained:
        parameter.requires_grad_(True)
    with saved_tensors_hooks(keep, lambda tensor: tensor):
        loss_of(phase.objective)(model, dummy_batch(phase.local.batch, tokens, model.device))
    learned = sum(parameter.numel() * parameter.element_size() for parameter in trained)
    return Footprint(
        frozen=float(sum(storage.nbytes() for storage in weights.values()) - learned),
        trained=float(learned),
        moments=float(moments(phase.local) * learned),
        activations=float(sum(storage.nbytes() for storage in saved.values())),
    )


def moments(local: Local) -> int:
    """Return how many tensors of a parameter's size the optimiser keeps."""
    if local.optimizer == "adamw":
        return 2
    return 1 if local.momentum else 0


def step_flops(
    model: PreTrainedModel, trained: Sequence[Parameter], phase: Phase, tokens: int
) -> float:
    """Return the FLOP of one step on a batch of `phase.local.batch` texts of `tokens` tokens.

    Args:
        model: on the meta device, with written-out attention.
        trained: parameters that get a gradient.
        phase: its objective and batch.
        tokens: length of a text.
    """
    model.requires_grad_(False)
    for parameter in trained:
        parameter.requires_grad_(True)
    with FlopCounterMode(display=False) as counter:
        loss_of(phase.objective)(
            model, dummy_batch(phase.local.batch, tokens, model.device)
        ).backward()
    for parameter in trained:
        parameter.grad = None
    return float(counter.get_total_flops())
