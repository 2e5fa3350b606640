"""Local steps of alignment on a device: from rewards (PPO, GRPO) or from preferences (DPO)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor
from transformers import PreTrainedTokenizerBase

from wfl_sim.learning.adapted_model import AdaptedModel
from wfl_sim.learning.alignment.losses import gae, group_relative, k1_divergence, normalize
from wfl_sim.learning.alignment.policy import (
    Anchor,
    Rollout,
    answer_log_probability,
    policy_gradient,
    preference_loss,
    reference_policy,
)
from wfl_sim.learning.alignment.rewards import Reward, answer_rewards
from wfl_sim.learning.causal.generation import Decoding, generate
from wfl_sim.learning.causal.log_probabilities import log_probabilities
from wfl_sim.learning.causal.prompts import Conversations
from wfl_sim.learning.training import Optimizer, batches, pieces, train_only
from wfl_sim.methods.objectives import DPO, GRPO, PPO, Alignment
from wfl_sim.methods.parts import Offset
from wfl_sim.methods.phases import Phase


def align(
    adapted: AdaptedModel,
    phase: Phase,
    examples: Conversations,
    rewards: Sequence[Reward],
    tokenizer: PreTrainedTokenizerBase,
    rng: np.random.Generator,
    draws: Generator,
) -> list[float]:
    """Take the local steps of a phase in place.

    Args:
        adapted: the policy with its parts.
        phase: objective and local optimisation.
        examples: requests of the device, and pairs of answers for DPO.
        rewards: rewards of helpfulness and of safety.
        tokenizer: tokenizer of the policy.
        rng: draws the order of requests and minibatches.
        draws: draws the words of answers.

    Returns:
        What each step has minimised: the negative mean reward with the penalty of KL divergence
        (PPO, GRPO), or the loss of DPO.
    """
    objective, model = phase.objective, adapted.model.eval()
    assert isinstance(objective, Alignment)
    trained = adapted.trained(phase)
    train_only(model, trained)
    local, algorithm = phase.local, objective.algorithm
    within = algorithm.epochs * algorithm.minibatches if isinstance(algorithm, PPO | GRPO) else 1
    optimizer = Optimizer(trained, local, local.steps * within)
    anchor = _anchor(adapted, phase, objective)
    weights = weights_of(objective, examples.examples.preference)
    kl = algorithm.kl if isinstance(algorithm, PPO | GRPO) else 0.0
    losses = []
    for indices in batches(len(examples), local, rng):
        batch = examples.take(indices)
        if isinstance(algorithm, DPO):
            split = enumerate(pieces(indices, batch, phase))
            each = [
                _preference_gradient(adapted, piece, objective, share, None if n else anchor)
                for n, (_, piece, share) in split
            ]
            losses.append(sum(each))
            optimizer.step()
            continue
        assert isinstance(algorithm, PPO | GRPO)
        prompts = batch.take(torch.arange(len(batch)).repeat_interleave(algorithm.answers))
        rollout, reward, divergence = collect_rollout(
            adapted, prompts, objective, weights, kl, rewards, tokenizer, draws
        )
        for _ in range(algorithm.epochs):
            order = torch.from_numpy(rng.permutation(len(rollout)))
            for rows in order.tensor_split(algorithm.minibatches):
                minibatch = rollout.take(rows)
                policy_gradient(model, trained, minibatch, objective, weights, anchor)
                optimizer.step()
        losses.append(-reward + kl * divergence)
        if isinstance(algorithm, PPO) and algorithm.target_kl is not None:
            kl *= kl_factor(divergence, algorithm.target_kl, algorithm.adapt)
    return losses


def collect_rollout(
    adapted: AdaptedModel,
    prompts: Conversations,
    objective: Alignment,
    weights: Sequence[float],
    kl: float,
    rewards: Sequence[Reward],
    tokenizer: PreTrainedTokenizerBase,
    draws: Generator | None,
) -> tuple[Rollout, float, float]:
    """Generate answers, and compute their advantages.

    Returns:
        The rollout; the mean weighted reward; the mean KL divergence of an answer from the
        reference, nat.
    """
    algorithm, model = objective.algorithm, adapted.model
    attention, temperature = objective.attention, objective.temperature
    decoding = Decoding.of(tokenizer, model, attention, temperature)
    texts = generate(model, prompts.texts, decoding, draws)
    mask = texts.answer_mask
    with torch.no_grad():
        old = log_probabilities(model, texts, attention, temperature)
        with reference_policy(adapted):
            reference = log_probabilities(model, texts, attention, temperature)
    given = answer_rewards(rewards, tokenizer, prompts.examples, texts).to(mask.device)
    divergence = k1_divergence(old.log_probabilities, reference.log_probabilities) * mask
    weighted = given @ torch.tensor(weights, device=mask.device)
    targets = weighted[:, None] if objective.combine == "linear" else given
    if isinstance(algorithm, GRPO):
        columns = [group_relative(column, algorithm.group) for column in targets.T]
        advantages = torch.stack(columns, 1)[:, None, :] * mask[..., None]
        values, returns = None, None
    else:
        assert isinstance(algorithm, PPO)
        assert old.values is not None
        values = old.values
        advantages, returns = _ppo_targets(targets, divergence, mask, values, kl, algorithm)
    rollout = Rollout(
        texts, old.log_probabilities, reference.log_probabilities, advantages, values, returns
    )
    return rollout, float(weighted.mean()), float(divergence.sum(1).mean())


def _ppo_targets(
    targets: Tensor, divergence: Tensor, mask: Tensor, values: Tensor, kl: float, algorithm: PPO
) -> tuple[Tensor, Tensor]:
    """Return advantages and returns of PPO, (n, places, objectives)."""
    last = (mask.cumsum(1) == mask.sum(1, keepdim=True)) & (mask > 0)
    advantages, returns = [], []
    for i in range(targets.shape[1]):
        rewards = -kl * divergence + last * targets[:, i : i + 1]
        each, due = gae(rewards, values[..., i] * mask, mask, algorithm.discount, algorithm.trace)
        advantages.append(normalize(each, mask))
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


def _preference_gradient(
    adapted: AdaptedModel,
    batch: Any,
    objective: Alignment,
    share: float,
    anchor: Anchor | None,
) -> float:
    """Add a share of the gradient of DPO to `grad` of the parameters, and return as much loss."""
    assert batch.rejected is not None
    model, pair = adapted.model, (batch.texts, batch.rejected)
    with torch.no_grad(), reference_policy(adapted):
        reference = [answer_log_probability(model, texts, objective) for texts in pair]
    loss = share * preference_loss(model, *pair, reference, objective)
    (loss if anchor is None else loss + anchor.penalty()).backward()
    return float(loss.detach())


def _anchor(adapted: AdaptedModel, phase: Phase, objective: Alignment) -> Anchor:
    """Return zero for offsets; where there are none, the received values of shared parts."""
    held: dict[str, Tensor] = {}
    parts = [adapted.parts[name] for name in phase.trains if objective.distance]
    offsets = [part.name for part in parts if isinstance(part.config, Offset)]
    for name, parameter in adapted.parameters.items():
        owner = name.partition("/")[0]
        if owner in offsets:
            held[name] = torch.zeros_like(parameter)
        elif not offsets and any(part.name == owner and part.shared for part in parts):
            held[name] = parameter.detach().clone()
    parameters = [adapted.parameters[name] for name in held]
    return Anchor(objective.distance, parameters, list(held.values()))
