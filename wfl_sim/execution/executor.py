"""Executors: their contract, and the reference, one task after the other in this process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from wfl_sim.config.plugin_code import code_of
from wfl_sim.config.registry import Registry
from wfl_sim.execution.learner import Learner
from wfl_sim.execution.store import Store
from wfl_sim.execution.task import Task
from wfl_sim.state import State


@dataclass(frozen=True)
class Backlog:
    """What else there is to do when an executor gets tasks."""

    ready: int
    """Number of other tasks that are ready."""
    left: int
    """Number of unfinished tasks, those that the executor gets included."""


class Session(Protocol):
    """An executor at work: takes tasks whose inputs are stored, and stores their results.

    A session that executes each task at once, and takes three before it is asked for results:

    >>> class EagerSession:
    ...     def __init__(self, learner, store):
    ...         self.learner, self.store, self.done = learner, store, []
    ...
    ...     @property
    ...     def room(self):
    ...         return 3 - len(self.done)
    ...
    ...     def submit(self, tasks, backlog):
    ...         for key, task in tasks.items():
    ...             inputs = [self.store.get(ref.key).states for ref in task.incoming]
    ...             self.store.put(key, self.learner.run(task, inputs))
    ...             self.done.append(key)
    ...
    ...     def finished(self):
    ...         done, self.done = self.done, []
    ...         return done
    ...
    ...     def report(self):
    ...         return {"executor": "eager"}
    """

    @property
    def room(self) -> int:
        """Number of tasks that it can take at this moment."""

    def submit(self, tasks: Mapping[str, Task], backlog: Backlog) -> None:
        """Take tasks by key, at most `room`; their inputs are in the store."""

    def finished(self) -> Sequence[str]:
        """Wait until at least one task is done; return the keys whose results are in the store.

        Raises:
            MissingResultError: an input is no longer in the store.
            Exception: an error of a task.
        """

    def report(self) -> Mapping[str, Any]:
        """Return what the manifest says: "executor", the kind, and what else matters."""


class Executor(Protocol):
    """Where and how tasks are executed. It decides how long a run takes, not its results.

    An executor that says when a session begins and executes tasks one after the other:

    >>> from contextlib import contextmanager
    >>> from dataclasses import dataclass
    >>> from wfl_sim.execution.executor import Inline
    >>> @dataclass(frozen=True)
    ... class Saying:
    ...     mode = "exact"
    ...
    ...     @contextmanager
    ...     def session(self, learner, store):
    ...         print("a session begins")
    ...         with Inline().session(learner, store) as session:
    ...             yield session

    `@EXECUTORS("saying")` above the class lets scenarios name it.

    >>> with Saying().session(learner=None, store=None) as session:
    ...     session.room
    a session begins
    1
    """

    @property
    def mode(self) -> str:
        """ "exact" for the bits of `inline`; another word enters the keys of all results."""

    def session(self, learner: Learner, store: Store) -> AbstractContextManager[Session]:
        """Return a context manager whose value executes tasks until the context ends."""


EXECUTORS: Registry[Executor] = Registry("executor", Executor)


def mode_of(executor: Executor) -> str:
    """Return the mode of an executor for keys: with its code if a user's executor is not exact."""
    return executor.mode if executor.mode == "exact" else f"{executor.mode} {code_of(executor)}"


@EXECUTORS("inline")
@dataclass(frozen=True)
class Inline:
    """One task after the other, in this process."""

    mode: ClassVar[str] = "exact"

    @contextmanager
    def session(self, learner: Learner, store: Store) -> Iterator[InlineSession]:
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
