"""FedAvg with local fine-tuning: the shared model, tuned once more on the device before its use.

T. Yu, E. Bagdasaryan, V. Shmatikov, Salvaging federated learning by local adaptation, 2020, arXiv
2002.04758. Here on LoRA and head. What a device uses is the end of its last local update, which is
the shared model that it last received after `local` steps on its own examples; so fine-tuning costs
nothing more, and can be judged at any time. A device that has never taken part uses the shared
model as it is.
"""

from dataclasses import dataclass

from wfl_sim.methods.fedit import FedIT
from wfl_sim.methods.local_update import ClientContext, LocalResult, LocalRun, train_phases
from wfl_sim.methods.method import METHODS
from wfl_sim.methods.parts import Shapes
from wfl_sim.state import State, put_under, under


@METHODS("fine-tuned")
@dataclass(frozen=True, kw_only=True)
class FineTuned(FedIT):
    """FedIT, fine-tuned on the device before it is used (arXiv 2002.04758)."""

    def local_update(self, received: State, kept: State, client: ClientContext) -> LocalRun:
        """Send what was trained, and keep it."""
        trained = yield from train_phases(self.phases, received)
        return LocalResult(upload=trained, kept=put_under("own", trained))

    def personal_model(self, received: State, kept: State, shapes: Shapes) -> State:
        """What was trained; before the first update what was received."""
        return under("own", kept) or received
