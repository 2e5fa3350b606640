"""FedMOA: federated GRPO on several rewards, whose weights learn.

Z. Wang et al., FedMOA: Federated GRPO for Personalized Reasoning LLMs under Heterogeneous Rewards,
2026, arXiv 2602.00453.

What is known of it, from the abstract: GRPO on the devices, so no critic; weights of the rewards
that adapt by hypergradient descent, for the primary one as the others saturate; an aggregation that
looks at tasks and accuracy. How it is read here: helpfulness is the primary reward; the weights are
private and move before each step of the optimiser (`LearnedWeights`); a device sends its mean
primary reward with the LoRA, and the server weighs an upload by it. All devices have one task.
Everything else is wfl_sim's default.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar, Final

import numpy as np

from wfl_sim.config.fields import Bounded, NonNegativeFloat, Share
from wfl_sim.config.registry import From
from wfl_sim.methods.aggregation import Upload, weighted_mean
from wfl_sim.methods.local_update import ClientContext, LocalResult, LocalRun, train_phases
from wfl_sim.methods.method import METHODS
from wfl_sim.methods.objectives import (
    ALGORITHMS,
    GRPO,
    Algorithm,
    Alignment,
    Rewards,
    Temperature,
)
from wfl_sim.methods.parts import LoRA, Part, RewardWeights, Shapes
from wfl_sim.methods.phases import Local, Phase, one_phase
from wfl_sim.state import State, of_parts, outside

_SCORE: Final = "score/primary"


@METHODS("fedmoa")
@dataclass(frozen=True, kw_only=True)
class FedMOA(Bounded):
    """LoRA by GRPO on two rewards, whose weights learn; averaged by reward (arXiv 2602.00453)."""

    whole_uploads: ClassVar[bool] = True  # the reward is none of the values received
    lora: LoRA = field(default_factory=LoRA)
    algorithm: Annotated[Algorithm, From(ALGORITHMS)] = field(default_factory=GRPO)
    rewards: Rewards = field(default_factory=Rewards)
    weight: Share | None = 0.5
    """Of helpfulness at first; safety has the rest. None for the preference of the device."""
    weight_rate: NonNegativeFloat = 0.1
    """Step of the weights' logits for gradients of one direction."""
    sharpness: NonNegativeFloat = 1.0
    """Uploads weigh n_k exp(sharpness z_k), with z_k the standardised mean primary reward."""
    temperature: Temperature = 1.0
    local: Local = field(default_factory=lambda: Local(steps=4, batch=32, lr=1e-3))

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.algorithm, GRPO):
            raise ValueError("algorithm must be grpo")
        _ = self.phases

    @property
    def parts(self) -> tuple[Part, ...]:
        """LoRA shared, weights of the rewards private."""
        return (
            Part(name="lora", config=self.lora, shared=True),
            Part(name="weights", config=RewardWeights()),
        )

    @property
    def phases(self) -> tuple[Phase, ...]:
        """The LoRA learns from both rewards."""
        objective = replace(Alignment.of(self), combine="hypergradient")
        return one_phase("lora", local=self.local, objective=objective)

    def upload_shapes(self, shapes: Shapes) -> Shapes:
        """The LoRA and the mean primary reward."""
        return {**shapes, _SCORE: (1,)}

    def local_update(self, received: State, kept: State, client: ClientContext) -> LocalRun:
        """Train, and send the mean primary reward of the last step along."""
        end = yield from train_phases(self.phases, {**received, **kept})
        upload = {**of_parts(end, "lora"), _SCORE: end["weights/score"]}
        return LocalResult(upload=upload, kept=of_parts(end, "weights"))

    def aggregate(self, shared: State, uploads: Sequence[Upload]) -> State:
        """Return the mean of the LoRAs, by examples and reward."""
        scores = np.array([float(upload.state[_SCORE][0]) for upload in uploads])
        spread = float(scores.std())
        standard = (scores - scores.mean()) / spread if spread else np.zeros(len(scores))
        factors = np.exp(self.sharpness * standard)
        return weighted_mean(
            [
                replace(each, state=outside("score", each.state), weight=each.weight * factor)
                for each, factor in zip(uploads, factors.tolist(), strict=True)
            ]
        )
