"""Causal attention over padded texts, dense or sparse: masks, positions, and the pairs kept."""

import inspect
from functools import lru_cache

import torch
from torch import Tensor
from transformers import DynamicCache, PretrainedConfig, PreTrainedModel
from transformers.cache_utils import DynamicLayer
from transformers.cache_utils import LinearAttentionCacheLayerMixin as WithoutAttention

from wfl_sim.methods.objectives import Sparsity

_STRIDE = 4
_MASK_OF_WORDS = {"bloom", "mpt", "xlnet"}
"""Architectures whose distances or masks come from a mask of words."""
_CACHES = ("cache", "past_key_values", "cache_params")
"""What networks call the cache of the words before, in one version of transformers or another."""


class AttentionInputs:
    """The arguments that tell a network which words are there, and their places.

    Which words a word attends to is the network's own, sliding windows included, unless `sparsity`
    says otherwise. On the meta device there are no values of a mask to look at, and it gets none.

    Args:
        model: a causal language model.
        mask: (n, tokens), 1 for words and 0 for padding.
        sparsity: which of the words before it a word attends to.
    """

    def __init__(self, model: PreTrainedModel, mask: Tensor, sparsity: Sparsity) -> None:
        self._mask = None if mask.device.type == "meta" else mask
        self._sparse = self._places = None
        if self._mask is not None and sparsity.ratio < 1:
            self._sparse = attention_mask(mask, sparsity)
        if self._mask is not None and takes(model, "position_ids"):
            self._places = positions(mask)
        self._recurrent = _is_recurrent(model.config)

    def of(self, first: int, end: int) -> dict[str, Tensor]:
        """Return the arguments for the words from `first` to `end`; those before are cached."""
        if self._mask is None:
            return {}
        given = {"attention_mask": self._mask[:, first if self._recurrent else 0 : end]}
        if self._sparse is not None:
            given["attention_mask"] = self._sparse[:, :, first:end, :end]
        if self._places is not None:
            given["position_ids"] = self._places[:, first:end]
        return given


def takes(model: PreTrainedModel, argument: str) -> bool:
    """Return whether the forward pass of a network has an argument of this name."""
    return argument in inspect.signature(type(model).forward).parameters


def cache_argument(model: PreTrainedModel) -> str | None:
    """Return what a network calls the cache of the words before; None where it takes none."""
    return next((name for name in _CACHES if takes(model, name)), None)


def _is_recurrent(config: PretrainedConfig) -> bool:
    """Return whether no layer attends: such networks take a mask of the words that they read."""
    layers = DynamicCache(config=config).layers
    states = [isinstance(e, WithoutAttention) and not isinstance(e, DynamicLayer) for e in layers]
    return bool(states) and all(states)


def why_not_sparse(config: PretrainedConfig, tokens: int) -> str | None:
    """Return why a network cannot be told which words of a text to attend to; None where it can."""
    if config.model_type in _MASK_OF_WORDS or getattr(config, "alibi", False):
        return "takes a mask of words alone"
    if any(isinstance(each, WithoutAttention) for each in DynamicCache(config=config).layers):
        return "has layers without attention"
    windows = {getattr(config, name, None) for name in ("sliding_window", "window_size")}
    if any(isinstance(window, int) and window < tokens for window in windows):
        return f"has windows of less than {tokens} tokens"
    return None


def attention_mask(mask: Tensor, sparsity: Sparsity) -> Tensor:
    """Return what is added to attention scores: 0, or the least float32 where there is none.

    Args:
        mask: (n, tokens), 1 for words and 0 for padding.
        sparsity: which of the words before it a word attends to.

    Returns:
        (n, 1, tokens, tokens), float32.
    """
    allowed = pattern(mask.shape[1], sparsity).to(mask.device)
    attended = allowed[None, None] & mask.bool()[:, None, None]
    least = torch.finfo(torch.float32).min
    return torch.zeros(attended.shape, device=mask.device).masked_fill(~attended, least)


def positions(mask: Tensor) -> Tensor:
    """Return the position of each word, counted from the first that is no padding; (n, tokens)."""
    return (mask.cumsum(1) - 1).clamp(min=0)


@lru_cache(maxsize=64)
def pattern(tokens: int, sparsity: Sparsity) -> Tensor:
    """Return (tokens, tokens) bool: whether the row's word attends to the column's."""
    back = torch.arange(tokens)[:, None] - torch.arange(tokens)
    causal = back >= 0
    if sparsity.ratio == 1:
        return causal
    far = back % _STRIDE == 0 if sparsity.pattern == "strided" else torch.zeros_like(causal)
    needed = sparsity.ratio * int(causal.sum())
    for window in range(1, tokens + 1):
        allowed = causal & ((back < window) | far)
        if int(allowed.sum()) >= needed:
            return allowed
    raise AssertionError("a window of all tokens keeps all")


def kept_share(tokens: int, sparsity: Sparsity, first: int = 0, last: int | None = None) -> float:
    """Return the share of the causal pairs that queries `first` to `last` keep."""
    rows = pattern(tokens, sparsity)[first:last]
    dense = pattern(tokens, Sparsity())[first:last]
    return int(rows.sum()) / int(dense.sum())
