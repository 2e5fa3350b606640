"""FedIT: federated averaging of LoRA.

J. Zhang et al., Towards Building the Federated GPT: Federated Instruction Tuning, arXiv
2305.05644. A and B are averaged separately, so the product of the averages is not the average
of the products.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from wfl_sim.methods.aggregation import Upload, weighted_mean
from wfl_sim.methods.method import METHODS
from wfl_sim.methods.parts import Head, LoRA, Part
from wfl_sim.methods.phases import Local, Phase
from wfl_sim.state import State


@METHODS("fedit")
@dataclass(frozen=True, kw_only=True)
class FedIT:
    """FedAvg on LoRA and head: one model for all (arXiv 2305.05644)."""

    is_weighted_mean: ClassVar[bool] = True
    lora: LoRA = field(default_factory=LoRA)
    local: Local = field(default_factory=Local)

    @property
    def parts(self) -> tuple[Part, ...]:
        """Everything is shared."""
        return (
            Part(name="lora", config=self.lora, shared=True),
            Part(name="head", config=Head(), shared=True),
        )

    @property
    def phases(self) -> tuple[Phase, ...]:
        """LoRA and head learn jointly."""
        return (Phase(trains=("lora", "head"), local=self.local),)

    def aggregate(self, shared: State, uploads: Sequence[Upload]) -> State:
        """A <- sum p_k A_k, B <- sum p_k B_k."""
        return weighted_mean(uploads)
