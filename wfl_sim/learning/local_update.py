"""Local updates: what a device makes of what it received, for one device or for many together."""

import logging
from collections.abc import Generator, Sequence
from functools import partial
from typing import Any

import numpy as np

from wfl_sim.codecs.codec import split_residual
from wfl_sim.execution.task import LocalUpdate, Result
from wfl_sim.learning.costs import UpdateCosts
from wfl_sim.learning.encoded_data import EncodedShards
from wfl_sim.learning.model_cache import ModelCache
from wfl_sim.learning.payloads import Payloads
from wfl_sim.learning.phase_requests import PhaseRequest, Trained, mean, phase_requests, run_updates
from wfl_sim.methods.device_parts import DeviceParts
from wfl_sim.methods.local_update import (
    ClientContext,
    EmbedTexts,
    EvaluateLoss,
    LocalResult,
    LocalRun,
    Train,
)
from wfl_sim.methods.method import Method, hook
from wfl_sim.randomness import stream
from wfl_sim.state import State, check_same, shapes_of

_log = logging.getLogger(__name__)


class LocalTrainer:
    """Trains the phases of a method on the texts of devices."""

    def __init__(
        self,
        *,
        method: Method,
        fleet: DeviceParts,
        texts: EncodedShards,
        costs: UpdateCosts,
        benches: ModelCache,
        transfers: Payloads,
    ) -> None:
        """Train nothing yet.

        Args:
            method: its phases, or an update of its own.
            fleet: the parts of each device.
            texts: of each device.
            costs: know the shapes of what is trained.
            benches: the networks.
            transfers: bring the download and take the upload.
        """
        self._method = method
        self._fleet = fleet
        self._texts = texts
        self._costs = costs
        self._benches = benches
        self._transfers = transfers
        self._misfits: dict[object, str | None] = {}

    def __repr__(self) -> str:
        return f"LocalUpdates({self._method!r})"

    def alone(self, task: LocalUpdate, shared: State, private: State) -> Result:
        """Execute one local update, from a shared state and the device's private one."""
        return run_updates([self._run(task, shared, private)], self._trained, None)[0]

    def together(
        self, tasks: Sequence[LocalUpdate], states: Sequence[Sequence[State]]
    ) -> list[Result]:
        """Execute local updates; those that cannot learn as a group, one by one.

        Args:
            tasks: of many devices.
            states: of each task, the shared and the private one.
        """
        runs = [
            self._run(task, shared, private)
            for task, (shared, private) in zip(tasks, states, strict=True)
        ]
        return run_updates(runs, self._trained, self._trained_together)

    def _run(
        self, task: LocalUpdate, shared: State, private: State
    ) -> Generator[PhaseRequest, Trained, Result]:
        """Ask for the requests of a local update one after the other."""
        device, method = task.device, self._method
        examples = self._texts.placed("train", device, task.shard)
        received = self._transfers.received(device, task.shared, shared)
        kept, lost = split_residual(private)
        if own := hook(method, "local_update"):
            shapes = self._costs.all_shapes(device)
            rng = stream(task.seed, "update")
            run = own(received, kept, ClientContext(device=device, shapes=shapes, rng=rng))
        else:
            run = self._usual(device, {**received, **kept})
        end, losses = yield from phase_requests(
            run,
            method.phases,
            lambda number, train: PhaseRequest(
                device=device,
                number=number,
                train=train,
                parts=self._fleet.parts(device),
                examples=examples,
                seed=task.seed,
            ),
            partial(self._look, device, examples, task.seed),
        )
        upload, lost = self._transfers.uploaded(device, end.upload, received, lost, task.seed)
        states = {"upload": upload, "private": {**end.kept, **lost}}
        return Result(states, {"train_loss": mean(losses)})

    def _usual(self, device: int, start: State) -> LocalRun:
        """Train the phases in order; every proximal term pulls to the beginning."""
        state = start
        for phase in self._method.phases:
            state = yield Train(phase=phase, start=state, anchor=start)
        return LocalResult(
            upload={name: state[name] for name in self._costs.shapes(device, "shared")},
            kept={name: state[name] for name in self._costs.shapes(device, "private")},
        )

    def _trained(self, request: PhaseRequest) -> Trained:
        adapted, train = self._benches.of(request.device), request.train
        adapted.load(train.start)
        losses = adapted.train_phase(
            request.number,
            train.phase,
            request.examples,
            request.seed,
            anchor=train.anchor,
            correction=train.correction,
        )
        return adapted.read(adapted.parts), losses

    def _trained_together(self, group: Sequence[PhaseRequest]) -> list[Trained] | None:
        """Train requests of one kind together; None where they cannot be."""
        from wfl_sim.learning.grouped.eligibility import why_not_trainable
        from wfl_sim.learning.grouped.training import train_together

        first, adapted = group[0], self._benches.of(group[0].device)
        if first.kind not in self._misfits:
            self._misfits[first.kind] = why_not_trainable(adapted, first)
            if reason := self._misfits[first.kind]:
                _log.warning("local updates are trained one by one: %s", reason)
        if self._misfits[first.kind]:
            return None
        for request in group:
            expected = self._costs.all_shapes(request.device)
            check_same(expected, shapes_of(request.train.start), "state")
        return train_together(adapted, group)

    def _look(
        self, device: int, examples: Any, seed: int, request: EmbedTexts | EvaluateLoss
    ) -> State:
        """Answer what a local update asks to know about some of its own examples."""
        import torch

        adapted = self._benches.of(device)
        chosen = stream(seed, "look").permutation(len(examples))[: request.samples]
        some = examples.take(torch.from_numpy(chosen))
        if isinstance(request, EmbedTexts):
            return {"texts": adapted.describe(some)}
        adapted.load(request.model)
        return {"loss": np.array(adapted.evaluate(some)["loss"], np.float32)}
