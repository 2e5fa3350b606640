"""FedSA-LoRA: the factor A is shared, the factor B is private.

P. Guo et al., Selective Aggregation for Low-Rank Adaptation in Federated Learning, 2025, arXiv
2410.01463. The head stays on the device, as in the authors' configurations.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from wfl_sim.methods.aggregation import Upload, weighted_mean
from wfl_sim.methods.method import METHODS
from wfl_sim.methods.parts import Head, LoRA, Part
from wfl_sim.methods.phases import Local, Phase
from wfl_sim.state import State


@METHODS("fedsa-lora")
@dataclass(frozen=True, kw_only=True)
class FedSALoRA:
    """A learns general knowledge and is averaged; B and head stay (arXiv 2410.01463)."""

    is_weighted_mean: ClassVar[bool] = True
    lora: LoRA = field(default_factory=LoRA)
    local: Local = field(default_factory=Local)

    @property
    def parts(self) -> tuple[Part, ...]:
        """A is sent; B and head are private."""
        return (
            Part(name="lora", config=self.lora, shared="A"),
            Part(name="head", config=Head()),
        )

    @property
    def phases(self) -> tuple[Phase, ...]:
        """All learn jointly."""
        return (Phase(trains=("lora", "head"), local=self.local),)

    def aggregate(self, shared: State, uploads: Sequence[Upload]) -> State:
        """A <- sum p_k A_k."""
        return weighted_mean(uploads)
