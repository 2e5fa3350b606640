"""Advantages: how much better an answer, or a word of it, was than expected."""

import torch
from torch import Tensor


def generalised(
    rewards: Tensor, values: Tensor, mask: Tensor, discount: float, trace: float
) -> tuple[Tensor, Tensor]:
    """Return generalised advantages and the returns that a critic should have expected.

    A_t = sum_l (gamma lambda)^l delta_(t+l) with delta_t = r_t + gamma V_(t+1) - V_t, where V is 0
    after
    the end: J. Schulman et al., High-dimensional continuous control using generalized advantage
    estimation, arXiv:1506.02438, equations 11 to 16. The return is A_t + V_t.

    Args:
        rewards: (n, places), of each word.
        values: (n, places), expected before each word.
        mask: (n, places), 1 for words; after the first 0 all are 0.
        discount: gamma.
        trace: lambda.
    """
    advantages = torch.zeros_like(rewards)
    following = torch.zeros_like(rewards[:, 0])
    value_after = torch.zeros_like(following)
    for place in reversed(range(rewards.shape[1])):
        here = mask[:, place]
        delta = rewards[:, place] + discount * value_after - values[:, place]
        following = here * (delta + discount * trace * following)
        advantages[:, place] = following
        value_after = here * values[:, place]
    return advantages, (advantages + values) * mask


def group_relative(rewards: Tensor, group: int) -> Tensor:
    """Return (r - mean) / (std + 1e-4) within groups of consecutive answers; rewards (n,).

    Z. Shao et al., DeepSeekMath, arXiv:2402.03300, section 4.1.2. The standard deviation is that of
    the group itself (divided by its size); a group of equal rewards has no advantages.
    """
    grouped = rewards.view(-1, group)
    spread = grouped.std(1, keepdim=True, correction=0)
    return ((grouped - grouped.mean(1, keepdim=True)) / (spread + 1e-4)).view(-1)


def whitened(values: Tensor, mask: Tensor) -> Tensor:
    """Return values of mean 0 and standard deviation 1 over the words; 0 elsewhere."""
    count = mask.sum()
    mean = (values * mask).sum() / count
    variance = ((values - mean) ** 2 * mask).sum() / count
    return (values - mean) * mask / (variance + 1e-8).sqrt()
