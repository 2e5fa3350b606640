"""FedAvg: full fine-tuning, averaged.

H. B. McMahan et al., Communication-Efficient Learning of Deep Networks from Decentralized Data,
2017, arXiv 1602.05629. Every weight of the network goes both ways.
"""

from dataclasses import dataclass, field
from typing import Literal

from wfl_sim.methods.aggregation import WeightedMean
from wfl_sim.methods.method import METHODS
from wfl_sim.methods.parts import Full, Head, Part
from wfl_sim.methods.phases import Local, NextWord, Phase, one_phase


@METHODS("fedavg")
@dataclass(frozen=True, kw_only=True)
class FedAvg(WeightedMean):
    """Full fine-tuning: every weight learns, is sent and averaged (arXiv 1602.05629)."""

    learns: Literal["answers", "text"] = "answers"
    """`answers`: labels, or the words of given answers. `text`: every word of whole texts, requests
    included, given those before: pre-training of a language model."""
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
        objective = NextWord() if self.learns == "text" else None
        return one_phase("backbone", "head", local=self.local, objective=objective)
