"""SCAFFOLD: control variates against the drift of local training.

S. P. Karimireddy et al., SCAFFOLD: Stochastic Controlled Averaging for Federated Learning, 2020,
arXiv 1910.06378, algorithm 1 with option II and a global step of 1. Here on LoRA and head. Model
and control variate go both ways, so a payload is twice as large.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from wfl_sim.methods.aggregation import Upload, weighted_mean
from wfl_sim.methods.fedit import FedIT
from wfl_sim.methods.local_update import ClientContext, LocalResult, LocalRun, Train
from wfl_sim.methods.method import METHODS
from wfl_sim.methods.parts import Shapes
from wfl_sim.methods.phases import Local
from wfl_sim.state import State, minus, of_parts, plus, put_under, times, under


@METHODS("scaffold")
@dataclass(frozen=True, kw_only=True)
class Scaffold(FedIT):
    """SGD on g - c_k + c, with c the average gradient of all devices (arXiv 1910.06378)."""

    is_weighted_mean = False
    remembers_uploads = True
    local: Local = field(default_factory=lambda: Local(optimizer="sgd", lr=0.1))

    def __post_init__(self) -> None:
        plain = Local(
            steps=self.local.steps,
            epochs=self.local.epochs,
            batch=self.local.batch,
            micro_batch=self.local.micro_batch,
            lr=self.local.lr,
            optimizer="sgd",
        )
        if self.local != plain:
            raise ValueError(
                "local must be plain sgd at one lr, unclipped: control variates are gradients"
            )

    def initial_server_state(self, shared: State, devices: int) -> State:
        """c = 0; the server knows the number N of devices."""
        return {
            **shared,
            **put_under(_CONTROL, times(0, shared)),
            _N: np.array([devices], np.float32),
        }

    def upload_shapes(self, shapes: Shapes) -> Shapes:
        """y_k and the change of c_k."""
        return _with(shapes, _CHANGE)

    def download_shapes(self, shapes: Shapes, news: object) -> Shapes:
        """x and c."""
        return _with(shapes, _CONTROL)

    def local_update(self, received: State, kept: State, client: ClientContext) -> LocalRun:
        """c_k+ = c_k - c + (x - y_k) / (K eta); c_k stays where the server does not hear of it.

        A server that trains by itself has no drift to correct: its c_k is c.
        """
        x, c = of_parts(received, "lora", "head"), under(_CONTROL, received)
        c_k = c if client.device < 0 else kept or times(0, c)
        y = yield Train(phase=self.phases[0], start=x, correction=minus(c, c_k))
        steps = self.local.of(client.examples).steps if self.local.epochs else self.local.steps
        scale = 1 / (steps * self.local.lr)
        c_new = plus(minus(c_k, c), minus(x, y), scale)
        change = put_under(_CHANGE, minus(c_new, c_k))
        return LocalResult(upload={**y, **change}, kept=c_new, if_lost=kept)

    def aggregate(self, shared: State, uploads: Sequence[Upload]) -> State:
        """x <- mean y_k; c <- c + (1/N) sum of the changes of c_k."""
        mean = weighted_mean([replace(upload, weight=1.0) for upload in uploads])
        share = len(uploads) / float(shared[_N][0])
        c = plus(under(_CONTROL, shared), under(_CHANGE, mean), share)
        return {**of_parts(mean, "lora", "head"), **put_under(_CONTROL, c), _N: shared[_N]}

    def personal_model(self, received: State, kept: State, shapes: Shapes) -> State:
        """x: control variates are no part of the model."""
        return of_parts(received, "lora", "head")


_N = "server/devices"
_CONTROL = "control"
_CHANGE = "change"
"""Another name than that of c: what a codec leaves out of a change is none."""


def _with(shapes: Shapes, prefix: str) -> Shapes:
    return {**shapes, **{f"{prefix}/{name}": shape for name, shape in shapes.items()}}
