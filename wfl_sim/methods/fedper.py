"""FedPer: the head is personal.

M. G. Arivazhagan et al., Federated Learning with Personalization Layers, 2019, arXiv 1912.00818.
Here the layers below the head learn by LoRA; the paper trains them whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from wfl_sim.methods.aggregation import Upload, weighted_mean
from wfl_sim.methods.method import METHODS
from wfl_sim.methods.parts import Head, LoRA, Part
from wfl_sim.methods.phases import Local, Phase
from wfl_sim.state import State


@METHODS("fedper")
@dataclass(frozen=True, kw_only=True)
class FedPer:
    """LoRA averaged, head private (arXiv 1912.00818)."""

    is_weighted_mean: ClassVar[bool] = True
    lora: LoRA = field(default_factory=LoRA)
    local: Local = field(default_factory=Local)

    @property
    def parts(self) -> tuple[Part, ...]:
        """LoRA is sent; the head is private."""
        return (
            Part(name="lora", config=self.lora, shared=True),
            Part(name="head", config=Head()),
        )

    @property
    def phases(self) -> tuple[Phase, ...]:
        """Both learn jointly."""
        return (Phase(trains=("lora", "head"), local=self.local),)

    def aggregate(self, shared: State, uploads: Sequence[Upload]) -> State:
        """A <- sum p_k A_k, B <- sum p_k B_k."""
        return weighted_mean(uploads)
