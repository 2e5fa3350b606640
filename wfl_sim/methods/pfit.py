"""PFIT: personalised federated instruction tuning.

F. Jiang, L. Dong, S. Tu, Y. Peng, K. Wang, K. Yang, C. Pan, D. Niyato, Personalized Wireless
Federated Learning for Large Language Models, arXiv 2404.13238 (version 1).

What is known of it: reinforcement learning (PPO) on a helpfulness and a safety reward, combined
linearly with weights of each client; a penalty on the distance of local from global parameters;
only the last layers are trained and sent; sparse self-attention. How it is read here: the weights
of a device are w_global + d_k, both learn, the averaged w_global goes over the air, and the offset
d_k, on whose length the penalty lies, stays. Everything else is wfl_sim's default: the number of
layers, the ratio of sparsity, penalty, algorithmic constants, and that the critic is private.
"""

from dataclasses import dataclass, field

from wfl_sim.config.fields import NonNegativeFloat, Share
from wfl_sim.methods.fedrlhf import FedRLHF
from wfl_sim.methods.method import METHODS
from wfl_sim.methods.objectives import Sparsity, critic_of
from wfl_sim.methods.parts import LastLayers, Offset, Part


@METHODS("pfit")
@dataclass(frozen=True, kw_only=True)
class PFIT(FedRLHF):
    """Last layers averaged, offset and weights of rewards private (arXiv 2404.13238v1).

    All parts learn jointly from a_k r_help + (1 - a_k) r_safe - b |d_k|^2.
    """

    weight: Share | None = None
    distance: NonNegativeFloat = 0.01
    attention: Sparsity = field(default_factory=lambda: Sparsity(ratio=0.75))

    @property
    def parts(self) -> tuple[Part, ...]:
        """Last layers shared; offset and, where the algorithm needs one, critic private."""
        return (
            Part(name="layers", config=LastLayers(layers=self.layers), shared=True),
            Part(name="offset", config=Offset(layers=self.layers), shared=False),
            *critic_of(self.algorithm),
        )
