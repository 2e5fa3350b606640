"""FedPer: the head is personal.

M. G. Arivazhagan et al., Federated Learning with Personalization Layers, 2019, arXiv 1912.00818.
Here the layers below the head learn by LoRA; the paper trains them whole.
"""

from dataclasses import dataclass

from wfl_sim.methods.fedit import FedIT
from wfl_sim.methods.method import METHODS
from wfl_sim.methods.parts import Part, lora_and_head


@METHODS("fedper")
@dataclass(frozen=True, kw_only=True)
class FedPer(FedIT):
    """LoRA averaged, head private (arXiv 1912.00818)."""

    @property
    def parts(self) -> tuple[Part, ...]:
        """LoRA is sent; the head is private."""
        return lora_and_head(self.lora, head=False)
