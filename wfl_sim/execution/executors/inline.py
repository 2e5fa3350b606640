"""Inline: one task after the other in this process. The reference for all other executors."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from wfl_sim.execution.executors.base import EXECUTORS, Backlog
from wfl_sim.execution.learner import Learner
from wfl_sim.execution.store import Store
from wfl_sim.execution.task import Task
from wfl_sim.state import State


@EXECUTORS("inline")
@dataclass(frozen=True)
class Inline:
    """One task after the other, in this process."""

    @property
    def mode(self) -> str:
        """The bits that all other executors are compared with."""
        return "exact"

    @contextmanager
    def session(self, learner: Learner, store: Store) -> Iterator["InlineSession"]:
        """Nothing is started or ended."""
        yield InlineSession(learner, store)


class InlineSession:
    """Executes a task when its result is waited for."""

    def __init__(self, learner: Learner, store: Store) -> None:
        self._learner = learner
        self._store = store
        self._taken: dict[str, Task] = {}

    @property
    def room(self) -> int:
        """One task at a time."""
        return 1 - len(self._taken)

    def submit(self, tasks: Mapping[str, Task], backlog: Backlog) -> None:
        """Take a task."""
        self._taken.update(tasks)

    def finished(self) -> Sequence[str]:
        """Execute the task."""
        key, task = self._taken.popitem()
        self._store.put(key, self._learner.run(task, inputs_of(task, self._store)))
        return [key]

    def report(self) -> Mapping[str, Any]:
        """Return the kind."""
        return {"executor": "inline"}


def inputs_of(task: Task, store: Store) -> list[Mapping[str, State]]:
    """Return the states of the incoming results of a task, in task order.

    Raises:
        MissingResultError: a result is no longer in the store.
    """
    return [store.get(ref.key).states for ref in task.incoming]
