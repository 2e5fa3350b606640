"""Causal attention over padded texts, dense or sparse: masks, positions, and the pairs kept."""

from functools import lru_cache

import torch
from torch import Tensor

from wfl_sim.methods.objectives import Sparsity

_STRIDE = 4


def attention_mask(mask: Tensor, sparsity: Sparsity, first: int = 0) -> Tensor:
    """Return what is added to attention scores: 0, or the least float32 where there is none.

    Args:
        mask: (n, tokens), 1 for words and 0 for padding.
        sparsity: which of the words before it a word attends to.
        first: first query; those before are in the cache.

    Returns:
        (n, 1, tokens - first, tokens), float32.
    """
    tokens = mask.shape[1]
    allowed = pattern(tokens, sparsity).to(mask.device)[first:]
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
