"""The policy: rollouts, gradients of PPO and GRPO, the loss of DPO, and the reference policy."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from transformers import PreTrainedModel

from wfl_sim.learning.adapted_model import AdaptedModel
from wfl_sim.learning.alignment.losses import clipped_surrogate, dpo_loss, k3_divergence, value_loss
from wfl_sim.learning.alignment.multi_objective import combine_gradients
from wfl_sim.learning.causal.log_probabilities import log_probabilities, mean_over_words
from wfl_sim.learning.causal.prompts import PromptBatch
from wfl_sim.learning.training import Optimizer, gradient_of, train_only
from wfl_sim.methods.objectives import DPO, GRPO, PPO, Alignment
from wfl_sim.methods.phases import Phase

Adapt = Callable[[Tensor, Tensor], Tensor]
"""From gradients (2, devices, values) and weights (devices, 2) to other weights."""


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


class Policies(Protocol):
    """The policies of some devices, which learn side by side in one network.

    Every tensor begins with a dimension for the devices, unless there is one device only.
    """

    adapted: AdaptedModel
    values: Mapping[str, Tensor]
    """Present values of all parts, by the name of the parameter."""
    trained: Sequence[Tensor]
    """What learns."""

    def keep(self, devices: int) -> None:
        """Go on with the first of the devices; the others have taken their steps."""

    def on(self) -> AbstractContextManager[object]:
        """Let the network compute with the policies, each with an equal share of its rows."""

    def step(self) -> None:
        """Take one step of the optimiser of each device, and forget the gradient."""


class OnePolicy:
    """The policy of one device: the values that the network holds."""

    def __init__(self, adapted: AdaptedModel, phase: Phase, steps: int) -> None:
        self.adapted = adapted
        self.values: Mapping[str, Tensor] = adapted.parameters
        learns = adapted.trained(phase)
        self.trained: Sequence[Tensor] = learns
        train_only(adapted.model, learns)
        self._optimizer = Optimizer(learns, phase.local, steps)

    def keep(self, devices: int) -> None:
        """Do nothing: there is one device."""

    def on(self) -> AbstractContextManager[object]:
        """Return a context that changes nothing."""
        return nullcontext()

    def step(self) -> None:
        """Take one step."""
        self._optimizer.step()


@dataclass(frozen=True)
class Anchor:
    """The penalty b |w - w_anchor|^2 of each device, summed over the devices."""

    strength: float
    """b; 0 for no penalty."""
    anchors: Mapping[str, Tensor]
    """w_anchor, by the name of the parameter."""

    def penalty(self, values: Mapping[str, Tensor]) -> Tensor | float:
        """Return the penalty at present values, of all devices or of the first of them."""
        if not self.strength:
            return 0.0
        pairs = ((values[name], at) for name, at in self.anchors.items())
        return self.strength * sum((w - at[: len(w)]).square().sum() for w, at in pairs)


def policy_gradient(
    model: PreTrainedModel,
    trained: Sequence[Tensor],
    batch: Rollout,
    objective: Alignment,
    weights: Sequence[Sequence[float]],
    penalty: Tensor | float = 0.0,
    adapt: Adapt | None = None,
) -> None:
    """Write the gradient of one optimiser step of PPO or GRPO into `grad` of what learns.

    Args:
        model: the policy, or those of several devices.
        trained: what learns.
        batch: answers with one objective, or with one for each weight; of all devices as many.
        objective: algorithm, and how objectives are combined.
        weights: weights of the objectives, of each device.
        penalty: added to the loss.
        adapt: replaces the weights, from the gradients of both objectives and the weights given.
    """
    algorithm, devices = objective.algorithm, len(weights)
    assert isinstance(algorithm, PPO | GRPO)

    def own(values: Tensor) -> Tensor:
        """Return what is each device's, (devices, n, ...)."""
        return values.unflatten(0, (devices, -1))

    scores = log_probabilities(model, batch.texts, objective.attention, objective.temperature)
    new, old, mask = own(scores.log_probabilities), own(batch.old), own(batch.texts.answer_mask)
    surrogates = [
        clipped_surrogate(new, old, own(advantages), mask, algorithm.clip).sum()
        for advantages in batch.advantages.unbind(-1)
    ]
    rest = penalty
    if isinstance(algorithm, GRPO):
        divergence = mean_over_words(k3_divergence(new, own(batch.reference)), mask)
        rest = rest + algorithm.kl * divergence.sum()
    else:
        assert scores.values is not None
        assert batch.values is not None
        assert batch.returns is not None
        columns = (x.unbind(-1) for x in (scores.values, batch.values, batch.returns))
        for value, before, due in zip(*columns, strict=True):
            loss = value_loss(own(value), own(before), own(due), mask, algorithm.clip)
            rest = rest + algorithm.value_weight * loss.sum()
    if len(surrogates) == 1:
        (surrogates[0] + rest).backward()
        return
    gradients = [_gradient(surrogate, trained, devices) for surrogate in surrogates]
    if isinstance(rest, Tensor):
        rest.backward()
    if adapt is not None:
        stacked = torch.stack(gradients)
        weights = adapt(stacked, stacked.new_tensor(weights)).tolist()
    directions = [
        combine_gradients(first, second, each, objective.combine)
        for first, second, each in zip(*gradients, weights, strict=True)
    ]
    sizes = [value.numel() // devices for value in trained]
    for value, direction in zip(trained, torch.stack(directions).split(sizes, 1), strict=True):
        gradient_of(value).add_(direction.reshape(value.shape))


def preference_loss(
    model: PreTrainedModel,
    chosen: PromptBatch,
    rejected: PromptBatch,
    reference: Sequence[Tensor],
    objective: Alignment,
    devices: int = 1,
) -> Tensor:
    """Return the loss of DPO on pairs, (devices,).

    Args:
        model: the policy.
        chosen: preferred answers.
        rejected: the other answers.
        reference: log-probabilities of both by the reference policy, (n,).
        objective: with DPO as its algorithm.
        devices: whose policies these are; each has as many pairs.
    """
    assert isinstance(objective.algorithm, DPO)
    new = [answer_log_probability(model, texts, objective) for texts in (chosen, rejected)]
    better, worse, *before = (each.view(devices, -1) for each in (*new, *reference))
    return dpo_loss(better, worse, before[0], before[1], objective.algorithm.beta)


def answer_log_probability(
    model: PreTrainedModel, texts: PromptBatch, objective: Alignment
) -> Tensor:
    """Return the log-probabilities of whole answers, (n,)."""
    words = log_probabilities(model, texts, objective.attention).log_probabilities
    return (words * texts.answer_mask).sum(1)


def _gradient(loss: Tensor, trained: Sequence[Tensor], devices: int) -> Tensor:
    """Return the gradient of each device as one row, (devices, values)."""
    found = torch.autograd.grad(loss, trained, retain_graph=True, allow_unused=True)
    whole = (
        torch.zeros_like(value) if gradient is None else gradient
        for value, gradient in zip(trained, found, strict=True)
    )
    return torch.cat([each.reshape(devices, -1) for each in whole], 1)


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
