"""PWFF: personalised wireless federated fine-tuning.

F. Jiang, L. Dong, S. Tu, Y. Peng, K. Wang, K. Yang, C. Pan, D. Niyato, Personalized Wireless
Federated Learning for Large Language Models, arXiv 2404.13238 (version 2).

What is known of it, from the abstract: adapters and LoRA; global partial aggregation; two reward
models and a personalised loss; local multi-objective alignment. How it is read here, in
continuation of version
1: the adapter is averaged and the LoRA stays; the loss weighs both rewards by the device's
preference and holds the adapter near to the global one; the gradients of both rewards are combined
by MGDA, by PCGrad, or by adding the rewards first (`linear`). Everything else is wfl_sim's default.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from wfl_sim.config.fields import NonNegativeFloat, Share
from wfl_sim.config.registry import From
from wfl_sim.methods.aggregation import WeightedMean
from wfl_sim.methods.method import METHODS
from wfl_sim.methods.objectives import (
    ALGORITHMS,
    PPO,
    Algorithm,
    Alignment,
    Rewards,
    Sparsity,
    Temperature,
    critic_of,
)
from wfl_sim.methods.parts import Adapter, LoRA, Part
from wfl_sim.methods.phases import Local, Phase, one_phase


@METHODS("pwff")
@dataclass(frozen=True, kw_only=True)
class PWFF(WeightedMean):
    """Adapter averaged, LoRA private; two rewards at once (arXiv 2404.13238v2)."""

    adapter: Adapter = field(default_factory=Adapter)
    lora: LoRA = field(default_factory=LoRA)
    algorithm: Annotated[Algorithm, From(ALGORITHMS)] = field(default_factory=PPO)
    rewards: Rewards = field(default_factory=Rewards)
    weight: Share | None = None
    combine: Literal["linear", "mgda", "pcgrad"] = "mgda"
    distance: NonNegativeFloat = 0.01
    attention: Sparsity = field(default_factory=Sparsity)
    temperature: Temperature = 1.0
    local: Local = field(default_factory=lambda: Local(steps=4, batch=32, lr=1e-3))

    def __post_init__(self) -> None:
        _ = self.parts, self.phases

    @property
    def parts(self) -> tuple[Part, ...]:
        """Adapter shared; LoRA and, where the algorithm needs one, critic private."""
        values = 1 if self.combine == "linear" else 2
        return (
            Part(name="adapter", config=self.adapter, shared=True),
            Part(name="lora", config=self.lora, shared=False),
            *critic_of(self.algorithm, values),
        )

    @property
    def phases(self) -> tuple[Phase, ...]:
        """All parts learn jointly from both rewards."""
        trains = (part.name for part in self.parts)
        return one_phase(*trains, local=self.local, objective=Alignment.of(self))
