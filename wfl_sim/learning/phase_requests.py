"""The request of a local update to train one phase, which requests of other devices may join."""

from dataclasses import dataclass, replace
from typing import Any

from wfl_sim.methods.local_update import Train
from wfl_sim.methods.objectives import Alignment
from wfl_sim.methods.parts import Part
from wfl_sim.state import State

Trained = tuple[State, list[float]]
"""The values of all parts after a phase, and the loss of each step in nat."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PhaseRequest:
    """One phase of one device's local update."""

    device: int
    number: int
    """Number of the phase in its local update."""
    train: Train
    """The phase, and the values that it starts from."""
    parts: tuple[Part, ...]
    """Parts of the device."""
    examples: Any
    """Encoded examples of the device."""
    seed: int
    """Seed of the local update."""

    @property
    def kind(self) -> object:
        """What requests of one group share: all but steps, batch, ranks and values.

        Steps, too, where the learning rate falls towards the last one, and the batch in alignment.
        """
        phase, local = self.train.phase, self.train.phase.local
        steps = 1 if local.lr_scheduler_type == "constant" else local.steps
        alone = local.micro_batch or isinstance(phase.objective, Alignment)
        batch = local.batch if alone else 1
        alike = replace(phase, local=replace(local, steps=steps, batch=batch))
        return self.number, alike, tuple((part.name, type(part.config)) for part in self.parts)


class DivergedError(FloatingPointError):
    """The loss of a local step, which counts from 1, is not finite."""

    def __init__(self, loss: float, step: int, lr: float) -> None:
        super().__init__(
            f"training diverged: the loss is {loss} at local step {step}; "
            f"lr {lr:g} may be too large"
        )
        self.step = step
