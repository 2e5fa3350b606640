"""Ditto: a personal model beside the shared one, held near it.

T. Li et al., Ditto: Fair and Robust Federated Learning Through Personalization, 2021, arXiv
2012.04221, algorithm 1. Here both models are LoRA and head on one frozen network.
"""

from dataclasses import dataclass

from wfl_sim.config.fields import NonNegativeFloat
from wfl_sim.methods.fedit import FedIT
from wfl_sim.methods.local_update import ClientContext, LocalResult, LocalRun, Train
from wfl_sim.methods.method import METHODS
from wfl_sim.methods.parts import Shapes
from wfl_sim.methods.phases import Phase
from wfl_sim.state import State, put_under, under


@METHODS("ditto")
@dataclass(frozen=True, kw_only=True)
class Ditto(FedIT):
    """FedIT for all, and v_k by F_k(v) + (lam / 2) |v - w|^2 for oneself (arXiv 2012.04221).

    The personal model is a second set of values for LoRA and head.
    """

    lam: NonNegativeFloat = 0.1

    @property
    def phases(self) -> tuple[Phase, ...]:
        """First the shared model learns, then the personal one."""
        trains = ("lora", "head")
        return (
            Phase(trains=trains, local=self.local),
            Phase(trains=trains, local=self.local, proximal=self.lam),
        )

    def local_update(self, received: State, kept: State, client: ClientContext) -> LocalRun:
        """w_k from w; v_k from v_k, pulled towards w."""
        shared, personal = self.phases
        w = yield Train(phase=shared, start=received)
        v = yield Train(phase=personal, start=under("own", kept) or received, anchor=received)
        return LocalResult(upload=w, kept=put_under("own", v))

    def personal_model(self, received: State, kept: State, shapes: Shapes) -> State:
        """v_k; before the first update w."""
        return under("own", kept) or received
