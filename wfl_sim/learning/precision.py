"""Precision: networks whose frozen weights are in bfloat16."""

from contextlib import AbstractContextManager, nullcontext

import torch
from transformers import PreTrainedModel


def in_precision(model: PreTrainedModel) -> AbstractContextManager[object]:
    """Return the context of a forward pass: products are taken in the type of the frozen weights.

    What a method trains is in float32 whatever they are, and is rounded for a product only.
    """
    if model.dtype == torch.float32:
        return nullcontext()
    return torch.autocast(model.device.type, model.dtype)
