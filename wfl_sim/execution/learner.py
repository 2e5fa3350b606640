"""The contract of learners, which execute learning tasks and tell what they cost."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self, runtime_checkable

if TYPE_CHECKING:
    from wfl_sim.device_models.workload import Workload
    from wfl_sim.execution.task import Evaluate, LocalUpdate, Result, Task
    from wfl_sim.state import State


class Learner(Protocol):
    """Executes learning tasks, and tells what a local update costs.

    A learner whose state is one number, to which each device adds its index:

    >>> import numpy as np
    >>> from wfl_sim.execution.task import InitialShared, Result
    >>> class Adding:
    ...     recipe, sends_news, keeps, varies = "adding", False, False, False
    ...
    ...     def run(self, task, inputs):
    ...         if isinstance(task, InitialShared):
    ...             return Result({"shared": {"lora/x": np.zeros(1, np.float32)}})
    ...         shared = inputs[0]["shared"]["lora/x"]
    ...         return Result({"upload": {"lora/x": shared + task.device}, "private": {}})

    The task graph asks it for states that are not in the store:

    >>> import tempfile
    >>> from pathlib import Path
    >>> from wfl_sim.execution.graph import TaskGraph
    >>> from wfl_sim.execution.store import Store
    >>> from wfl_sim.execution.task import StateRef
    >>> task = InitialShared(recipe=Adding.recipe, seed=1)
    >>> with tempfile.TemporaryDirectory() as folder, Store(Path(folder)) as store:
    ...     with TaskGraph(Adding(), store) as graph:
    ...         graph.state(StateRef(graph.add(task), "shared"))
    {'lora/x': array([0.], dtype=float32)}
    """

    @property
    def sends_news(self) -> bool:
        """Whether a download brings only what has changed since the device's last download."""

    @property
    def keeps(self) -> bool:
        """Whether a device has a private state that one local update leaves to the next."""

    @property
    def recipe(self) -> str:
        """Fingerprint of code, base model, method, tokenisation and codecs.

        Results depend on it, and on shard, seed and incoming states.
        """

    def workload(self, device: int) -> Workload:
        """Return the costs of one local update of a device, from shapes alone."""

    @property
    def varies(self) -> bool:
        """Whether the local updates of one device differ in their costs."""

    def drawn_workload(self, device: int, seed: int) -> Workload:
        """Return the costs of the local update with a seed; at most those of `workload`."""

    def download_bits(self, device: int, news: Sequence[Sequence[int]]) -> int:
        """Return the bits of a download, from shapes alone.

        Args:
            device: the receiver.
            news: the devices whose uploads were in each aggregation since the device's last
                download, or since the beginning.
        """

    def run(self, task: Task, inputs: Sequence[Mapping[str, State]]) -> Result:
        """Execute a task; `inputs` are the states of its incoming results, in task order."""


@runtime_checkable
class GroupLearner(Learner, Protocol):
    """A learner that can train or evaluate several devices in one pass over the base model."""

    def shares(self, task: Task) -> bool:
        """Return whether `run_group` can execute a task."""

    def run_group(
        self,
        tasks: Sequence[LocalUpdate] | Sequence[Evaluate],
        inputs: Sequence[Sequence[Mapping[str, State]]],
    ) -> Sequence[Result]:
        """Execute local updates, or evaluations, of one recipe together.

        Shards, seeds, ranks and numbers of steps may differ. The learner runs tasks apart that
        cannot be trained together.

        Args:
            tasks: at least one.
            inputs: the argument of `run` for each task.

        Returns:
            The result of `run` for each task, within the tolerance of floating-point sums.
        """


@runtime_checkable
class SeriesLearner(Learner, Protocol):
    """A learner that prepares several local updates, trains one after the other, and ends all.

    The code that surrounds training is then in the processor's caches, and so is that of training.
    """

    def run_series(
        self, tasks: Sequence[LocalUpdate], inputs: Sequence[Sequence[Mapping[str, State]]]
    ) -> Sequence[Result]:
        """Execute local updates of one recipe, none together with another.

        Args:
            tasks: at least one.
            inputs: the argument of `run` for each task.

        Returns:
            The result of `run` for each task, to the bit.
        """


class PortableModel(ABC):
    """A base model that can be carried to another machine as files."""

    @property
    @abstractmethod
    def installed(self) -> bool:
        """Whether it is part of an installed package, and so need not be carried."""

    @abstractmethod
    def content(self) -> tuple[str, Mapping[str, Path]]:
        """Return a key of the content of the model's files, and the files by path in its folder.

        Raises:
            FileNotFoundError: the model is neither on this machine nor reachable.
        """

    @abstractmethod
    def is_here(self, key: str) -> bool:
        """Return whether the model's folder exists on this machine and has this content."""

    @abstractmethod
    def located_at(self, folder: Path) -> Self:
        """Return the same model, read from another folder."""
