"""Weights of two rewards that learn while the policy does."""

from typing import Self

import torch
from torch import Tensor
from torch.nn.functional import normalize

from wfl_sim.learning.alignment.policy import Policies
from wfl_sim.methods.objectives import Alignment
from wfl_sim.methods.parts import RewardWeights


class LearnedWeights:
    """Weights of each device, w_k in proportion to w0_k exp(z_k); z is a part of the device.

    A step goes along sum_k w_k g_k, so the derivative of the first objective after it with respect
    to w_k is in proportion to the inner product of its gradient there with g_k: A. G. Baydin et
    al., Online learning rate adaptation with hypergradient descent, arXiv 1703.04782, section 2,
    for a weight in place of the learning rate. Here both gradients have length 1, and the
    optimiser's scaling of coordinates is left out. A second reward that all answers of each group
    earn alike has no gradient: while the first still gains, weight goes to the first.

    Args:
        policies: of devices that have a part `RewardWeights`.
        part: its name.
        rate: step of z along the derivative with respect to z.
    """

    def __init__(self, policies: Policies, part: str, rate: float) -> None:
        self._policies, self._part, self._rate = policies, part, rate
        self._before: Tensor | None = None

    @classmethod
    def of(cls, policies: Policies, objective: Alignment) -> Self | None:
        """Return those of an objective; None where its weights stay as they are."""
        if objective.combine != "hypergradient":
            return None
        parts = policies.adapted.parts.values()
        (name,) = (part.name for part in parts if isinstance(part.config, RewardWeights))
        return cls(policies, name, objective.weight_rate)

    @torch.no_grad()
    def __call__(self, gradients: Tensor, start: Tensor) -> Tensor:
        """Move z, and return the weights of the step to come, (devices, 2).

        Args:
            gradients: of each objective at the present values, (2, devices, values).
            start: w0, (devices, 2).
        """
        units = normalize(gradients, dim=-1)
        z = self._policies.values[f"{self._part}/logits"].view(-1, 2)
        weights = _shares(start, z)
        if self._before is not None:
            gains = (units[0] * self._before[:, : len(z)]).sum(-1).T
            z += self._rate * weights * (gains - (weights * gains).sum(1, keepdim=True))
        self._before = units
        return _shares(start, z)

    @torch.no_grad()
    def note(self, rewards: Tensor) -> None:
        """Keep the mean first reward of each device, (devices,), for the server."""
        self._policies.values[f"{self._part}/score"].view(-1).copy_(rewards)


def _shares(start: Tensor, z: Tensor) -> Tensor:
    return (start.log() + z).softmax(1)
