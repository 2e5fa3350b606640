"""Dropout: whether a network is noisy while it trains."""

from torch import nn
from transformers import PreTrainedModel


def noisy_part(model: PreTrainedModel) -> str | None:
    """Return the name of the first module that drops anything out; None where none does.

    Some layers have a module for it, some a number that they hand to attention.
    """
    for path, module in model.named_modules():
        rates = [value for name, value in vars(module).items() if "dropout" in name]
        rates += [module.p] if isinstance(module, nn.Dropout) else []
        if any(isinstance(rate, float) and rate > 0 for rate in rates):
            return path
    return None
