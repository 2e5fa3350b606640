"""Bytes that one local step holds at its peak, from shapes."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import Parameter
from transformers import PreTrainedModel

from wfl_sim.learning.encoding import blank
from wfl_sim.learning.objectives import loss_of
from wfl_sim.methods.phases import Local, Phase


def step_memory(
    model: PreTrainedModel, trained: Sequence[Parameter], phase: Phase, tokens: int
) -> float:
    """Return weights + gradients + optimiser moments + activations kept for backward, in byte.

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
        loss_of(phase.objective)(model, blank(phase.local.batch, tokens, model.device))
    learned = sum(parameter.numel() * parameter.element_size() for parameter in trained)
    held = sum(storage.nbytes() for storage in (*weights.values(), *saved.values()))
    return float(held + (1 + moments(phase.local)) * learned)


def moments(local: Local) -> int:
    """Return how many tensors of a parameter's size the optimiser keeps."""
    if local.optimizer == "adamw":
        return 2
    return 1 if local.momentum else 0
