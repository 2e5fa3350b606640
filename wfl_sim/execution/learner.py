"""The contract of learners: what executes learning tasks and tells what they cost."""

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
    """The door to the learning room: what a local update costs, and its real execution."""

    @property
    def sends_news(self) -> bool:
        """Whether a download depends on what the device has got before."""

    @property
    def keeps(self) -> bool:
        """Whether a device remembers anything from one local update to the next."""

    @property
    def recipe(self) -> str:
        """Fingerprint of all that decides a result but shard, seed and incoming states.

        Code, base model, method, tokenisation, codecs.
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
            news: of each aggregation since its last download, or since the beginning, the devices
                whose uploads were in it.
        """

    def run(self, task: Task, inputs: Sequence[Mapping[str, State]]) -> Result:
        """Execute a task; `inputs` are the states of its incoming results, in task order."""


@runtime_checkable
class GroupLearner(Learner, Protocol):
    """A learner that can train or evaluate several devices in one pass."""

    def shares(self, task: Task) -> bool:
        """Return whether a task is one for `run_group`."""

    def run_group(
        self,
        tasks: Sequence[LocalUpdate] | Sequence[Evaluate],
        inputs: Sequence[Sequence[Mapping[str, State]]],
    ) -> Sequence[Result]:
        """Execute local updates, or evaluations, of one recipe together.

        Shards, seeds, ranks and numbers of steps may differ. What cannot go together is the
        learner's to run apart.

        Args:
            tasks: at least one.
            inputs: for each task what `run` would be given.

        Returns:
            What `run` would return for each, within the tolerance of floating-point sums.
        """


class PortableModel(ABC):
    """A base model that can be carried to another machine as files."""

    @property
    @abstractmethod
    def installed(self) -> bool:
        """Whether it is part of an installed package, and so need not be carried."""

    @abstractmethod
    def content(self) -> tuple[str, Sequence[Path]]:
        """Return a key of the content of the model's files, and the files, weights included.

        Raises:
            FileNotFoundError: the model is neither on this machine nor reachable.
        """

    @abstractmethod
    def is_here(self, key: str) -> bool:
        """Return whether the model's folder exists on this machine and has this content."""

    @abstractmethod
    def located_at(self, folder: Path) -> Self:
        """Return the same model, read from another folder."""
