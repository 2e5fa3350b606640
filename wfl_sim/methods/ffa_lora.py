"""FFA-LoRA: the factor A is frozen, so that the average is exact.

Y. Sun et al., Improving LoRA in Privacy-preserving Federated Learning, 2024, arXiv 2403.12313.
With one A for all, B <- sum p_k B_k gives B A = sum p_k B_k A, and half of LoRA goes over the air.
"""

from dataclasses import dataclass

from wfl_sim.methods.fedit import FedIT
from wfl_sim.methods.method import METHODS
from wfl_sim.methods.parts import Part, lora_and_head
from wfl_sim.methods.phases import Phase, one_phase


@METHODS("ffa-lora")
@dataclass(frozen=True, kw_only=True)
class FFALoRA(FedIT):
    """A random and frozen, the same for all by a seed; B and head averaged (arXiv 2403.12313)."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """B is sent; A is known to all."""
        return lora_and_head(self.lora, shared="B", known="A")

    @property
    def phases(self) -> tuple[Phase, ...]:
        """B and head learn."""
        return one_phase("lora.B", "head", local=self.local)
