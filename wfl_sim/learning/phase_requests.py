"""The request of a local update to train one phase, which requests of other devices may join."""

from dataclasses import dataclass, replace
from typing import Any

from wfl_sim.methods.local_update import Train
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
        """What requests of one group share: all but steps, batch, ranks and values."""
        phase = self.train.phase
        alike = replace(phase, local=replace(phase.local, steps=1, batch=1))
        return self.number, alike, tuple((part.name, type(part.config)) for part in self.parts)
