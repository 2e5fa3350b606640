"""First token: where a classifier's head reads that alone, the last layer computes no other.

Behind the attention of the last layer no token looks at another, so what it makes of the others
reaches neither the logits nor a gradient.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from transformers import PreTrainedModel

from wfl_sim.learning.parts.architecture import layers_of, layout_of


@contextmanager
def first_token(model: PreTrainedModel) -> Iterator[None]:
    """Let the last layer go on with the first token alone, where the head reads no other.

    Logits and gradients stay what they are, but for the order of sums; the last hidden states
    have one token.
    """
    at = _behind_attention(model)
    if at is None:
        yield
        return
    handle = at.register_forward_pre_hook(_first)
    try:
        yield
    finally:
        handle.remove()


def _behind_attention(model: PreTrainedModel) -> nn.Module | None:
    layers = layers_of(model)
    name = layout_of(model.config.model_type).token_by_token if layers else None
    classifies = type(model).__name__.endswith("ForSequenceClassification")
    return layers[-1].get_submodule(name) if name and classifies else None


def _first(module: nn.Module, hidden: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return the first token of each text, of (texts, tokens, hidden)."""
    return tuple(each[:, :1] for each in hidden)
