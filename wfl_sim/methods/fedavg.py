"""FedAvg: full fine-tuning, averaged.

H. B. McMahan et al., Communication-Efficient Learning of Deep Networks from Decentralized Data,
2017, arXiv 1602.05629. Every weight of the network goes both ways.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from wfl_sim.methods.aggregation import Upload, weighted_mean
from wfl_sim.methods.method import METHODS
from wfl_sim.methods.parts import Full, Head, Part
from wfl_sim.methods.phases import Local, Phase
from wfl_sim.state import State


@METHODS("fedavg")
@dataclass(frozen=True, kw_only=True)
class FedAvg:
    """Full fine-tuning: every weight learns, is sent and averaged (arXiv 1602.05629)."""

    is_weighted_mean: ClassVar[bool] = True
    local: Local = field(default_factory=lambda: Local(lr=2e-4))

    @property
    def parts(self) -> tuple[Part, ...]:
        """The whole network is shared."""
        return (
            Part(name="backbone", config=Full(), shared=True),
            Part(name="head", config=Head(), shared=True),
        )

    @property
    def phases(self) -> tuple[Phase, ...]:
        """All weights learn jointly."""
        return (Phase(trains=("backbone", "head"), local=self.local),)

    def aggregate(self, shared: State, uploads: Sequence[Upload]) -> State:
        """w <- sum p_k w_k."""
        return weighted_mean(uploads)
