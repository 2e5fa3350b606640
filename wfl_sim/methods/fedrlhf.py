"""FedRLHF: every device learns from its own feedback, and the policies are averaged.

F. Xiao Fan et al., FedRLHF: A Convergence-Guaranteed Federated Framework for Privacy-Preserving and
Personalized RLHF, arXiv 2412.15538. Their published code has a table in place of a language model;
here the policy is a language model whose last layers learn by PPO (or GRPO, or DPO), all devices
with
the same weights of rewards: federated PPO without personalisation. Sizes are wfl_sim's defaults.
"""

from dataclasses import dataclass, field
from typing import Annotated

from wfl_sim.config.fields import Bounded, PositiveInt, Share
from wfl_sim.config.registry import From
from wfl_sim.methods.aggregation import WeightedMean
from wfl_sim.methods.method import METHODS
from wfl_sim.methods.objectives import (
    ALGORITHMS,
    PPO,
    Algorithm,
    Alignment,
    Rewards,
    Temperature,
    critic_of,
)
from wfl_sim.methods.parts import LastLayers, Part
from wfl_sim.methods.phases import Local, Phase, one_phase


@METHODS("fedrlhf")
@dataclass(frozen=True, kw_only=True)
class FedRLHF(WeightedMean, Bounded):
    """Last layers by reinforcement learning, averaged: one policy for all (arXiv 2412.15538)."""

    layers: PositiveInt = 2
    algorithm: Annotated[Algorithm, From(ALGORITHMS)] = field(default_factory=PPO)
    rewards: Rewards = field(default_factory=Rewards)
    weight: Share | None = 0.5
    temperature: Temperature = 1.0
    local: Local = field(default_factory=lambda: Local(steps=4, batch=32, lr=2e-4))

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.parts, self.phases

    @property
    def parts(self) -> tuple[Part, ...]:
        """Last layers shared; critic, where the algorithm needs one, private."""
        return (
            Part(name="layers", config=LastLayers(layers=self.layers), shared=True),
            *critic_of(self.algorithm),
        )

    @property
    def phases(self) -> tuple[Phase, ...]:
        """All learn jointly from `weight` r_help + (1 - `weight`) r_safe."""
        trains = (part.name for part in self.parts)
        return one_phase(*trains, local=self.local, objective=Alignment.of(self))
