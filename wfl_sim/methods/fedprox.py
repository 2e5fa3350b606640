"""FedProx: local training that is held near the shared model.

T. Li et al., Federated Optimization in Heterogeneous Networks, 2020, arXiv 1812.06127. Here on
LoRA and head, as FedIT; the paper trains whole models.
"""

from dataclasses import dataclass

from wfl_sim.config.fields import NonNegativeFloat
from wfl_sim.methods.fedit import FedIT
from wfl_sim.methods.method import METHODS
from wfl_sim.methods.phases import Phase, one_phase


@METHODS("fedprox")
@dataclass(frozen=True, kw_only=True)
class FedProx(FedIT):
    """FedIT with the proximal term (mu / 2) |w - w_t|^2 on each device (arXiv 1812.06127)."""

    mu: NonNegativeFloat = 0.01

    @property
    def phases(self) -> tuple[Phase, ...]:
        """Both learn, pulled towards what was received."""
        return one_phase("lora", "head", local=self.local, proximal=self.mu)
