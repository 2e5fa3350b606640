"""Local updates: what devices train, send and keep; those of many devices may share passes."""

import logging
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from statistics import fmean
from typing import Any

import numpy as np

from wfl_sim.config.answers import AnswerError, state
from wfl_sim.execution.task import LocalUpdate, Result
from wfl_sim.learning.divergence import check_left_out, failed_update
from wfl_sim.learning.learner_context import LearnerContext
from wfl_sim.learning.payloads import DeviceShapes, Payloads
from wfl_sim.learning.phase_requests import DivergedError, PhaseRequest, Trained
from wfl_sim.methods.local_update import (
    ClientContext,
    EmbedTexts,
    EvaluateLoss,
    LocalResult,
    LocalRun,
    Train,
)
from wfl_sim.methods.method import hook
from wfl_sim.randomness import stream
from wfl_sim.state import State, check_same, is_finite, shapes_of

_log = logging.getLogger(__name__)

_Update = Generator[PhaseRequest, Trained | DivergedError, Result]
"""One local update. It yields a request for each phase, is sent what was trained, returns a result.

Inside of it runs the generator of the method, which asks for phases and for measurements.
"""


@dataclass(frozen=True, eq=False)
class LocalTrainer:
    """Executes local updates."""

    context: LearnerContext
    payloads: Payloads
    """What devices receive and send."""
    _obstacles: dict[object, str | None] = field(default_factory=dict, init=False)

    @cached_property
    def _own_update(self) -> Callable[..., LocalRun] | None:
        return hook(self.context.method, "local_update")

    def several(
        self,
        tasks: Sequence[LocalUpdate],
        states: Sequence[Sequence[State]],
        *,
        apart: bool = False,
    ) -> list[Result]:
        """Execute local updates, in groups where their phases can be trained together.

        Args:
            tasks: of one device or many.
            states: of each task, the shared and the private one.
            apart: none is trained together with another.
        """
        updates = [
            self._update(task, shared, private)
            for task, (shared, private) in zip(tasks, states, strict=True)
        ]
        results: dict[int, Result] = {}
        pending = {place: next(update) for place, update in enumerate(updates)}
        while pending:
            kinds: dict[object, list[int]] = {}
            for place, request in pending.items():
                kind = place if apart or len(pending) == 1 else request.kind
                kinds.setdefault(kind, []).append(place)
            trained: dict[int, Trained | DivergedError] = {}
            for places in kinds.values():
                group = [pending[place] for place in places]
                trained |= zip(places, self._train_group(group), strict=True)
            pending = {}
            for place, answer in trained.items():
                try:
                    pending[place] = updates[place].send(answer)
                except StopIteration as stop:
                    results[place] = stop.value
        return [results[place] for place in range(len(updates))]

    def _update(self, task: LocalUpdate, shared: State, private: State) -> _Update:
        """Request the phases of a local update one after the other.

        Raises:
            AnswerError: the method trains other phases than its costs were counted for.
        """
        device, phases = task.device, self.context.phases
        examples = self.context.examples.placed("train", device, task.shard)
        count, shapes = len(examples), self.payloads.shapes(device)
        received = self.payloads.received(device, task.shared, shared)
        kept, residual = self.payloads.split(private)
        run = self._run(task, shapes, received, kept, count)
        losses: list[float] = []
        number, answer = 0, None
        while True:
            try:
                request = run.send(answer)  # type: ignore[arg-type]
            except StopIteration as stop:
                if not isinstance(end := stop.value, LocalResult):
                    raise self._refused("a LocalResult at its end", end) from None
                break
            if not isinstance(request, Train | EmbedTexts | EvaluateLoss):
                raise self._refused("requests (Train, EmbedTexts, EvaluateLoss)", request)
            if not isinstance(request, Train):
                answer = self._measure(task, shapes, examples, request)
                continue
            if number == len(phases) or request.phase != phases[number]:
                raise self._refused("each phase of the method once, in their order", request.phase)
            if self._own_update is not None:
                state(self.context.method, "local_update", request.start, shapes.every)
            phase = request.phase.of(count, task.round)
            trained = yield PhaseRequest(
                device=device,
                number=number,
                train=replace(request, phase=phase),
                parts=shapes.parts,
                examples=examples,
                seed=task.seed,
            )
            if isinstance(trained, DivergedError):
                check_left_out(trained, self.context, task, number)
                return failed_update(self.payloads, device, private)
            answer, more = trained
            if self.context.server.robust is not None and not is_finite(answer):
                return failed_update(self.payloads, device, private)
            losses += more
            number += 1
        if number < len(phases):
            raise RuntimeError(f"an update must train {phases[number]} too")
        upload, lost = self.payloads.uploaded(device, end.upload, received, residual, task.seed)
        states = {"upload": upload, "private": {**self._kept(end.kept), **lost}}
        if self.payloads.remembers_uploads:
            if_lost = end.kept if end.if_lost is None else end.if_lost
            states["unacknowledged"] = {**self._kept(if_lost), **residual}
        return Result(states, {"train_loss": fmean(losses)})

    def _run(
        self,
        task: LocalUpdate,
        shapes: DeviceShapes,
        received: State,
        kept: State,
        examples: int,
    ) -> LocalRun:
        """Return the local update of the method: its own, or the phases in their order."""
        if self._own_update is None:
            return self._phases_in_order({**received, **kept}, shapes)
        rng = stream(task.seed, "update")
        client = ClientContext(device=task.device, shapes=shapes.every, rng=rng, examples=examples)
        run = self._own_update(received, kept, client)
        if not isinstance(run, Generator):
            raise self._refused("a generator: let it yield Train for each phase", run)
        return run

    def _kept(self, answer: State) -> State:
        if self._own_update is None:
            return answer
        kept = state(self.context.method, "local_update", answer)
        return {name: np.asarray(array) for name, array in kept.items()}

    def _refused(self, rule: str, answer: object) -> AnswerError:
        return AnswerError.of(self.context.method, "local_update", rule, answer)

    def _phases_in_order(self, start: State, shapes: DeviceShapes) -> LocalRun:
        """Train the phases one after the other; every proximal term pulls to the beginning."""
        state = start
        for phase in self.context.phases:
            state = yield Train(phase=phase, start=state, anchor=start)
        return LocalResult(
            upload={name: state[name] for name in shapes.shared},
            kept={name: state[name] for name in shapes.private},
        )

    def _train(self, request: PhaseRequest) -> Trained | DivergedError:
        adapted, train = self.context.models.of(request.parts), request.train
        adapted.load(train.start)
        try:
            losses = adapted.train_phase(
                request.number,
                train.phase,
                request.examples,
                request.seed,
                anchor=train.anchor,
                correction=train.correction,
            )
        except DivergedError as error:
            return error
        return adapted.read(adapted.parts), losses

    def _train_group(self, group: Sequence[PhaseRequest]) -> Sequence[Trained | DivergedError]:
        """Train requests of one kind: together where that is possible, else one by one.

        So is a group of which one diverges.
        """
        if len(group) == 1 or self._obstacle(group[0]) is not None:
            return [self._train(request) for request in group]
        from wfl_sim.learning.grouped.training import train_together

        for request in group:
            expected = self.payloads.shapes(request.device).every
            check_same(dict(expected), shapes_of(request.train.start), "state")
        try:
            return train_together(self.context.models.of(group[0].parts), group)
        except DivergedError:
            return [self._train(request) for request in group]

    def _obstacle(self, request: PhaseRequest) -> str | None:
        """Return why requests of one kind cannot be trained together; None where they can."""
        from wfl_sim.learning.grouped.eligibility import why_not_trainable

        if request.kind not in self._obstacles:
            reason = why_not_trainable(self.context.models.of(request.parts), request)
            self._obstacles[request.kind] = reason
            if reason:
                _log.warning("local updates are trained one by one: %s", reason)
        return self._obstacles[request.kind]

    def _measure(
        self,
        task: LocalUpdate,
        shapes: DeviceShapes,
        examples: Any,
        request: EmbedTexts | EvaluateLoss,
    ) -> State:
        """Answer what a local update asks to know about some of its own examples."""
        import torch

        adapted = self.context.models.of(shapes.parts)
        chosen = stream(task.seed, "look").permutation(len(examples))[: request.samples]
        some = examples.take(torch.from_numpy(chosen))
        if isinstance(request, EmbedTexts):
            return {"texts": adapted.describe(some)}
        adapted.load(request.model)
        return {"loss": np.array(adapted.loss(some), np.float32)}
