"""Losses of PPO, GRPO and DPO, estimators of KL divergence, and advantages.

A mean over answers and their words is taken for each of the dimensions before these: of shape
(devices, n, places), for each device.
"""

import torch
from torch import Tensor
from torch.nn import functional

from wfl_sim.learning.causal.log_probabilities import mean_over_words


def clipped_surrogate(
    new: Tensor, old: Tensor, advantages: Tensor, mask: Tensor, clip: float
) -> Tensor:
    """Return -mean min(ratio A, clip(ratio, 1 - eps, 1 + eps) A) over words.

    J. Schulman et al., Proximal policy optimization algorithms, arXiv:1707.06347, equation 7.

    Args:
        new: log-probabilities of the policy that learns, (n, places).
        old: those of the policy that generated the answers.
        advantages: (n, places).
        mask: (n, places), 1 for words.
        clip: eps.
    """
    ratio = (new - old).exp()
    plain = ratio * advantages
    clipped = ratio.clamp(1 - clip, 1 + clip) * advantages
    return -mean_over_words(torch.minimum(plain, clipped), mask)


def value_loss(new: Tensor, old: Tensor, returns: Tensor, mask: Tensor, clip: float) -> Tensor:
    """Return half the mean of max((V - R)^2, (V_clipped - R)^2): V moves by at most `clip` from
    `old`."""
    clipped = old + (new - old).clamp(-clip, clip)
    worst = torch.maximum((new - returns) ** 2, (clipped - returns) ** 2)
    return 0.5 * mean_over_words(worst, mask)


def dpo_loss(
    chosen: Tensor,
    rejected: Tensor,
    reference_chosen: Tensor,
    reference_rejected: Tensor,
    beta: float,
) -> Tensor:
    """Return -mean log sigmoid(beta (log-ratio of the chosen - log-ratio of the rejected)), in nat.

    R. Rafailov et al., Direct preference optimization, arXiv:2305.18290, equation 7. All are
    log-probabilities of whole answers, (n,). A policy that is its reference has a loss of log 2.
    """
    margin = (chosen - reference_chosen) - (rejected - reference_rejected)
    return -functional.logsigmoid(beta * margin).mean(-1)


def k1_divergence(new: Tensor, reference: Tensor) -> Tensor:
    """Return log pi - log pi_ref of sampled words: unbiased for KL(pi, pi_ref), may be negative.

    J. Schulman, Approximating KL divergence, 2020 ("k1").
    """
    return new - reference


def k3_divergence(new: Tensor, reference: Tensor) -> Tensor:
    """Return exp(d) - d - 1 with d = log pi_ref - log pi: unbiased too, and never negative.

    arXiv:2402.03300, equation 4; J. Schulman, Approximating KL divergence, 2020 ("k3").
    """
    difference = reference - new
    return difference.exp() - difference - 1


def gae(
    rewards: Tensor, values: Tensor, mask: Tensor, discount: float, trace: float
) -> tuple[Tensor, Tensor]:
    """Return generalised advantages, and the returns that a critic learns.

    A_t = sum_l (gamma lambda)^l delta_(t+l) with delta_t = r_t + gamma V_(t+1) - V_t, where V is 0
    after the end: J. Schulman et al., High-dimensional continuous control using generalized
    advantage estimation, arXiv:1506.02438, equations 11 to 16. The return is A_t + V_t.

    Args:
        rewards: reward of each word, (n, places).
        values: predicted before each word, (n, places).
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


def normalize(values: Tensor, mask: Tensor) -> Tensor:
    """Return values of mean 0 and standard deviation 1 over the words; 0 elsewhere."""
    mean = mean_over_words(values, mask)[..., None, None]
    variance = mean_over_words((values - mean) ** 2, mask)[..., None, None]
    return (values - mean) * mask / (variance + 1e-8).sqrt()
