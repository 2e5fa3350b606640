"""FedIT: federated averaging of LoRA.

J. Zhang et al., Towards Building the Federated GPT: Federated Instruction Tuning, arXiv
2305.05644. A and B are averaged separately, so the product of the averages is not the average
of the products.
"""

from dataclasses import dataclass, field

from wfl_sim.config.fields import Bounded
from wfl_sim.methods.aggregation import WeightedMean
from wfl_sim.methods.method import METHODS
from wfl_sim.methods.parts import LoRA, Part, lora_and_head
from wfl_sim.methods.phases import Local, Phase, one_phase


@METHODS("fedit")
@dataclass(frozen=True, kw_only=True)
class FedIT(WeightedMean, Bounded):
    """FedAvg on LoRA and head: one model for all (arXiv 2305.05644)."""

    lora: LoRA = field(default_factory=LoRA)
    local: Local = field(default_factory=Local)

    @property
    def parts(self) -> tuple[Part, ...]:
        """Everything is shared."""
        return lora_and_head(self.lora)

    @property
    def phases(self) -> tuple[Phase, ...]:
        """LoRA and head learn jointly."""
        return one_phase("lora", "head", local=self.local)
