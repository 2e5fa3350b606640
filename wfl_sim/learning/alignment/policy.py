"""The loss of a minibatch of written answers, and its gradient: what PPO, GRPO and DPO differ
in."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import Parameter
from transformers import PreTrainedModel

from wfl_sim.learning import peft as torch_parts
from wfl_sim.learning.adapted_model import AdaptedModel
from wfl_sim.learning.alignment.losses import (
    clipped_surrogate,
    direct_preference,
    low_variance_divergence,
    mean_over_words,
    value_loss,
)
from wfl_sim.learning.alignment.multi_objective import combine_gradients
from wfl_sim.learning.causal.log_probabilities import log_probabilities
from wfl_sim.learning.causal.prompts import PromptBatch
from wfl_sim.methods.objectives import DPO, GRPO, PPO, Alignment


@dataclass(frozen=True, eq=False)
class Rollout:
    """n answers that the policy has written, and what is known of them."""

    texts: PromptBatch
    old: Tensor
    """(n, places), log-probabilities of the policy that wrote"""
    reference: Tensor
    """(n, places), of the reference"""
    advantages: Tensor
    """(n, places, objectives)"""
    values: Tensor | None
    """(n, places, objectives), of the critic when it was written"""
    returns: Tensor | None
    """(n, places, objectives)"""

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
    """The penalty b |w - w_global|^2."""

    strength: float
    parameters: Sequence[Parameter]
    values: Sequence[Tensor]

    def penalty(self) -> Tensor | float:
        """Return it."""
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
    """Leave in `grad` of the trained parameters what one optimiser step of PPO or GRPO needs.

    Args:
        model: the policy.
        trained: parameters that learn.
        batch: answers with one objective, or with one for each weight.
        objective: algorithm and how objectives are combined.
        weights: of the objectives.
        anchor: penalty.
    """
    algorithm = objective.algorithm
    assert isinstance(algorithm, PPO | GRPO)
    mask = batch.texts.answer_mask
    now = log_probabilities(model, batch.texts, objective.attention, objective.temperature)
    new = now.log_probabilities
    surrogates = [
        clipped_surrogate(new, batch.old, batch.advantages[..., i], mask, algorithm.clip)
        for i in range(batch.advantages.shape[-1])
    ]
    rest: Tensor | float = anchor.penalty()
    if isinstance(algorithm, GRPO):
        rest = rest + algorithm.kl * mean_over_words(
            low_variance_divergence(new, batch.reference), mask
        )
    else:
        assert now.values is not None
        assert batch.values is not None
        assert batch.returns is not None
        for i in range(now.values.shape[-1]):
            rest = rest + algorithm.value_weight * value_loss(
                now.values[..., i],
                batch.values[..., i],
                batch.returns[..., i],
                mask,
                algorithm.clip,
            )
    if len(surrogates) == 1:
        (surrogates[0] + rest).backward()
        return
    gradients = [_gradient(surrogate, trained) for surrogate in surrogates]
    if isinstance(rest, Tensor):
        rest.backward()
    for parameter, step in zip(
        trained, combine_gradients(gradients, weights, objective.combine), strict=True
    ):
        parameter.grad = step if parameter.grad is None else parameter.grad + step


def preference_loss(
    model: PreTrainedModel,
    chosen: PromptBatch,
    rejected: PromptBatch,
    reference: Sequence[Tensor],
    objective: Alignment,
) -> Tensor:
    """Return the loss of DPO on pairs; `reference` are log-probabilities of whole answers."""
    assert isinstance(objective.algorithm, DPO)
    return direct_preference(
        answer_log_probability(model, chosen, objective),
        answer_log_probability(model, rejected, objective),
        reference[0],
        reference[1],
        objective.algorithm.beta,
    )


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
    """Put every part back to its start, where it leaves the network as it was; only for a while."""
    kept = {name: value.detach().clone() for name, value in adapted.parameters.items()}
    for part in adapted.parts.values():
        torch_parts.reset(adapted.model, part, adapted.parameters, 0)
    try:
        yield
    finally:
        with torch.no_grad():
            for name, value in adapted.parameters.items():
                value.copy_(kept[name])
