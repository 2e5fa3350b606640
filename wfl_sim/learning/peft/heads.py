"""Heads outside the backbone: task heads of classifiers, value heads of language models."""

import torch
from torch import Generator, Tensor, nn
from torch.nn import Parameter
from transformers import PreTrainedModel

from wfl_sim.methods.parts import Critic, Part

VALUE_HEAD = "value_head"
"""Name of the critic's module."""


def attach_head(model: PreTrainedModel, part: Part) -> dict[str, Parameter]:
    """Return the parameters of all modules outside the backbone; nothing is added.

    The output layer of a language model is no head in this sense: it is pretrained and stays
    frozen.
    """
    if model.can_generate():
        return {}
    backbone = {id(value) for value in model.base_model.parameters()}
    head = {name: value for name, value in model.named_parameters() if id(value) not in backbone}
    if not head:
        raise ValueError(f"part {part.name!r}: {model.config.model_type!r} has no head")
    return head


def initialize_head(model: PreTrainedModel, name: str, value: Tensor, rng: Generator) -> None:
    """Draw matrices from N(0, initializer_range^2) of the architecture; biases 0, scales 1."""
    if value.dim() > 1:
        std = getattr(model.config, "initializer_range", 0.02)
        nn.init.normal_(value, std=std, generator=rng)
    elif name.endswith("bias"):
        nn.init.zeros_(value)
    else:
        nn.init.ones_(value)


def attach_critic(model: PreTrainedModel, part: Part) -> dict[str, Parameter]:
    """Add a linear value head on the last hidden state."""
    assert isinstance(part.config, Critic)
    if not model.can_generate():
        raise ValueError(f"part {part.name!r}: {model.config.model_type!r} writes no text to value")
    head = nn.Linear(model.config.hidden_size, part.config.values)
    model.add_module(VALUE_HEAD, head)
    return dict(head.named_parameters())


def attach_reward_weights(model: PreTrainedModel, part: Part) -> dict[str, Parameter]:
    """Return numbers of their own: nothing in the network reads them."""
    if not model.can_generate():
        raise ValueError(f"part {part.name!r}: {model.config.model_type!r} writes no text to value")
    return {"logits": Parameter(torch.zeros(2)), "score": Parameter(torch.zeros(1))}
