"""One phase of alignment on a device: write answers, have them judged, learn; or learn from
pairs."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Generator, Tensor
from transformers import PreTrainedTokenizerBase

from wfl_sim.learning.adapted_model import AdaptedModel
from wfl_sim.learning.alignment.losses import (
    gae,
    group_relative,
    normalize,
    plain_divergence,
)
from wfl_sim.learning.alignment.policy import (
    Anchor,
    Rollout,
    answer_log_probability,
    policy_gradient,
    preference_loss,
    reference_policy,
)
from wfl_sim.learning.alignment.rewards import Reward, judged
from wfl_sim.learning.causal.generation import generate
from wfl_sim.learning.causal.log_probabilities import log_probabilities
from wfl_sim.learning.causal.prompts import Conversations
from wfl_sim.learning.training import batches, optimizer_of
from wfl_sim.methods.objectives import DPO, GRPO, PPO, Alignment
from wfl_sim.methods.parts import Offset
from wfl_sim.methods.phases import Phase


def align(
    adapted: AdaptedModel,
    phase: Phase,
    examples: Conversations,
    judges: Sequence[Reward],
    tokenizer: PreTrainedTokenizerBase,
    rng: np.random.Generator,
    draws: Generator,
) -> list[float]:
    """Take the local steps of a phase in place.

    Args:
        adapted: the policy with its parts.
        phase: objective and local optimisation.
        examples: requests of the device, and pairs of answers for DPO.
        judges: of helpfulness and of safety.
        tokenizer: of the policy.
        rng: draws the order of requests and minibatches.
        draws: draws the words of answers.

    Returns:
        Of each step what it has minimised: the negative mean reward after the cost of divergence
        (PPO, GRPO), or the loss of DPO.
    """
    objective = phase.objective
    assert isinstance(objective, Alignment)
    adapted.model.requires_grad_(False).eval()
    trained = adapted.trained(phase)
    for parameter in trained:
        parameter.requires_grad_(True)
    optimizer = optimizer_of(trained, phase.local)
    anchor = _anchor(adapted, phase, objective)
    weights = weights_of(objective, examples.examples.preference)
    algorithm = objective.algorithm
    kl = algorithm.kl if isinstance(algorithm, PPO | GRPO) else 0.0
    reached = []
    for indices in batches(len(examples), phase.local, rng):
        batch = examples.take(indices)
        if isinstance(algorithm, DPO):
            loss = _pairs(adapted, batch, objective, anchor)
            optimizer.step()
            optimizer.zero_grad()
            reached.append(loss)
            continue
        assert isinstance(algorithm, PPO | GRPO)
        many = batch.take(torch.arange(len(batch)).repeat_interleave(algorithm.answers))
        experience, rewards, divergence = collect_rollout(
            adapted, many, objective, weights, kl, judges, tokenizer, draws
        )
        for _ in range(algorithm.epochs):
            order = torch.from_numpy(rng.permutation(len(experience)))
            for chosen in order.tensor_split(algorithm.minibatches):
                policy_gradient(
                    adapted.model, trained, experience.take(chosen), objective, weights, anchor
                )
                optimizer.step()
                optimizer.zero_grad()
        reached.append(-rewards + kl * divergence)
        if isinstance(algorithm, PPO) and algorithm.target_kl is not None:
            kl *= kl_factor(divergence, algorithm.target_kl, algorithm.adapt)
    return reached


def collect_rollout(
    adapted: AdaptedModel,
    asked: Conversations,
    objective: Alignment,
    weights: Sequence[float],
    kl: float,
    judges: Sequence[Reward],
    tokenizer: PreTrainedTokenizerBase,
    draws: Generator | None,
) -> tuple[Rollout, float, float]:
    """Let the policy answer, and reckon advantages.

    Returns:
        The experience; the mean weighted reward; the mean divergence of an answer from the
        reference, nat.
    """
    algorithm, model = objective.algorithm, adapted.model
    texts = generate(
        model,
        asked.texts,
        sparsity=objective.attention,
        temperature=objective.temperature,
        end=int(tokenizer.eos_token_id),
        pad=int(tokenizer.pad_token_id),
        rng=draws,
    )
    mask = texts.answer_mask
    with torch.no_grad():
        old = log_probabilities(model, texts, objective.attention, objective.temperature)
        with reference_policy(adapted):
            reference = log_probabilities(model, texts, objective.attention, objective.temperature)
    given = judged(judges, tokenizer, asked.examples, texts).to(mask.device)
    apart = plain_divergence(old.log_probabilities, reference.log_probabilities) * mask
    each = given @ torch.tensor(weights, device=mask.device)
    targets = each[:, None] if objective.combine == "linear" else given
    if isinstance(algorithm, GRPO):
        advantages = torch.stack(
            [group_relative(column, algorithm.group) for column in targets.T], 1
        )
        better = advantages[:, None, :] * mask[..., None]
        values, due = None, None
    else:
        assert isinstance(algorithm, PPO)
        assert old.values is not None
        values = old.values
        better, due = _ppo_targets(targets, apart, mask, values, kl, algorithm)
    experience = Rollout(
        texts, old.log_probabilities, reference.log_probabilities, better, values, due
    )
    return experience, float(each.mean()), float(apart.sum(1).mean())


def _ppo_targets(
    targets: Tensor, apart: Tensor, mask: Tensor, values: Tensor, kl: float, algorithm: PPO
) -> tuple[Tensor, Tensor]:
    """Return advantages and returns of PPO, (n, places, objectives)."""
    last = mask.cumsum(1) == mask.sum(1, keepdim=True)
    last = last & (mask > 0)
    advantages, returns = [], []
    for i in range(targets.shape[1]):
        rewards = -kl * apart + last * targets[:, i : i + 1]
        better, due = gae(rewards, values[..., i] * mask, mask, algorithm.discount, algorithm.trace)
        advantages.append(normalize(better, mask))
        returns.append(due)
    return torch.stack(advantages, -1), torch.stack(returns, -1)


def weights_of(objective: Alignment, preference: float) -> tuple[float, float]:
    """Return the weights of helpfulness and safety."""
    weight = preference if objective.weight is None else objective.weight
    return weight, 1 - weight


def kl_factor(divergence: float, target: float, gain: float) -> float:
    """Return the factor of the coefficient of KL: 1 + gain clip(KL / target - 1, -0.2, 0.2).

    arXiv:1909.08593, section 2.2, where the gain is 0.1.
    """
    return 1 + gain * min(0.2, max(-0.2, divergence / target - 1))


def _pairs(
    adapted: AdaptedModel, batch: Conversations, objective: Alignment, anchor: Anchor
) -> float:
    """Leave the gradient of DPO, and return its loss."""
    assert batch.rejected is not None
    with torch.no_grad(), reference_policy(adapted):
        reference = [
            answer_log_probability(adapted.model, texts, objective)
            for texts in (batch.texts, batch.rejected)
        ]
    loss = preference_loss(adapted.model, batch.texts, batch.rejected, reference, objective)
    (loss + anchor.penalty()).backward()
    return float(loss.detach())


def _anchor(adapted: AdaptedModel, phase: Phase, objective: Alignment) -> Anchor:
    """Hold offsets to zero; where there are none, hold what is shared to what was received."""
    held: dict[str, Tensor] = {}
    parts = [adapted.parts[name] for name in phase.trains if objective.distance]
    offsets = [part.name for part in parts if isinstance(part.config, Offset)]
    for name, parameter in adapted.parameters.items():
        owner = name.partition("/")[0]
        if owner in offsets:
            held[name] = torch.zeros_like(parameter)
        elif not offsets and any(part.name == owner and part.shared for part in parts):
            held[name] = parameter.detach().clone()
    return Anchor(
        objective.distance, [adapted.parameters[name] for name in held], list(held.values())
    )
