"""Requests of local updates that are more than the phases one after the other.

Such a method has ``local_update``, a generator that asks for each phase by yielding a `Train`, is
sent the state that comes out, and returns a `LocalResult`; between phases it may ask to
`EmbedTexts` and `EvaluateLoss`. It imports no torch, is tested by sending states by hand, and an
executor may answer the requests of several devices at once.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

import numpy as np

from wfl_sim.methods.parts import Shapes
from wfl_sim.methods.phases import Phase
from wfl_sim.state import State


@dataclass(frozen=True, kw_only=True)
class Train:
    """A request: train one phase of the method."""

    phase: Phase
    start: State
    """Values of every parameter of every part."""
    anchor: State = field(default_factory=dict)
    """Centre of the phase's proximal term; `start` unless given."""
    correction: State = field(default_factory=dict)
    """Added to the gradient of each step, by parameter."""


@dataclass(frozen=True, kw_only=True)
class EmbedTexts:
    """A request: the mean last hidden state of the pretrained network, of some own examples.

    The answer has `texts`, shape (samples, hidden). It is measurement: its few forward passes are
    not in the costs of an update.
    """

    samples: int


@dataclass(frozen=True, kw_only=True)
class EvaluateLoss:
    """A request: the mean loss in nat of a model on some own training examples.

    The answer has `loss`, shape (). Its forward passes are not in the costs of an update.
    """

    model: State
    """Values of every parameter of every part."""
    samples: int


@dataclass(frozen=True, kw_only=True)
class LocalResult:
    """The end of a local update."""

    upload: State
    """What is sent, before the codec."""
    kept: State
    """Private parts, and what the device remembers for its next update."""
    if_lost: State | None = None
    """What it keeps where the server does not use the upload; `kept` unless given. A method that
    gives it says so by a class attribute `remembers_uploads`."""


@dataclass(frozen=True, kw_only=True)
class ClientContext:
    """The device that trains, and its random generator."""

    device: int
    shapes: Shapes
    """Shapes of every parameter of every part on this device."""
    rng: np.random.Generator
    """Random generator of this update."""
    examples: int = 0
    """Training examples of the device."""


LocalRun = Generator[Train | EmbedTexts | EvaluateLoss, State, LocalResult]


def train_phases(phases: Sequence[Phase], start: State) -> Generator[Train, State, State]:
    """Ask for some phases one after the other, and return the state that comes out."""
    state = start
    for phase in phases:
        state = yield Train(phase=phase, start=state)
    return state


# The names of the first release, for one more.
Participant, Describe, Judge, Update, in_turn = (
    ClientContext,
    EmbedTexts,
    EvaluateLoss,
    LocalResult,
    train_phases,
)
