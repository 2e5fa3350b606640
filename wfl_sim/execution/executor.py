"""Executors: their contract, and the reference, one task after the other in this process."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol

from wfl_sim.config.plugin_code import code_of
from wfl_sim.config.registry import Registry
from wfl_sim.execution.learner import Learner, SeriesLearner
from wfl_sim.execution.store import Store
from wfl_sim.execution.task import LocalUpdate, Task
from wfl_sim.state import State

_SERIES: Final = 32
"""Most local updates in a series."""
_SERIES_SECONDS: Final = 0.5
"""Length of a series in s, if its updates take as long as the last ones: what a kill costs."""


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
    """Executes tasks when a result is waited for: one, or short local updates in a series."""

    def __init__(self, learner: Learner, store: Store) -> None:
        self._learner = learner
        self._series = learner if isinstance(learner, SeriesLearner) else None
        self._store = store
        self._taken: dict[str, Task] = {}
        self._most = 1

    @property
    def room(self) -> int:
        """None before all are done; then one, or after local updates as many as half a second."""
        return 0 if self._taken else self._most

    def submit(self, tasks: Mapping[str, Task], backlog: Backlog) -> None:
        """Take tasks."""
        self._taken.update(tasks)

    def finished(self) -> Sequence[str]:
        """Execute the first task, or all local updates if it is one."""
        first = next(iter(self._taken))
        if self._series is not None and isinstance(self._taken[first], LocalUpdate):
            return self._updates(self._series)
        task = self._taken.pop(first)
        self._store.put(first, self._learner.run(task, inputs_of(task, self._store)))
        self._most = 1
        return [first]

    def _updates(self, learner: SeriesLearner) -> list[str]:
        """Execute the local updates, and see how many of them fit into a series."""
        began = time.perf_counter()
        updates = {key: each for key, each in self._taken.items() if isinstance(each, LocalUpdate)}
        self._taken = {key: each for key, each in self._taken.items() if key not in updates}
        inputs = [inputs_of(task, self._store) for task in updates.values()]
        results = learner.run_series(list(updates.values()), inputs)
        for key, result in zip(updates, results, strict=True):
            self._store.put(key, result)
        seconds = max((time.perf_counter() - began) / len(updates), _SERIES_SECONDS / _SERIES)
        self._most = max(1, int(_SERIES_SECONDS / seconds))
        return list(updates)

    def report(self) -> Mapping[str, Any]:
        """Return the kind."""
        return {"executor": "inline"}


def inputs_of(task: Task, store: Store) -> list[Mapping[str, State]]:
    """Return the states of the incoming results of a task, in task order.

    Raises:
        MissingResultError: a result is no longer in the store.
    """
    return [store.get(ref.key).states for ref in task.incoming]
