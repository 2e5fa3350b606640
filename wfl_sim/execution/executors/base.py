"""The contract of executors: where and how tasks are executed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from wfl_sim.config.registry import Registry

if TYPE_CHECKING:
    from wfl_sim.execution.learner import Learner
    from wfl_sim.execution.store import Store
    from wfl_sim.execution.task import Task


@dataclass(frozen=True)
class Backlog:
    """What else there is to do when an executor is given tasks."""

    ready: int
    """tasks that are ready beside those that are given"""
    left: int
    """tasks that are not done, those that are given included"""


class Session(Protocol):
    """An executor at work: takes tasks whose inputs are stored, and stores their results."""

    @property
    def room(self) -> int:
        """How many more tasks it takes at this moment."""

    def submit(self, tasks: Mapping[str, Task], outlook: Backlog) -> None:
        """Take tasks by key, at most `room`; their inputs are in the store."""

    def finished(self) -> Sequence[str]:
        """Wait until some of what was taken is done, and return the keys: the store has them.

        Raises:
            GoneError: an input is no longer in the store.
            Exception: whatever a task has raised.
        """

    def report(self) -> Mapping[str, Any]:
        """Return what the manifest says: "executor", the kind, and what else matters."""


class Executor(Protocol):
    """Where and how tasks are executed. It decides how long a run takes, not what comes out."""

    @property
    def mode(self) -> str:
        """ "exact" for the bits of `inline`; another word enters the keys of all results."""

    def session(self, learner: Learner, store: Store) -> AbstractContextManager[Session]:
        """Return what executes tasks until the context ends."""


EXECUTORS: Registry[Executor] = Registry("executor", Executor)
