"""FedProx: local training that is held near the shared model.

T. Li et al., Federated Optimization in Heterogeneous Networks, 2020, arXiv 1812.06127. Here on
LoRA and head, as FedIT; the paper trains whole models.
"""

from dataclasses import dataclass, field

from wfl_sim.methods.aggregation import WeightedMean
from wfl_sim.methods.method import METHODS
from wfl_sim.methods.parts import LoRA, Part, lora_and_head
from wfl_sim.methods.phases import Local, Phase, one_phase


@METHODS("fedprox")
@dataclass(frozen=True, kw_only=True)
class FedProx(WeightedMean):
    """FedIT with the proximal term (mu / 2) |w - w_t|^2 on each device (arXiv 1812.06127)."""

    lora: LoRA = field(default_factory=LoRA)
    mu: float = 0.01
    local: Local = field(default_factory=Local)

    def __post_init__(self) -> None:
        if self.mu < 0:
            raise ValueError(f"mu must not be negative, got {self.mu}")

    @property
    def parts(self) -> tuple[Part, ...]:
        """Everything is shared."""
        return lora_and_head(self.lora)

    @property
    def phases(self) -> tuple[Phase, ...]:
        """Both learn, pulled towards what was received."""
        return one_phase("lora", "head", local=self.local, proximal=self.mu)
