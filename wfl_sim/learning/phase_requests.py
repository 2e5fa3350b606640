"""The phases that local updates request, of one device or of many devices at once."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from wfl_sim.execution.task import Result
from wfl_sim.methods.local_update import EmbedTexts, EvaluateLoss, LocalResult, LocalRun, Train
from wfl_sim.methods.parts import Part
from wfl_sim.methods.phases import Phase
from wfl_sim.state import State


@dataclass(frozen=True, kw_only=True, eq=False)
class PhaseRequest:
    """One phase of one device's local update."""

    device: int
    number: int
    """of the phase in its local update"""
    train: Train
    parts: tuple[Part, ...]
    """of the device"""
    examples: Any
    seed: int
    """of the local update"""

    @property
    def kind(self) -> object:
        """What requests of one group share: all but steps, batch, ranks and values."""
        phase = self.train.phase
        alike = replace(phase, local=replace(phase.local, steps=1, batch=1))
        return self.number, alike, tuple((part.name, type(part.config)) for part in self.parts)


Trained = tuple[State, list[float]]
"""the values of all parts afterwards, and the loss of each step in nat"""

Run = Generator[PhaseRequest, Trained, Result]
"""a local update: asks for requests, is sent what was trained, and ends with its result"""


def phase_requests(
    run: LocalRun,
    phases: Sequence[Phase],
    request_of: Callable[[int, Train], PhaseRequest],
    look: Callable[[EmbedTexts | EvaluateLoss], State],
) -> Generator[PhaseRequest, Trained, tuple[LocalResult, list[float]]]:
    """Ask for what a method's local update asks for; return its end and the loss of each step.

    Args:
        run: the local update.
        phases: that it must train.
        request_of: from the number of a phase and a request to the asking to ask for.
        look: answers what it asks to know about its own examples.

    Raises:
        RuntimeError: the method trains other phases than its costs were counted for.
    """
    state: State | None = None
    losses: list[float] = []
    for number, phase in enumerate(phases):
        try:
            request = run.send(state)  # type: ignore[arg-type]
            while not isinstance(request, Train):
                request = run.send(look(request))
        except StopIteration:
            raise RuntimeError(f"an update must train {phase} too") from None
        if request.phase != phase:
            raise RuntimeError("an update must train the phases of its method in their order")
        state, more = yield request_of(number, request)
        losses += more
    try:
        request = run.send(state)  # type: ignore[arg-type]
        while not isinstance(request, Train):
            request = run.send(look(request))
    except StopIteration as stop:
        return stop.value, losses
    raise RuntimeError("an update must train the phases of its method in their order")


def run_updates(
    runs: Sequence[Run],
    alone: Callable[[PhaseRequest], Trained],
    as_group: Callable[[Sequence[PhaseRequest]], list[Trained] | None] | None,
) -> list[Result]:
    """Run local updates to their ends, and return their results in the same order.

    Args:
        runs: fresh.
        alone: trains one asking.
        as_group: trains requests of one kind at once, or returns None; None where none can be.
    """
    results: dict[int, Result] = {}
    asked = {place: next(run) for place, run in enumerate(runs)}
    while asked:
        kinds: dict[object, list[int]] = {}
        for place, asking in asked.items():
            kinds.setdefault(asking.kind if as_group else place, []).append(place)
        answers: dict[int, Trained] = {}
        for places in kinds.values():
            group = [asked[place] for place in places]
            trained = as_group(group) if as_group and len(group) > 1 else None
            answers |= zip(places, trained or [alone(asking) for asking in group], strict=True)
        asked = {}
        for place, answer in answers.items():
            try:
                asked[place] = runs[place].send(answer)
            except StopIteration as stop:
                results[place] = stop.value
    return [results[place] for place in range(len(runs))]


def mean(losses: Sequence[float]) -> float:
    """Return the mean loss over all steps."""
    return fmean(losses)
