"""Local updates that are more than the phases one after the other.

Such a method has ``update``, a generator that asks for each phase by yielding a `Train`, is sent
the state that comes out, and returns an `Update`. It imports no torch, is tested by sending states
by hand, and an executor may answer the requests of several devices at once.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from wfl_sim.methods.aggregation import State
from wfl_sim.methods.phases import Phase


@dataclass(frozen=True, kw_only=True)
class Train:
    """A request: train one phase of the method."""

    phase: Phase
    start: State
    """the values of every parameter of every part"""
    anchor: State = field(default_factory=dict)
    """where the phase's proximal term pulls to; where `start` is unless given"""
    correction: State = field(default_factory=dict)
    """added to the gradient of each step, by parameter"""


@dataclass(frozen=True, kw_only=True)
class Update:
    """The end of a local update."""

    upload: State
    """before the codec"""
    kept: State
    """private parts, and whatever the device remembers for its next update"""


LocalRun = Generator[Train, State, Update]


def in_turn(phases: Sequence[Phase], start: State) -> Generator[Train, State, State]:
    """Ask for some phases one after the other, and return the state that comes out."""
    state = start
    for phase in phases:
        state = yield Train(phase=phase, start=state)
    return state
