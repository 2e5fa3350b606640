"""FedPEFT: federated averaging of what any type of PEFT trains.

G. Sun et al., FedPEFT: parameter-efficient fine-tuning in federated learning, arXiv 2210.01708,
where it is biases, adapters or prompts. Here it is any type that adapts layers.
"""

from dataclasses import dataclass, field

from wfl_sim.methods.aggregation import WeightedMean
from wfl_sim.methods.method import METHODS
from wfl_sim.methods.parts import Head, Part, Tuner
from wfl_sim.methods.phases import Local, Phase, one_phase


@METHODS("fedpeft")
@dataclass(frozen=True, kw_only=True)
class FedPEFT(WeightedMean):
    """FedAvg on what a type of PEFT trains, and on the head (arXiv 2210.01708)."""

    tuner: Tuner = field(default_factory=Tuner)
    local: Local = field(default_factory=Local)

    @property
    def parts(self) -> tuple[Part, ...]:
        """Everything is shared."""
        return (
            Part(name="tuner", config=self.tuner, shared=True),
            Part(name="head", config=Head(), shared=True),
        )

    @property
    def phases(self) -> tuple[Phase, ...]:
        """Both learn jointly."""
        return one_phase("tuner", "head", local=self.local)
