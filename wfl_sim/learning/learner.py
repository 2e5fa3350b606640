"""The learner that fine-tunes: it executes tasks with torch, and reports their costs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from wfl_sim.device_models.workload import Workload
from wfl_sim.execution.task import (
    Aggregate,
    Evaluate,
    InitialPrivate,
    InitialShared,
    LocalUpdate,
    Result,
    Task,
)
from wfl_sim.learning.compatibility import check_compatible
from wfl_sim.learning.costs import UpdateCosts
from wfl_sim.learning.evaluator import Evaluator
from wfl_sim.learning.fingerprint import learner_fingerprint, rewards_of
from wfl_sim.learning.learner_context import LearnerContext
from wfl_sim.learning.local_update import LocalTrainer
from wfl_sim.learning.payloads import Payloads
from wfl_sim.learning.server_update import next_shared
from wfl_sim.methods.method import hook, initial_server_state
from wfl_sim.methods.parts import Role, with_role
from wfl_sim.state import State

if TYPE_CHECKING:
    from wfl_sim.learning.adapted_model import AdaptedModel
    from wfl_sim.learning.inspection import Inspection


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PeftLearner(LearnerContext):
    """Fine-tunes the parts of a method on a frozen pretrained network.

    Torch is imported and weights are loaded when a task is first run; `workload` reads the
    configuration of the network alone.

    Raises:
        ValueError: `tokens` or `threads` is less than 1, or method and server do not go together.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self.server.check(self.method)
        check_compatible(self.model, self.method, self.shards)

    def __repr__(self) -> str:
        return (
            f"PeftLearner({self.model!r}, {self.method!r}, {self.shards!r}, tokens={self.tokens})"
        )

    @cached_property
    def inspection(self) -> "Inspection":
        """What is worth saying of model and texts, which are read for it.

        Raises:
            ValueError: they cannot be used.
            OSError: they are not there.
        """
        from wfl_sim.learning.alignment.rewards import reward_models_of
        from wfl_sim.learning.inspection import inspect

        rewards = reward_models_of(self.method.phases)
        return inspect(
            self.model,
            self.shards,
            rewards,
            self.tokens,
            self.method.parts,
            self.examples.retrieval,
        )

    @cached_property
    def costs(self) -> UpdateCosts:
        """What local updates take."""
        return UpdateCosts(self)

    @cached_property
    def payloads(self) -> Payloads:
        """What devices send and receive."""
        return Payloads(self, self.costs)

    @cached_property
    def local_trainer(self) -> LocalTrainer:
        """Executes local updates."""
        return LocalTrainer(self, self.payloads)

    @cached_property
    def evaluator(self) -> Evaluator:
        """Executes evaluations."""
        return Evaluator(self, self.payloads)

    @cached_property
    def recipe(self) -> str:
        """Fingerprint of everything but shard, seed and incoming states that decides a result."""
        return learner_fingerprint(
            model=self.model,
            method=self.method,
            tokens=self.tokens,
            classes=len(self.shards.classes),
            codecs=(self.codec_up, self.codec_down),
            threads=self.threads,
            settings=(
                self.server,
                self.device_parts.sizes,
                self.privacy,
                self.padding,
                *self._size,
                *self.metrics,
                *rewards_of(self.method.phases),
                self.examples.retrieval,
            ),
        )

    def workload(self, device: int) -> Workload:
        """Return the costs of one local update, at most, where they vary."""
        return self.costs.workload(device)

    @property
    def varies(self) -> bool:
        """Whether the costs of a local update depend on the texts that it draws."""
        return self.padding != "fixed" or self.examples.retrieval is not None

    def drawn_workload(self, device: int, seed: int) -> Workload:
        """Return the costs of the local update with a seed, on the texts it will draw."""
        return self.costs.drawn(device, seed) if self.varies else self.workload(device)

    @property
    def keeps(self) -> bool:
        """Whether a device keeps private parts, or what its codec or method remembers."""
        if getattr(self.codec_up, "feedback", False) or hook(self.method, "local_update"):
            return True
        devices = range(len(self.shards.train))
        return any(self.payloads.shapes(device).private for device in devices)

    @property
    def remembers_uploads(self) -> bool:
        """Whether what a device keeps depends on whether its upload is used."""
        return self.payloads.remembers_uploads

    @property
    def sends_news(self) -> bool:
        """Whether a download depends on what the device has got before."""
        return self.payloads.depends_on_history

    def download_bits(self, device: int, news: Sequence[Sequence[int]]) -> int:
        """Return the bits of a download after the aggregations since its last download.

        Args:
            device: the receiver.
            news: for each aggregation, the devices whose uploads were in it.
        """
        return self.payloads.download_bits(device, news)

    def adapted_model(self, device: int) -> "AdaptedModel":
        """Return the network with the parts of a device; -1 is the server."""
        return self.models.of(self.device_parts.parts(device))

    def samples(self, shared: State, private: Sequence[State]) -> list[dict[str, str]]:
        """Return answers before and after tuning, of language models; see `Evaluator.samples`."""
        if self.examples.layout is None:
            return []
        return self.evaluator.samples(shared, private)

    def step_seconds(self, least: float) -> list[float]:
        """Return the host's seconds for one local step of each phase, on the data of device 0.

        Args:
            least: s that each phase is repeated for, after two steps that are not counted.
        """
        examples = self.examples
        encoded = examples.placed("train", 0, examples.examples("train", 0).fingerprint())
        adapted = self.adapted_model(0)
        adapted.reset(adapted.parts, 0)
        return [adapted.step_seconds(phase, encoded, least) for phase in self.phases]

    @np.errstate(over="ignore", invalid="ignore")
    def run(self, task: Task, inputs: Sequence[Mapping[str, State]]) -> Result:
        """Execute a task; `inputs` are the states of its incoming results, in task order.

        What is not finite comes out as it is, and is said at the end.

        Raises:
            ValueError: the task was made for another recipe, shard or method.
            RuntimeError: a payload is not as long as the workload said, or a local update has not
                trained the phases that its costs were counted for.
        """
        states = self._states(task, inputs)
        match task:
            case InitialShared():
                return Result({"shared": self._begin(task.seed)})
            case InitialPrivate():
                return Result({"private": self._initial(task.device, task.seed, "private")})
            case LocalUpdate():
                return self.local_trainer.several([task], [states], apart=True)[0]
            case Aggregate():
                return next_shared(self, self.payloads, task, states)
            case Evaluate():
                return self.evaluator.alone(task, *states)

    def shares(self, task: Task) -> bool:
        """Return whether a task is a local update, or an evaluation that can share a pass."""
        evaluation = isinstance(task, Evaluate) and self.evaluator.shares(task)
        return evaluation or isinstance(task, LocalUpdate)

    @np.errstate(over="ignore", invalid="ignore")
    def run_group(
        self,
        tasks: Sequence[LocalUpdate] | Sequence[Evaluate],
        inputs: Sequence[Sequence[Mapping[str, State]]],
    ) -> Sequence[Result]:
        """Execute evaluations together, or updates, of which some may have to go one by one.

        Raises:
            ValueError, RuntimeError: as `run`.
        """
        several: Sequence[LocalUpdate | Evaluate] = tasks
        states = [self._states(task, given) for task, given in zip(several, inputs, strict=True)]
        if evaluations := [task for task in several if isinstance(task, Evaluate)]:
            return self.evaluator.together(evaluations, states)
        updates = [task for task in several if isinstance(task, LocalUpdate)]
        return self.local_trainer.several(updates, states)

    @np.errstate(over="ignore", invalid="ignore")
    def run_series(
        self, tasks: Sequence[LocalUpdate], inputs: Sequence[Sequence[Mapping[str, State]]]
    ) -> Sequence[Result]:
        """Execute local updates, none together with another.

        Raises:
            ValueError, RuntimeError: as `run`.
        """
        states = [self._states(task, given) for task, given in zip(tasks, inputs, strict=True)]
        return self.local_trainer.several(tasks, states, apart=True)

    @property
    def _size(self) -> tuple[int, ...]:
        """The number of devices, where the method looks at it."""
        return (len(self.shards.train),) if hook(self.method, "initial_server_state") else ()

    def _states(self, task: Task, inputs: Sequence[Mapping[str, State]]) -> list[State]:
        """Return the states that come in, of all that was put out with them."""
        if task.recipe != self.recipe:
            raise ValueError(f"the task is of recipe {task.recipe[:8]}, not {self.recipe[:8]}")
        return [given[ref.output] for ref, given in zip(task.incoming, inputs, strict=True)]

    def _begin(self, seed: int) -> State:
        shared = self._initial(-1, seed, "shared", "known")
        return initial_server_state(self.method, shared, len(self.shards.train))

    def _initial(self, device: int, seed: int, *roles: Role) -> State:
        """Return the initial values of a device's parameters that have one of the roles."""
        adapted = self.adapted_model(device)
        every = adapted.parts
        parts = [part for part in every if with_role(every, adapted.shapes([part]), *roles)]
        adapted.reset(parts, seed)
        names = self.costs.shapes(device, *roles)
        values = adapted.read(sorted({name.partition("/")[0] for name in names}))
        return {name: values[name] for name in names}
