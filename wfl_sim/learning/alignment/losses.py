"""Losses of alignment, each a mean over words or answers, and estimators of divergence."""

import torch
from torch import Tensor
from torch.nn import functional


def clipped_surrogate(
    new: Tensor, old: Tensor, advantages: Tensor, mask: Tensor, clip: float
) -> Tensor:
    """Return -mean min(ratio A, clip(ratio, 1 - eps, 1 + eps) A) over words.

    J. Schulman et al., Proximal policy optimization algorithms, arXiv:1707.06347, equation 7.

    Args:
        new: (n, places), log-probabilities of the policy that learns.
        old: those of the policy that wrote.
        advantages: (n, places).
        mask: (n, places), 1 for words.
        clip: eps.
    """
    ratio = (new - old).exp()
    plain = ratio * advantages
    held = ratio.clamp(1 - clip, 1 + clip) * advantages
    return -mean_over_words(torch.minimum(plain, held), mask)


def value_loss(new: Tensor, old: Tensor, returns: Tensor, mask: Tensor, clip: float) -> Tensor:
    """Return half the mean of max((V - R)^2, (V_clipped - R)^2): V moves by at most `clip` from
    `old`."""
    held = old + (new - old).clamp(-clip, clip)
    return 0.5 * mean_over_words(torch.maximum((new - returns) ** 2, (held - returns) ** 2), mask)


def direct_preference(
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
    lead = (chosen - reference_chosen) - (rejected - reference_rejected)
    return -functional.logsigmoid(beta * lead).mean()


def plain_divergence(new: Tensor, reference: Tensor) -> Tensor:
    """Return log pi - log pi_ref of drawn words: unbiased for KL(pi, pi_ref), negative at times."""
    return new - reference


def low_variance_divergence(new: Tensor, reference: Tensor) -> Tensor:
    """Return exp(d) - d - 1 with d = log pi_ref - log pi: unbiased too, and never negative.

    arXiv:2402.03300, equation 4; J. Schulman, Approximating KL divergence, 2020 ("k3").
    """
    lead = reference - new
    return lead.exp() - lead - 1


def mean_over_words(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of (n, places) where the mask is 1."""
    return (values * mask).sum() / mask.sum()
