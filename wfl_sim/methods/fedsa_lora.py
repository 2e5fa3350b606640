"""FedSA-LoRA: the factor A is shared, the factor B is private.

P. Guo et al., Selective Aggregation for Low-Rank Adaptation in Federated Learning, 2025, arXiv
2410.01463. The head stays on the device, as in the authors' configurations.
"""

from dataclasses import dataclass, field

from wfl_sim.methods.aggregation import WeightedMean
from wfl_sim.methods.method import METHODS
from wfl_sim.methods.parts import LoRA, Part, lora_and_head
from wfl_sim.methods.phases import Local, Phase, one_phase


@METHODS("fedsa-lora")
@dataclass(frozen=True, kw_only=True)
class FedSALoRA(WeightedMean):
    """A learns general knowledge and is averaged; B and head stay (arXiv 2410.01463)."""

    lora: LoRA = field(default_factory=LoRA)
    local: Local = field(default_factory=Local)

    @property
    def parts(self) -> tuple[Part, ...]:
        """A is sent; B and head are private."""
        return lora_and_head(self.lora, shared="A", head=False)

    @property
    def phases(self) -> tuple[Phase, ...]:
        """All learn jointly."""
        return one_phase("lora", "head", local=self.local)
