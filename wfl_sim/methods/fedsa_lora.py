"""FedSA-LoRA: the factor A is shared, the factor B is private.

P. Guo et al., Selective Aggregation for Low-Rank Adaptation in Federated Learning, 2025, arXiv
2410.01463. The head stays on the device, as in the authors' configurations.
"""

from dataclasses import dataclass

from wfl_sim.methods.fedit import FedIT
from wfl_sim.methods.method import METHODS
from wfl_sim.methods.parts import Part, lora_and_head


@METHODS("fedsa-lora")
@dataclass(frozen=True, kw_only=True)
class FedSALoRA(FedIT):
    """A learns general knowledge and is averaged; B and head stay (arXiv 2410.01463)."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """A is sent; B and head are private."""
        return lora_and_head(self.lora, shared="A", head=False)
