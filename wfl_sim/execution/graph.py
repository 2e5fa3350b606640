"""Task graph: the tasks of a run by key. A task is executed when its result is asked for."""

import heapq
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack
from graphlib import TopologicalSorter
from typing import Any, Final, Self

from wfl_sim.config.answers import AnswerError
from wfl_sim.execution.executor import EXECUTORS, Backlog, Executor, Inline, Session, mode_of
from wfl_sim.execution.learner import Learner
from wfl_sim.execution.store import MissingResultError, Store
from wfl_sim.execution.task import Result, StateRef, Task, key_of
from wfl_sim.state import State

_log = logging.getLogger(__name__)

_POLL: Final = 0.02
"""Seconds between looks at tasks that another process has claimed."""
_LOSSES: Final = 8
"""How often results may vanish from the store during one `compute`."""
_PATIENCE: Final = 600.0
"""Seconds to wait for a task claimed by another process before it is executed here as well: that
process may be suspended."""

Progress = Callable[[Task, int, int], None]
"""Called after each task with the task, the number of finished tasks and the number needed."""


class ReadyQueue:
    """Tasks whose inputs are finished, in the order in which the tasks were added to the graph."""

    def __init__(
        self, missing: set[str], tasks: Mapping[str, Task], number: Mapping[str, int]
    ) -> None:
        self.total = len(missing)
        self.finished = 0
        self.ready: list[tuple[int, str]] = []
        self._number = number
        self._sorter = TopologicalSorter(
            {key: {ref.key for ref in tasks[key].incoming} & missing for key in missing}
        )
        self._sorter.prepare()
        self._add_ready()

    @property
    def left(self) -> int:
        """Number of unfinished tasks."""
        return self.total - self.finished

    def pop(self) -> str:
        """Remove and return the first ready task."""
        return heapq.heappop(self.ready)[1]

    def push(self, key: str) -> None:
        """Put a ready task back."""
        heapq.heappush(self.ready, (self._number[key], key))

    def done(self, key: str) -> None:
        """Record that the result of a task is in the store."""
        self.finished += 1
        self._sorter.done(key)
        self._add_ready()

    def _add_ready(self) -> None:
        for key in self._sorter.get_ready():
            self.push(key)


class TaskGraph:
    """Tasks of a run. As a context manager it ends the session of its executor (`Inline`)."""

    def __init__(
        self,
        learner: Learner,
        store: Store,
        progress: Progress | None = None,
        *,
        executor: Executor | None = None,
    ) -> None:
        self.executed = 0
        self.executor = executor or Inline()
        self._mode = mode_of(self.executor)
        self._learner = learner
        self._store = store
        self._progress = progress
        self._open = ExitStack()
        self._session: Session | None = None
        # Insertion order is a topological order: a task can name only keys of earlier tasks.
        self._tasks: dict[str, Task] = {}
        self._order: dict[str, int] = {}
        self._claimed: set[str] = set()

    def __repr__(self) -> str:
        return f"TaskGraph({len(self._tasks)} tasks, {self.executed} executed)"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_session()

    def add(self, task: Task) -> str:
        """Add a task and return its key; nothing is executed."""
        key = key_of(task, self._mode)
        if key not in self._tasks:
            self._order[key] = len(self._tasks)
            self._tasks[key] = task
        return key

    def task(self, key: str) -> Any:
        """Return a task."""
        return self._tasks[key]

    def compute(self, keys: Iterable[str]) -> None:
        """Execute the tasks that the results of `keys` need and the store lacks.

        Raises:
            OSError: the store cannot be written, or loses results.
            Exception: an error of a task.
        """
        keys = list(keys)
        losses = 0
        try:
            while missing := self._missing(keys):
                if losses > _LOSSES:
                    raise OSError(f"{self._store.folder}: does not keep results")
                losses += 1
                try:
                    self._execute(missing)
                except MissingResultError as lost:
                    _log.warning("%s has gone from the store: made again", lost)
                    self._end_session()
        finally:
            try:
                self._store.flush()
            finally:
                for key in self._claimed:
                    self._store.release(key)
                self._claimed.clear()

    def values(self, key: str) -> Mapping[str, float]:
        """Return the numbers of a task; executes it if necessary."""
        return self.result(key).values

    def state(self, ref: StateRef) -> State:
        """Return a state; executes the task that produces it if necessary."""
        return self.result(ref.key).states[ref.output]

    def result(self, key: str) -> Result:
        """Return the result of a task; executes it if necessary."""
        self.compute([key])
        return self._store.get(key)

    def report(self) -> Mapping[str, Any]:
        """Return how tasks were executed, for the manifest."""
        how = {} if self._session is None else self._session.report()
        return {"executor": EXECUTORS.name_of(self.executor), "mode": self.executor.mode, **how}

    def _end_session(self) -> None:
        self._session = None
        self._open.close()

    def _missing(self, keys: Iterable[str]) -> set[str]:
        """Return the keys of the tasks to execute."""
        missing: set[str] = set()
        to_check = list(keys)
        while to_check:
            key = to_check.pop()
            if key not in missing and key not in self._store:
                missing.add(key)
                to_check += [ref.key for ref in self._tasks[key].incoming]
        return missing

    def _execute(self, missing: set[str]) -> None:
        """Execute tasks; of the ready ones the one that was added first.

        A task that another process has claimed is left to that process. When nothing else is left
        to do, its result is waited for.
        """
        if self._session is None:
            session: Any = self.executor.session(self._learner, self._store)
            if isinstance(session, AbstractContextManager):
                session = self._open.enter_context(session)
            if not hasattr(session, "submit"):
                raise AnswerError.of(self.executor, "session", "a context with a Session", session)
            self._session = session
        queue = ReadyQueue(missing, self._tasks, self._order)
        running = 0
        idle = 0.0
        while queue.left:
            taken: dict[str, Task] = {}
            elsewhere: list[str] = []
            while queue.ready and len(taken) < self._session.room:
                key = queue.pop()
                if not self._claim(key, impatient=idle > _PATIENCE):
                    elsewhere.append(key)
                elif self._store.holds(key):
                    self._done(key, queue)
                else:
                    taken[key] = self._tasks[key]
            if taken:
                backlog = Backlog(ready=len(queue.ready), left=queue.left)
                self._session.submit(taken, backlog)
                running += len(taken)
            if running:
                for key in self._session.finished():
                    running -= 1
                    self.executed += 1
                    self._done(key, queue)
                idle = 0.0
            elif elsewhere and not queue.ready:
                time.sleep(_POLL)
                idle += _POLL
            # The next claim tells whether the other process has finished them or given them up.
            for key in elsewhere:
                queue.push(key)

    def _claim(self, key: str, *, impatient: bool) -> bool:
        if not (self._store.claim(key) or impatient):
            return False
        self._claimed.add(key)
        return True

    def _done(self, key: str, queue: ReadyQueue) -> None:
        self._store.release(key)
        self._claimed.discard(key)
        queue.done(key)
        if self._progress is not None:
            self._progress(self._tasks[key], queue.finished, queue.total)
