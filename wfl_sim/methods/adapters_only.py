"""Adapters-only: federated averaging of bottleneck adapters.

Z. Zhang et al., FedPETuning: When Federated Learning Meets the Parameter-Efficient Tuning Methods
of Pre-trained Language Models, Findings of ACL 2023. Head and adapters go both ways.
"""

from dataclasses import dataclass, field

from wfl_sim.methods.aggregation import WeightedMean
from wfl_sim.methods.method import METHODS
from wfl_sim.methods.parts import Adapter, Head, Part
from wfl_sim.methods.phases import Local, Phase, one_phase


@METHODS("adapters-only")
@dataclass(frozen=True, kw_only=True)
class AdaptersOnly(WeightedMean):
    """FedAvg on adapters and head: PFTT without its private LoRA (FedPETuning, ACL 2023)."""

    adapter: Adapter = field(default_factory=Adapter)
    local: Local = field(default_factory=Local)

    @property
    def parts(self) -> tuple[Part, ...]:
        """Everything is shared."""
        return (
            Part(name="adapter", config=self.adapter, shared=True),
            Part(name="head", config=Head(), shared=True),
        )

    @property
    def phases(self) -> tuple[Phase, ...]:
        """Both learn jointly."""
        return one_phase("adapter", "head", local=self.local)
