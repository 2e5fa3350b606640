"""FedPer: the head is personal.

M. G. Arivazhagan et al., Federated Learning with Personalization Layers, 2019, arXiv 1912.00818.
Here the layers below the head learn by LoRA; the paper trains them whole.
"""

from dataclasses import dataclass, field

from wfl_sim.methods.aggregation import WeightedMean
from wfl_sim.methods.method import METHODS
from wfl_sim.methods.parts import LoRA, Part, lora_and_head
from wfl_sim.methods.phases import Local, Phase, one_phase


@METHODS("fedper")
@dataclass(frozen=True, kw_only=True)
class FedPer(WeightedMean):
    """LoRA averaged, head private (arXiv 1912.00818)."""

    lora: LoRA = field(default_factory=LoRA)
    local: Local = field(default_factory=Local)

    @property
    def parts(self) -> tuple[Part, ...]:
        """LoRA is sent; the head is private."""
        return lora_and_head(self.lora, head=False)

    @property
    def phases(self) -> tuple[Phase, ...]:
        """Both learn jointly."""
        return one_phase("lora", "head", local=self.local)
