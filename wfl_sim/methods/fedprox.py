"""FedProx: local training that is held near the shared model.

T. Li et al., Federated Optimization in Heterogeneous Networks, 2020, arXiv 1812.06127. Here on
LoRA and head, as FedIT; the paper trains whole models.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from wfl_sim.methods.aggregation import Upload, weighted_mean
from wfl_sim.methods.method import METHODS
from wfl_sim.methods.parts import Head, LoRA, Part
from wfl_sim.methods.phases import Local, Phase
from wfl_sim.state import State


@METHODS("fedprox")
@dataclass(frozen=True, kw_only=True)
class FedProx:
    """FedIT with the proximal term (mu / 2) |w - w_t|^2 on each device (arXiv 1812.06127)."""

    is_weighted_mean: ClassVar[bool] = True
    lora: LoRA = field(default_factory=LoRA)
    mu: float = 0.01
    local: Local = field(default_factory=Local)

    def __post_init__(self) -> None:
        if self.mu < 0:
            raise ValueError(f"mu must not be negative, got {self.mu}")

    @property
    def parts(self) -> tuple[Part, ...]:
        """Everything is shared."""
        return (
            Part(name="lora", config=self.lora, shared=True),
            Part(name="head", config=Head(), shared=True),
        )

    @property
    def phases(self) -> tuple[Phase, ...]:
        """Both learn, pulled towards what was received."""
        return (Phase(trains=("lora", "head"), local=self.local, proximal=self.mu),)

    def aggregate(self, shared: State, uploads: Sequence[Upload]) -> State:
        """w <- sum p_k w_k."""
        return weighted_mean(uploads)
