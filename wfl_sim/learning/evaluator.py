"""How good the models of devices are on held-out examples, for one device or for many together."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from wfl_sim.execution.task import Evaluate, Result
from wfl_sim.learning.learner_context import LearnerContext
from wfl_sim.learning.payloads import Payloads
from wfl_sim.methods.method import hook
from wfl_sim.methods.parts import Part
from wfl_sim.state import State, check_same, shapes_of

if TYPE_CHECKING:
    from wfl_sim.learning.adapted_model import AdaptedModel
    from wfl_sim.learning.mixing import Weights

_log = logging.getLogger(__name__)
_DEVICES: Final = 4
_REQUESTS: Final = 2
"""Samples that are kept: requests of each of the first devices."""


@dataclass(frozen=True, eq=False)
class Evaluator:
    """Evaluates shared and private states on held-out examples."""

    context: LearnerContext
    payloads: Payloads
    """The models of devices, and their shapes."""
    _stackable: dict[tuple[Part, ...], bool] = field(default_factory=dict, init=False)

    @cached_property
    def _mixing_weights(self) -> "Callable[..., Weights] | None":
        return hook(self.context.method, "mixing_weights")

    def alone(self, task: Evaluate, shared: State, private: State) -> Result:
        """Execute one evaluation, of a shared state and a device's private one."""
        shapes = self.payloads.shapes(task.device)
        state = self.payloads.personal_model(task.device, shared, private)
        examples = self.context.examples.placed("test", task.device, task.shard)
        adapted = self.context.models.of(shapes.parts)
        adapted.load(state)
        return Result({}, adapted.evaluate(examples, self._weights(adapted, private, examples)))

    def _weights(self, adapted: "AdaptedModel", private: State, examples: Any) -> "Weights | None":
        """Return the weights of LoRAs for each text; None where all weigh alike."""
        if self._mixing_weights is None:
            return None
        kept, _ = self.payloads.split(private)
        return self._mixing_weights(kept, adapted.describe(examples))

    def samples(self, shared: State, private: Sequence[State]) -> list[dict[str, str]]:
        """Return what the models of the first devices answer, before tuning and after."""
        from torch import arange

        from wfl_sim.learning.alignment.language_model import LanguageModel
        from wfl_sim.learning.alignment.policy import reference_policy

        found = []
        for device, kept in enumerate(private[:_DEVICES]):
            examples = self.context.examples.examples("test", device)
            encoded = self.context.examples.placed("test", device, examples.fingerprint())
            some = encoded.take(arange(min(_REQUESTS, len(examples))))
            adapted = self.context.models.of(self.payloads.shapes(device).parts)
            assert isinstance(adapted, LanguageModel)
            adapted.load(self.payloads.personal_model(device, shared, kept))
            after = adapted.answers(some, self._weights(adapted, kept, some))
            with reference_policy(adapted):
                before = adapted.answers(some)
            given = some.examples
            found += [
                {
                    "device": f"device-{device}",
                    "request": given.texts[row],
                    "given": given.answers[row],
                    "before": before[row],
                    "after": after[row],
                }
                for row in range(len(given))
            ]
        return found

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

        items = []
        for task, given in zip(tasks, states, strict=True):
            shapes = self.payloads.shapes(task.device)
            state = self.payloads.personal_model(task.device, *given)
            check_same(dict(shapes.every), shapes_of(state), "state")
            examples = self.context.examples.placed("test", task.device, task.shard)
            items.append(EvaluationItem(parts=shapes.parts, state=state, examples=examples))
        found = evaluate_together(self.context.models.of(items[0].parts), items)
        return [Result({}, values) for values in found]

    def shares(self, task: Evaluate) -> bool:
        """Return whether an evaluation can share passes with those of other devices."""
        parts = self.payloads.shapes(task.device).parts
        if parts not in self._stackable:
            reason = self._obstacle(task, parts)
            if reason and not self._stackable:
                _log.warning("evaluations go one by one: %s", reason)
            self._stackable[parts] = not reason
        return self._stackable[parts]

    def _obstacle(self, task: Evaluate, parts: tuple[Part, ...]) -> str | None:
        from wfl_sim.learning.grouped.eligibility import why_not_stackable

        if self._mixing_weights is not None:
            return "LoRAs weigh differently from text to text"
        examples = self.context.examples.placed("test", task.device, task.shard)
        return why_not_stackable(self.context.models.of(parts), parts, examples)
