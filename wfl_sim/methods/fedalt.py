"""FedALT: an own LoRA beside the frozen rest-of-world LoRA.

J. Bian et al., FedALT: Federated Fine-Tuning through Adaptive Local Training with Rest-of-World
LoRA, 2025, arXiv 2503.11880. The own LoRA is uploaded but never overwritten; a router weighs the
two. The mean over all others is computed on the device from the mean over all, its own upload (as
it is before a codec rounds it) and their number, so one broadcast serves all; `delivery: unicast`
sends each its own, as the authors' code does. Only the participants of the last round are in it: a
device knows whether it is one of them, for the server acknowledges uploads. The head stays on the
device (wfl_sim's default).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from wfl_sim.methods.aggregation import Upload, weighted_mean
from wfl_sim.methods.local_update import ClientContext, LocalResult, LocalRun, train_phases
from wfl_sim.methods.method import METHODS
from wfl_sim.methods.parts import Head, LoRA, Part, Router, Shapes
from wfl_sim.methods.phases import Local, Phase, one_phase
from wfl_sim.state import State, minus, of_parts, put_under, times, under


@METHODS("fedalt")
@dataclass(frozen=True, kw_only=True)
class FedALT:
    """Own LoRA, frozen rest-of-world LoRA and a router between them (arXiv 2503.11880)."""

    remembers_uploads = True
    common_rounds = True
    whole_uploads = True
    lora: LoRA = field(default_factory=LoRA)
    delivery: Literal["broadcast", "unicast"] = "broadcast"
    local: Local = field(default_factory=Local)

    @property
    def unicast(self) -> bool:
        """Whether each device is sent its own rest-of-world LoRA."""
        return self.delivery == "unicast"

    @property
    def parts(self) -> tuple[Part, ...]:
        """What is uploaded becomes part of the rest-of-world LoRA of the others."""
        return (
            Part(name="world", config=self.lora, shared=True),
            Part(name="own", config=self.lora),
            Part(name="router", config=Router(over=("own", "world"))),
            Part(name="head", config=Head()),
        )

    @property
    def phases(self) -> tuple[Phase, ...]:
        """All but the rest-of-world LoRA learn."""
        return one_phase("own", "router", "head", local=self.local)

    def initial_server_state(self, shared: State, devices: int) -> State:
        """Start with 0 aggregations, of 0 devices."""
        return {**times(0, shared), _ROUND: np.zeros(2, np.float32)}

    def download_shapes(self, shapes: Shapes, news: object) -> Shapes:
        """The mean, and how many aggregations there have been and how many devices are in it."""
        return {**shapes, _ROUND: (2,)}

    def local_update(self, received: State, kept: State, client: ClientContext) -> LocalRun:
        """Train beside the rest of the world; the own LoRA goes up under the name of the world."""
        trained = yield from train_phases(
            self.phases, self.personal_model(received, kept, client.shapes)
        )
        own = of_parts(trained, "own")
        upload = put_under("world", under("own", own))
        private = of_parts(trained, "own", "router", "head")
        before = {name: kept[name] for name in kept if name == _HEARD or name.startswith(_SENT)}
        sent = {**put_under(_SENT, upload), _HEARD: received[_ROUND][:1]}
        return LocalResult(upload=upload, kept={**private, **sent}, if_lost={**private, **before})

    def aggregate(self, shared: State, uploads: Sequence[Upload]) -> State:
        """The mean of all own LoRAs, A and B apart, each device counting the same."""
        mean = weighted_mean([replace(upload, weight=1.0) for upload in uploads])
        return {**mean, _ROUND: np.array([shared[_ROUND][0] + 1, len(uploads)], np.float32)}

    def personal_model(self, received: State, kept: State, shapes: object) -> State:
        """RoW_k = (K mean - sent) / (K - 1) where the device is in the mean, else the mean."""
        mean, own = of_parts(received, "world"), under(_SENT, kept)
        number, count = received[_ROUND]
        world = mean
        if _HEARD in kept and kept[_HEARD][0] + 1 == number:
            world = times(1 / max(count - 1, 1), minus(times(count, mean), own))
        return {**of_parts(kept, "own", "router", "head"), **world}


_ROUND = "round/state"
_HEARD = "round/heard"
_SENT = "sent"
