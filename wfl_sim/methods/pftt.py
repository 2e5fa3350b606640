"""PFTT: personalised federated task tuning.

F. Jiang, L. Dong, S. Tu, Y. Peng, K. Wang, K. Yang, C. Pan, D. Niyato, Personalized Wireless
Federated Learning for Large Language Models, arXiv 2404.13238 (version 1).

Every device holds an adapter, which is sent, averaged and broadcast, and a LoRA, which never
leaves it. Sizes, learning rate and where the head belongs are wfl_sim's defaults: the sources at
hand do not state the paper's.
"""

from dataclasses import dataclass, field
from typing import Literal

from wfl_sim.methods.aggregation import WeightedMean
from wfl_sim.methods.method import METHODS
from wfl_sim.methods.parts import Adapter, Head, LoRA, Part
from wfl_sim.methods.phases import Local, Phase, one_phase


@METHODS("pftt")
@dataclass(frozen=True, kw_only=True)
class PFTT(WeightedMean):
    """Global adapter, averaged over the air; local LoRA, kept private (arXiv 2404.13238)."""

    adapter: Adapter = field(default_factory=Adapter)
    lora: LoRA = field(default_factory=LoRA)
    head: Literal["shared", "private"] = "shared"
    local: Local = field(default_factory=Local)

    @property
    def parts(self) -> tuple[Part, ...]:
        """Adapter shared, LoRA private."""
        return (
            Part(name="adapter", config=self.adapter, shared=True),
            Part(name="lora", config=self.lora, shared=False, by_device=True),
            Part(name="head", config=Head(), shared=self.head == "shared"),
        )

    @property
    def phases(self) -> tuple[Phase, ...]:
        """All parts learn jointly."""
        return one_phase("adapter", "lora", "head", local=self.local)
