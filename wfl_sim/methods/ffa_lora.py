"""FFA-LoRA: the factor A is frozen, so that the average is exact.

Y. Sun et al., Improving LoRA in Privacy-preserving Federated Learning, 2024, arXiv 2403.12313.
With one A for all, B <- sum p_k B_k gives B A = sum p_k B_k A, and half of LoRA goes over the air.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from wfl_sim.methods.aggregation import Upload, weighted_mean
from wfl_sim.methods.method import METHODS
from wfl_sim.methods.parts import Head, LoRA, Part
from wfl_sim.methods.phases import Local, Phase
from wfl_sim.state import State


@METHODS("ffa-lora")
@dataclass(frozen=True, kw_only=True)
class FFALoRA:
    """A random and frozen, the same for all by a seed; B and head averaged (arXiv 2403.12313)."""

    is_weighted_mean: ClassVar[bool] = True
    lora: LoRA = field(default_factory=LoRA)
    local: Local = field(default_factory=Local)

    @property
    def parts(self) -> tuple[Part, ...]:
        """B is sent; A is known to all."""
        return (
            Part(name="lora", config=self.lora, shared="B", known="A"),
            Part(name="head", config=Head(), shared=True),
        )

    @property
    def phases(self) -> tuple[Phase, ...]:
        """B and head learn."""
        return (Phase(trains=("lora.B", "head"), local=self.local),)

    def aggregate(self, shared: State, uploads: Sequence[Upload]) -> State:
        """B <- sum p_k B_k."""
        return weighted_mean(uploads)
