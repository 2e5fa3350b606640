"""First token: where a classifier's head reads that alone, the last layer computes no other.

Behind the attention of the last layer no token looks at another, so what it makes of the others
reaches neither the logits nor a gradient.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from transformers import PreTrainedModel

from wfl_sim.learning.peft.architecture import layers_of, layout_of


def behind_attention(model: PreTrainedModel) -> nn.Module | None:
    """Return what the attention of the last layer hands its output to.

    None where the head does not read the first token alone, and where the layer would count tokens.
    """
    layers, config = layers_of(model), model.config
    name = layout_of(config.model_type).token_by_token if layers else None
    classifies = type(model).__name__.endswith("ForSequenceClassification")
    chunked = bool(getattr(config, "chunk_size_feed_forward", False))
    return layers[-1].get_submodule(name) if name and classifies and not chunked else None


@contextmanager
def cls_token_only(behind: nn.Module | None) -> Iterator[None]:
    """Let the last layer go on with the first token alone, where that is all the head reads.

    Logits and gradients stay what they are, but for the order of sums and, where something drops
    out, for what is drawn; the last hidden states have one token.
    """
    if behind is None:
        yield
        return
    handle = behind.register_forward_pre_hook(_first)
    try:
        yield
    finally:
        handle.remove()


def _first(module: nn.Module, hidden: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return the first token of each text, of (texts, tokens, hidden)."""
    return tuple(each[:, :1] for each in hidden)
