"""Local steps of alignment on a device: from rewards (PPO, GRPO) or from preferences (DPO)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor
from transformers import PreTrainedTokenizerBase

from wfl_sim.learning.alignment.learned_weights import LearnedWeights
from wfl_sim.learning.alignment.losses import gae, group_relative, k1_divergence, normalize
from wfl_sim.learning.alignment.policy import (
    Anchor,
    Policies,
    Rollout,
    answer_log_probability,
    policy_gradient,
    preference_loss,
    reference_policy,
)
from wfl_sim.learning.alignment.rewards import scores_of
from wfl_sim.learning.causal.generation import Decoding, generate
from wfl_sim.learning.causal.log_probabilities import log_probabilities
from wfl_sim.learning.causal.prompts import Conversations, PromptBatch, decode_answers, joined
from wfl_sim.learning.training import batches, finite
from wfl_sim.methods.objectives import DPO, GRPO, PPO, Alignment, Reward
from wfl_sim.methods.parts import Offset
from wfl_sim.methods.phases import Local, Phase


@dataclass(frozen=True, kw_only=True, eq=False)
class AlignmentInputs:
    """What a device brings along for one phase."""

    examples: Conversations
    """Requests, and pairs of answers for DPO."""
    rewards: Sequence[Reward]
    """Rewards of helpfulness and of safety."""
    local: Local
    """Its steps; all else is the same for all devices."""
    rng: np.random.Generator
    """Draws the order of requests and minibatches."""
    draws: Generator
    """Draws the words of answers."""


def align(
    policies: Policies,
    phase: Phase,
    inputs: Sequence[AlignmentInputs],
    tokenizer: PreTrainedTokenizerBase,
) -> list[list[float]]:
    """Take the local steps of a phase in place, of one device or of several at once.

    Args:
        policies: of the devices.
        phase: objective and local optimisation.
        inputs: of the devices, in descending order of steps.
        tokenizer: tokenizer of the policies.

    Returns:
        What each step of each device has minimised: the negative mean reward with the penalty of KL
        divergence (PPO, GRPO), or the loss of DPO.

    Raises:
        DivergedError: one of them is no longer finite.
    """
    objective = phase.objective
    assert isinstance(objective, Alignment)
    policies.adapted.model.eval()
    algorithm = objective.algorithm
    orders = [list(batches(each.examples, each.local, each.rng)) for each in inputs]
    kl = algorithm.kl if isinstance(algorithm, PPO | GRPO) else 0.0
    anchor = _anchor(policies, phase, objective)
    learned = LearnedWeights.of(policies, objective)
    steps = _Steps(policies, phase, objective, tokenizer, anchor, [kl] * len(inputs), learned)
    take = steps.from_pairs if isinstance(algorithm, DPO) else steps.from_rewards
    losses = [list[float]() for _ in inputs]
    for step in range(len(orders[0])):
        here = inputs[: sum(len(order) > step for order in orders)]
        policies.keep(len(here))
        found = take(here, [order[step] for order in orders[: len(here)]])
        for own, each, loss in zip(losses, here, found, strict=False):
            finite([*own, loss], each.local)
            own.append(loss)
    return losses


@dataclass(frozen=True, eq=False)
class _Steps:
    """Steps of devices, each on examples of its own."""

    policies: Policies
    phase: Phase
    objective: Alignment
    """That of the phase."""
    tokenizer: PreTrainedTokenizerBase
    anchor: Anchor
    coefficients: list[float]
    """What the KL divergence costs each device; it may change from step to step."""
    learned: LearnedWeights | None
    """Weights of the rewards, where they learn."""

    def from_pairs(
        self, inputs: Sequence[AlignmentInputs], indices: Sequence[Tensor]
    ) -> list[float]:
        """Take a step of DPO, and return the loss of each device."""
        adapted, objective = self.policies.adapted, self.objective
        parts = [each.examples.take(rows) for each, rows in zip(inputs, indices, strict=True)]
        chosen = joined([part.texts for part in parts])
        rejected = joined([part.rejected for part in parts if part.rejected is not None])
        size = self.phase.local.micro_batch or len(chosen)
        losses, penalty = torch.zeros(len(inputs)), self.anchor.penalty(self.policies.values)
        for two in zip(chosen.split(size), rejected.split(size), strict=True):
            pair = _needed(two[0], objective), _needed(two[1], objective)
            with torch.no_grad(), adapted.muted(self.phase), reference_policy(adapted):
                before = [answer_log_probability(adapted.model, each, objective) for each in pair]
            with self.policies.on():
                each = preference_loss(adapted.model, *pair, before, objective, len(inputs))
            each = len(pair[0]) / len(chosen) * each
            (each.sum() + penalty).backward()
            penalty = 0.0
            losses += each.detach().cpu()
        self.policies.step()
        return losses.tolist()

    def from_rewards(
        self, inputs: Sequence[AlignmentInputs], indices: Sequence[Tensor]
    ) -> list[float]:
        """Let devices answer, learn from the rewards, and adapt the coefficients of divergence.

        Returns:
            The negative mean reward with the penalty of divergence, of each device.
        """
        algorithm = self.objective.algorithm
        assert isinstance(algorithm, PPO | GRPO)
        prompts = [
            each.examples.take(rows.repeat_interleave(algorithm.answers))
            for each, rows in zip(inputs, indices, strict=True)
        ]
        weights = [weights_of(self.objective, part.examples.preference) for part in prompts]
        rollout, rewards, divergences = self.rollout(inputs, prompts, weights)
        rows = len(rollout) // len(inputs)
        for _ in range(algorithm.epochs):
            orders = [
                torch.from_numpy(first + each.rng.permutation(rows)).tensor_split(
                    algorithm.minibatches
                )
                for first, each in zip(range(0, len(rollout), rows), inputs, strict=True)
            ]
            for several in zip(*orders, strict=True):
                minibatch = rollout.take(torch.cat(several))
                penalty = self.anchor.penalty(self.policies.values)
                model, trained = self.policies.adapted.model, self.policies.trained
                with self.policies.on():
                    policy_gradient(
                        model, trained, minibatch, self.objective, weights, penalty, self.learned
                    )
                self.policies.step()
        costs = zip(rewards, divergences, self.coefficients, strict=False)
        losses = [kl * far - reward for reward, far, kl in costs]
        if isinstance(algorithm, PPO) and algorithm.target_kl is not None:
            for place, far in enumerate(divergences):
                self.coefficients[place] *= kl_factor(far, algorithm.target_kl, algorithm.adapt)
        return losses

    def rollout(
        self,
        inputs: Sequence[AlignmentInputs],
        prompts: Sequence[Conversations],
        weights: Sequence[Sequence[float]],
    ) -> tuple[Rollout, list[float], list[float]]:
        """Generate answers, and compute their advantages.

        Returns:
            The rollout; of each device the mean weighted reward, and the mean KL divergence of an
            answer from the reference, nat.
        """
        adapted, objective, devices = self.policies.adapted, self.objective, len(prompts)
        algorithm, model = objective.algorithm, adapted.model
        attention, temperature = objective.attention, objective.temperature
        decoding = Decoding.of(self.tokenizer, model, attention, temperature)
        asked = joined([each.texts for each in prompts])
        with torch.no_grad(), self.policies.on():
            texts = generate(model, asked, decoding, [each.draws for each in inputs])
            texts = _needed(texts, objective)
            old = log_probabilities(model, texts, attention, temperature)
        with torch.no_grad(), adapted.muted(self.phase), reference_policy(adapted):
            reference = log_probabilities(model, texts, attention, temperature)
        mask = texts.answer_mask
        requests, right = (
            [text for each in prompts for text in getattr(each.examples, name)]
            for name in ("requests", "answers")
        )
        columns = zip(*(each.rewards for each in inputs), strict=True)
        told = (requests, decode_answers(self.tokenizer, texts), right)
        earned = torch.stack([_scores(column, *told) for column in columns], 1).to(mask.device)
        if self.learned is not None:
            self.learned.note(earned[:, 0].view(devices, -1).mean(1))
        divergence = k1_divergence(old.log_probabilities, reference.log_probabilities) * mask
        shares = torch.tensor(weights, device=mask.device)
        weighted = (earned * shares.repeat_interleave(len(mask) // devices, 0)).sum(1)
        targets = weighted[:, None] if objective.combine == "linear" else earned
        if isinstance(algorithm, GRPO):
            relative = [group_relative(column, algorithm.group) for column in targets.T]
            advantages = torch.stack(relative, 1)[:, None, :] * mask[..., None]
            values, returns = None, None
        else:
            assert isinstance(algorithm, PPO)
            assert old.values is not None
            values = old.values
            costs = torch.tensor(self.coefficients[:devices], device=mask.device)[:, None, None]
            costs = costs * divergence.unflatten(0, (devices, -1))
            advantages, returns = _ppo_targets(targets, costs, mask, values, algorithm)
        rollout = Rollout(
            texts, old.log_probabilities, reference.log_probabilities, advantages, values, returns
        )
        means = (each.view(devices, -1).mean(1).tolist() for each in (weighted, divergence.sum(1)))
        rewards, divergences = means
        return rollout, rewards, divergences


def _ppo_targets(
    targets: Tensor, costs: Tensor, mask: Tensor, values: Tensor, algorithm: PPO
) -> tuple[Tensor, Tensor]:
    """Return advantages and returns of PPO, (n, places, objectives).

    Args:
        targets: rewards of the answers, (n, objectives).
        costs: what the divergence of each word costs, (devices, n / devices, places).
        mask: 1 for words, (n, places).
        values: predicted before each word, (n, places, objectives).
        algorithm: discount and trace.
    """
    last = (mask.cumsum(1) == mask.sum(1, keepdim=True)) & (mask > 0)
    words = mask.view(costs.shape)
    advantages, returns = [], []
    for i in range(targets.shape[1]):
        rewards = last * targets[:, i : i + 1] - costs.flatten(0, 1)
        each, due = gae(rewards, values[..., i] * mask, mask, algorithm.discount, algorithm.trace)
        advantages.append(normalize(each.view(costs.shape), words).flatten(0, 1))
        returns.append(due)
    return torch.stack(advantages, -1), torch.stack(returns, -1)


def _needed(texts: PromptBatch, objective: Alignment) -> PromptBatch:
    """Leave out what is padding in all rows; windows of sparse attention follow the whole."""
    return texts.trimmed() if objective.attention.ratio == 1 else texts


def _scores(rewards: Sequence[Reward], *told: Sequence[str]) -> Tensor:
    """Return one reward of all answers; each device may have learned its own.

    Args:
        rewards: of each device.
        told: requests, answers and given answers, of each device as many.
    """
    if len({id(each) for each in rewards}) == 1:
        return scores_of(rewards[0], *told)
    shares = (np.array_split(np.array(each, object), len(rewards)) for each in told)
    return torch.cat([scores_of(*each) for each in zip(rewards, *shares, strict=True)])


def weights_of(objective: Alignment, preference: float) -> tuple[float, float]:
    """Return the weights of helpfulness and safety."""
    weight = preference if objective.weight is None else objective.weight
    return weight, 1 - weight


def kl_factor(divergence: float, target: float, gain: float) -> float:
    """Return the factor of the coefficient of KL: 1 + gain clip(KL / target - 1, -0.2, 0.2).

    arXiv:1909.08593, section 2.2, where the gain is 0.1.
    """
    return 1 + gain * min(0.2, max(-0.2, divergence / target - 1))


def _anchor(policies: Policies, phase: Phase, objective: Alignment) -> Anchor:
    """Return zero for offsets; where there are none, the received values of shared parts."""
    held: dict[str, Tensor] = {}
    every = policies.adapted.parts
    parts = [every[name] for name in phase.trains if objective.distance]
    offsets = [part.name for part in parts if isinstance(part.config, Offset)]
    for name, value in policies.values.items():
        owner = name.partition("/")[0]
        if owner in offsets:
            held[name] = torch.zeros_like(value)
        elif not offsets and any(part.name == owner and part.shared for part in parts):
            held[name] = value.detach().clone()
    return Anchor(objective.distance, held)
