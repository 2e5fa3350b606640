"""Local-only: the baseline without a network, for every objective."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

from wfl_sim.config.fields import Bounded, NonNegativeInt, Share
from wfl_sim.config.registry import From
from wfl_sim.methods.aggregation import Upload
from wfl_sim.methods.method import METHODS
from wfl_sim.methods.objectives import (
    ALGORITHMS,
    Algorithm,
    Alignment,
    Rewards,
    Sparsity,
    Temperature,
    critic_of,
)
from wfl_sim.methods.parts import LastLayers, LoRA, Part, lora_and_head
from wfl_sim.methods.phases import Local, Phase, one_phase
from wfl_sim.state import State


@METHODS("local-only")
@dataclass(frozen=True, kw_only=True)
class LocalOnly(Bounded):
    """Every device fine-tunes its own LoRA and head, or its own last layers, and sends nothing.

    With an `algorithm` it learns from rewards, or from pairs, as PFIT and FedRLHF do.
    """

    lora: LoRA = field(default_factory=LoRA)
    layers: NonNegativeInt = 0
    """Last layers that learn in place of a LoRA; 0 for the LoRA."""
    algorithm: Annotated[Algorithm, From(ALGORITHMS)] | None = None
    """PPO, GRPO or DPO; without one it learns from labels or answers."""
    rewards: Rewards = field(default_factory=Rewards)
    weight: Share | None = None
    attention: Sparsity = field(default_factory=Sparsity)
    temperature: Temperature = 1.0
    local: Local = field(default_factory=Local)

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.parts, self.phases

    @property
    def parts(self) -> tuple[Part, ...]:
        """Nothing is shared."""
        lora, head = lora_and_head(self.lora, shared=False, head=False)
        if self.layers:
            lora = Part(name="layers", config=LastLayers(layers=self.layers))
        if self.algorithm is None:
            return lora, head
        return lora, *critic_of(self.algorithm)

    @property
    def phases(self) -> tuple[Phase, ...]:
        """All parts learn jointly."""
        trains = (part.name for part in self.parts)
        objective = None if self.algorithm is None else Alignment.of(self)
        return one_phase(*trains, local=self.local, objective=objective)

    def aggregate(self, shared: State, uploads: Sequence[Upload]) -> State:
        """There is nothing to aggregate: the shared state is empty and stays so."""
        return shared
