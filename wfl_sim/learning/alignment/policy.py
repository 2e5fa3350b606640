"""The policy: rollouts, gradients of PPO and GRPO, the loss of DPO, and the reference policy."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Parameter
from transformers import PreTrainedModel

from wfl_sim.learning.adapted_model import AdaptedModel
from wfl_sim.learning.alignment.losses import (
    clipped_surrogate,
    dpo_loss,
    k3_divergence,
    mean_over_words,
    value_loss,
)
from wfl_sim.learning.alignment.multi_objective import combine_gradients
from wfl_sim.learning.causal.log_probabilities import log_probabilities
from wfl_sim.learning.causal.prompts import PromptBatch
from wfl_sim.methods.objectives import DPO, GRPO, PPO, Alignment


@dataclass(frozen=True, eq=False)
class Rollout:
    """n answers of the policy with their advantages."""

    texts: PromptBatch
    old: Tensor
    """Log-probabilities of the policy that generated them, (n, places)."""
    reference: Tensor
    """Log-probabilities of the reference policy, (n, places)."""
    advantages: Tensor
    """Advantages of the tokens, (n, places, objectives)."""
    values: Tensor | None
    """Values that the critic predicted, (n, places, objectives); None without a critic."""
    returns: Tensor | None
    """What the critic learns, (n, places, objectives)."""

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, indices: Tensor) -> "Rollout":
        """Return the answers at `indices`."""
        return Rollout(
            self.texts.take(indices),
            self.old[indices],
            self.reference[indices],
            self.advantages[indices],
            None if self.values is None else self.values[indices],
            None if self.returns is None else self.returns[indices],
        )


@dataclass(frozen=True)
class Anchor:
    """The penalty b |w - w_anchor|^2."""

    strength: float
    """b; 0 for no penalty."""
    parameters: Sequence[Parameter]
    values: Sequence[Tensor]
    """w_anchor of each parameter."""

    def penalty(self) -> Tensor | float:
        """Return the penalty at the present values."""
        if not self.strength:
            return 0.0
        pairs = zip(self.parameters, self.values, strict=True)
        return self.strength * sum((w - at).square().sum() for w, at in pairs)


def policy_gradient(
    model: PreTrainedModel,
    trained: Sequence[Parameter],
    batch: Rollout,
    objective: Alignment,
    weights: Sequence[float],
    anchor: Anchor,
) -> None:
    """Write the gradient of one optimiser step of PPO or GRPO into `grad` of the parameters.

    Args:
        model: the policy.
        trained: parameters that learn.
        batch: answers with one objective, or with one for each weight.
        objective: algorithm, and how objectives are combined.
        weights: weights of the objectives.
        anchor: penalty of the distance from an anchor.
    """
    algorithm, mask = objective.algorithm, batch.texts.answer_mask
    assert isinstance(algorithm, PPO | GRPO)
    scores = log_probabilities(model, batch.texts, objective.attention, objective.temperature)
    new = scores.log_probabilities
    surrogates = [
        clipped_surrogate(new, batch.old, advantages, mask, algorithm.clip)
        for advantages in batch.advantages.unbind(-1)
    ]
    rest: Tensor | float = anchor.penalty()
    if isinstance(algorithm, GRPO):
        rest = rest + algorithm.kl * mean_over_words(k3_divergence(new, batch.reference), mask)
    else:
        assert scores.values is not None
        assert batch.values is not None
        assert batch.returns is not None
        for i in range(scores.values.shape[-1]):
            value, old, due = (x[..., i] for x in (scores.values, batch.values, batch.returns))
            loss = value_loss(value, old, due, mask, algorithm.clip)
            rest = rest + algorithm.value_weight * loss
    if len(surrogates) == 1:
        (surrogates[0] + rest).backward()
        return
    gradients = [_gradient(surrogate, trained) for surrogate in surrogates]
    if isinstance(rest, Tensor):
        rest.backward()
    directions = combine_gradients(gradients, weights, objective.combine)
    for parameter, direction in zip(trained, directions, strict=True):
        parameter.grad = direction if parameter.grad is None else parameter.grad + direction


def preference_loss(
    model: PreTrainedModel,
    chosen: PromptBatch,
    rejected: PromptBatch,
    reference: Sequence[Tensor],
    objective: Alignment,
) -> Tensor:
    """Return the loss of DPO on pairs.

    Args:
        model: the policy.
        chosen: preferred answers.
        rejected: the other answers.
        reference: log-probabilities of both by the reference policy, (n,).
        objective: with DPO as its algorithm.
    """
    assert isinstance(objective.algorithm, DPO)
    first, second = (
        answer_log_probability(model, texts, objective) for texts in (chosen, rejected)
    )
    return dpo_loss(first, second, reference[0], reference[1], objective.algorithm.beta)


def answer_log_probability(
    model: PreTrainedModel, texts: PromptBatch, objective: Alignment
) -> Tensor:
    """Return the log-probabilities of whole answers, (n,)."""
    words = log_probabilities(model, texts, objective.attention).log_probabilities
    return (words * texts.answer_mask).sum(1)


def _gradient(loss: Tensor, trained: Sequence[Parameter]) -> list[Tensor]:
    found = torch.autograd.grad(loss, trained, retain_graph=True, allow_unused=True)
    return [
        torch.zeros_like(parameter) if gradient is None else gradient
        for parameter, gradient in zip(trained, found, strict=True)
    ]


@contextmanager
def reference_policy(adapted: AdaptedModel) -> Iterator[None]:
    """Reset every part, which leaves the network as it was before tuning; restore it at the end."""
    kept = {name: value.detach().clone() for name, value in adapted.parameters.items()}
    adapted.reset(adapted.parts, 0)
    try:
        yield
    finally:
        with torch.no_grad():
            for name, value in adapted.parameters.items():
                value.copy_(kept[name])
