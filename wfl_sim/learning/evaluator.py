"""Evaluations: how good what a device holds is, for one device or for many together."""

import logging
from collections.abc import Sequence
from typing import Any

from wfl_sim.codecs.codec import split_residual
from wfl_sim.execution.task import Evaluate, Result
from wfl_sim.learning.costs import UpdateCosts
from wfl_sim.learning.encoded_data import EncodedShards
from wfl_sim.learning.model_cache import ModelCache
from wfl_sim.learning.payloads import Payloads
from wfl_sim.methods.device_parts import DeviceParts
from wfl_sim.methods.method import Method, hook, personal_model
from wfl_sim.methods.parts import Part
from wfl_sim.state import State, check_same, shapes_of

_log = logging.getLogger(__name__)


class Evaluator:
    """Puts shared and private states together and measures them on held-out examples."""

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
        """Evaluate nothing yet.

        Args:
            method: says what is personal, and how parts are blended.
            fleet: the parts of each device.
            texts: of each device.
            costs: know the shapes of what is evaluated.
            benches: the networks.
            transfers: know what of the shared state is a device's.
        """
        self._method = method
        self._fleet = fleet
        self._texts = texts
        self._costs = costs
        self._benches = benches
        self._transfers = transfers
        self._shared: dict[tuple[Part, ...], bool] = {}

    def __repr__(self) -> str:
        return f"Evaluations({self._method!r})"

    def alone(self, task: Evaluate, shared: State, private: State) -> Result:
        """Execute one evaluation, of a shared state and a device's private one."""
        adapted = self._benches.of(task.device)
        adapted.load(self._held(task, shared, private))
        examples = self._examples(task)
        if mixing_weights := hook(self._method, "mixing_weights"):
            weights = mixing_weights(split_residual(private)[0], adapted.describe(examples))
            return Result({}, adapted.evaluate_blended(examples, weights))
        return Result({}, adapted.evaluate(examples))

    def together(
        self, tasks: Sequence[Evaluate], states: Sequence[Sequence[State]]
    ) -> list[Result]:
        """Execute evaluations that share passes.

        Args:
            tasks: of many devices.
            states: of each task, the shared and the private one.
        """
        if len(tasks) == 1:
            return [self.alone(tasks[0], *states[0])]
        from wfl_sim.learning.grouped.evaluation import EvaluationItem, evaluate_together

        exams = []
        for task, given in zip(tasks, states, strict=True):
            held = self._held(task, *given)
            check_same(self._costs.all_shapes(task.device), shapes_of(held), "state")
            parts = self._fleet.parts(task.device)
            exams.append(EvaluationItem(parts=parts, state=held, examples=self._examples(task)))
        found = evaluate_together(self._benches.of(tasks[0].device), exams)
        return [Result({}, values) for values in found]

    def shares(self, task: Evaluate) -> bool:
        """Return whether an evaluation can share passes with those of other devices."""
        parts = self._fleet.parts(task.device)
        if parts not in self._shared:
            reason = self._hindrance(task)
            if reason and not self._shared:
                _log.warning("evaluations go one by one: %s", reason)
            self._shared[parts] = not reason
        return self._shared[parts]

    def _hindrance(self, task: Evaluate) -> str | None:
        from wfl_sim.learning.grouped.eligibility import why_not_stackable

        if hook(self._method, "mixing_weights"):
            return "LoRAs weigh differently from text to text"
        adapted, parts = self._benches.of(task.device), self._fleet.parts(task.device)
        return why_not_stackable(adapted, parts, self._examples(task))

    def _held(self, task: Evaluate, shared: State, private: State) -> State:
        """Return the values of all parts with which a device answers."""
        received = self._transfers.offered(task.device, shared)
        shapes = self._costs.all_shapes(task.device)
        return personal_model(self._method, received, split_residual(private)[0], shapes)

    def _examples(self, task: Evaluate) -> Any:
        return self._texts.placed("test", task.device, task.shard)
