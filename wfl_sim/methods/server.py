"""The server's update: staleness, aggregation by the method, and the server optimiser."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, Any, Final, Literal

import numpy as np

from wfl_sim.config import answers
from wfl_sim.config.answers import AnswerError, one_number
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.registry import From
from wfl_sim.methods.aggregation import Upload
from wfl_sim.methods.method import METHODS, Method, is_weighted_mean, on_device
from wfl_sim.methods.robust import ROBUST, Robust, robust_aggregate
from wfl_sim.methods.server_optimizers import MEMORY, OPTIMIZERS, Average, Optimizer
from wfl_sim.methods.staleness import STALENESS, Delta, Staleness
from wfl_sim.state import State, of_parts, outside, put_under, shapes_of, under

_AVERAGE: Final = Average()


@dataclass(frozen=True, kw_only=True)
class AggregationConfig:
    """What the server makes of the uploads, beside the method's own aggregation."""

    optimizer: Annotated[Optimizer, From(OPTIMIZERS)] = field(default_factory=Average)
    staleness: Annotated[Staleness, From(STALENESS)] = field(default_factory=Delta)
    weights: Literal["examples", "equal"] = "examples"
    """Weights of uploads: numbers of training examples, or one each (FedBuff)."""
    robust: Annotated[Robust, From(ROBUST)] | None = None
    """What replaces the mean where some uploads may be wrong."""

    @property
    def optimizes(self) -> bool:
        """Whether an optimiser makes something else of the average."""
        return self.optimizer != _AVERAGE

    @property
    def rule(self) -> "AggregationConfig":
        """The rules of aggregation alone, without other settings of a server."""
        own = {each.name: getattr(self, each.name) for each in fields(AggregationConfig)}
        return AggregationConfig(**own)

    def check(self, method: Any) -> None:
        """Refuse what would do nothing, or harm, to the aggregate of a method that is no average.

        Raises:
            LocatedError: an optimiser or a rule of staleness other than the default.
        """
        if is_weighted_mean(method):
            return
        given = {
            "optimizer": self.optimizes,
            "staleness": self.staleness != Delta(),
            "robust": self.robust is not None,
        }
        for key in (key for key, other in given.items() if other):
            name = METHODS.label(method)
            message = f"needs a method that averages uploads, which {name} does not"
            raise LocatedError(message, "server", key)

    def step(self, shared: State, mean: State) -> State:
        """Return the next shared state with the optimiser's memory."""
        present = {name: shared[name] for name in mean}
        answer = self.optimizer.step(present, mean, under(MEMORY, shared))
        if not isinstance(answer, tuple) or len(answer) != 2:
            rule = "two mappings, the next state and what is remembered"
            raise AnswerError.of(self.optimizer, "step", rule, answer)
        moved, memory = (answers.state(self.optimizer, "step", each) for each in answer)
        answers.state(self.optimizer, "step", moved, shapes_of(mean))
        return {**moved, **put_under(MEMORY, memory)}


def server_update(
    method: Method,
    rule: AggregationConfig,
    shared: State,
    uploads: Sequence[Upload],
    *,
    known: Iterable[str] = (),
    edge: bool = False,
    noise: float = 0.0,
    rng: np.random.Generator | None = None,
) -> State:
    """Return the next shared state, the server optimiser's memory included.

    Old uploads are brought to the present state, the method aggregates, the air adds its error,
    and the server optimiser steps. If no upload has any weight, the present state stays.

    Args:
        method: aggregates.
        rule: of the server.
        shared: the present state.
        uploads: in ascending order of device.
        known: names that an aggregate leaves as they are, unless it says otherwise.
        edge: average for a cell: no optimiser, no memory.
        noise: standard deviation of the error on the average, as a share of the largest root mean
            square among the updates.
        rng: of `noise`.
    """
    present = outside(MEMORY, shared)
    # Edge servers keep the memory in their states until they get the next one of the cloud.
    uploads = [replace(each, state=outside(MEMORY, each.state)) for each in uploads]
    if rule.weights == "equal":
        # An aggregate of a cell weighs as many as are in it.
        uploads = [replace(each, weight=1.0) if each.device >= 0 else each for each in uploads]
    if is_weighted_mean(method):
        presented = [_presented(rule.staleness, present, upload) for upload in uploads]
        uploads = [upload for upload in presented if upload.weight]
        if not uploads:
            return shared
    if rule.robust is None:
        made = dict(answers.state(method, "aggregate", method.aggregate(present, uploads)))
    else:
        made = dict(robust_aggregate(rule.robust, uploads))
    if noise and rng is not None:
        sent = [name for name in made if on_device(method, name)]
        deviation = noise * _largest(present, uploads, sent)
        made |= {name: _disturbed(made[name], deviation, rng) for name in sent}
    made |= {name: present[name] for name in known if name not in made}
    if edge:
        return {**made, **of_parts(shared, MEMORY)}
    if not rule.optimizes:
        return made
    new = next((name for name in made if name not in present), None)
    if new is not None:
        what = f"initial_server_state must begin with {new!r}: a server optimiser steps from it"
        raise AnswerError(method, f"{type(method).__name__}.{what}")
    return rule.step(shared, made)


def _presented(rule: Staleness, present: State, upload: Upload) -> Upload:
    found = rule.present(present, upload)
    if not isinstance(found, Upload):
        raise AnswerError.of(rule, "present", "an Upload", found)
    one_number(rule, "present", found.weight, least=0)
    answers.state(rule, "present", found.state, shapes_of(upload.state))
    return found


def _largest(shared: State, uploads: Sequence[Upload], sent: Sequence[str]) -> float:
    """Return the largest root mean square among the changes that devices have sent."""
    changes = [
        [state[name] - base.get(name, 0.0) for name in sent if name in state]
        for state, base in ((upload.state, upload.base or shared) for upload in uploads)
    ]
    squares = [
        np.concatenate([np.square(each, dtype=np.float64).ravel() for each in change])
        for change in changes
    ]
    return float(np.sqrt(max(each.mean() for each in squares)))


def _disturbed(mean: Any, deviation: float, rng: np.random.Generator) -> Any:
    """Return values of the average as they are received over the air."""
    return mean + rng.normal(0.0, deviation, mean.shape).astype(np.float32)
