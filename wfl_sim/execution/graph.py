"""Graph: the tasks of a run by key, executed when a result is demanded and not before."""

import heapq
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any, Final, Self

from wfl_sim.execution.executors.base import EXECUTORS, Backlog, Executor, Session
from wfl_sim.execution.executors.inline import Inline
from wfl_sim.execution.learner import Learner
from wfl_sim.execution.store import MissingResultError, Store
from wfl_sim.execution.task import Result, StateRef, Task, key_of
from wfl_sim.state import State

_log = logging.getLogger(__name__)

_GLANCE: Final = 0.02
"""s between looks at what another process is at work on"""
_LOSSES: Final = 8
"""entries that may go from the store during one demand"""
_PATIENCE: Final = 600.0
"""s without anything else to do after which its work is done here too: it may be stopped"""

Progress = Callable[[Task, int, int], None]
"""called after each task with the task, the number done and the number needed"""


class ReadyQueue:
    """Which of some tasks are ready: those whose inputs are there; the first asked for first."""

    def __init__(
        self, missing: set[str], tasks: Mapping[str, Task], number: Mapping[str, int]
    ) -> None:
        """Begin with the tasks none of whose inputs are missing.

        Args:
            missing: keys of what is to be executed.
            tasks: by key.
            number: of each key in the order of asking.
        """
        self.total = len(missing)
        self.finished = 0
        self._number = number
        self._waits: dict[str, set[str]] = {}
        self._feeds: dict[str, list[str]] = {}
        self.ready: list[tuple[int, str]] = []
        for key in missing:
            inputs = {handle.key for handle in tasks[key].incoming} & missing
            self._waits[key] = inputs
            for each in inputs:
                self._feeds.setdefault(each, []).append(key)
            if not inputs:
                self.again(key)

    def __repr__(self) -> str:
        return f"Order({self.finished} of {self.total} done, {len(self.ready)} ready)"

    @property
    def left(self) -> int:
        """Tasks that are not done."""
        return self.total - self.finished

    def next(self) -> str:
        """Take the first of those that are ready."""
        return heapq.heappop(self.ready)[1]

    def again(self, key: str) -> None:
        """Put a ready task back."""
        heapq.heappush(self.ready, (self._number[key], key))

    def done(self, key: str) -> None:
        """Note that a result is there."""
        self.finished += 1
        for each in self._feeds.get(key, ()):
            self._waits[each].discard(key)
            if not self._waits[each]:
                self.again(each)


class TaskGraph:
    """Everything that a run has asked to learn. A context: at its end the executor is let go."""

    def __init__(
        self,
        learner: Learner,
        store: Store,
        progress: Progress | None = None,
        *,
        executor: Executor | None = None,
    ) -> None:
        """Tie a graph to what executes its tasks and to where their results lie.

        Args:
            learner: knows how a task is executed.
            store: of results.
            progress: called after each task.
            executor: says where and how many at a time; inline unless given.
        """
        self.executed = 0
        self.executor = executor or Inline()
        self._learner = learner
        self._store = store
        self._progress = progress
        self._open = ExitStack()
        self._session: Session | None = None
        # Insertion order is a topological order: a task can only name keys that are there already.
        self._tasks: dict[str, Task] = {}
        self._order: dict[str, int] = {}
        self._claimed: set[str] = set()

    def __repr__(self) -> str:
        return f"TaskGraph({len(self._tasks)} tasks, {self.executed} executed)"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._let_go()

    def add(self, task: Task) -> str:
        """Return the key of a task, known from now on; nothing is executed."""
        key = key_of(task, self.executor.mode)
        if key not in self._tasks:
            self._order[key] = len(self._tasks)
            self._tasks[key] = task
        return key

    def demand(self, keys: Iterable[str]) -> None:
        """Execute what is missing for the results of `keys`, and nothing else.

        Raises:
            OSError: the store cannot be written, or does not keep what it is given.
            Exception: whatever a task has raised.
        """
        keys = list(keys)
        losses = 0
        try:
            while missing := self._missing(keys):
                try:
                    self._execute(missing)
                except MissingResultError as lost:
                    losses += 1
                    if losses > _LOSSES:
                        raise OSError(f"{self._store.folder}: does not keep results") from lost
                    _log.warning("%s has gone from the store: made again", lost)
                    self._let_go()
        finally:
            try:
                self._store.flush()
            finally:
                for key in self._claimed:
                    self._store.release(key)
                self._claimed.clear()

    def values(self, key: str) -> Mapping[str, float]:
        """Return the numbers of a task, executing it first where it has not been."""
        return self.result(key).values

    def state(self, handle: StateRef) -> State:
        """Return a state, executing what produces it where it has not been."""
        return self.result(handle.key).states[handle.output]

    def result(self, key: str) -> Result:
        """Return the result of a task, executing it first where it has not been."""
        self.demand([key])
        return self._store.get(key)

    def report(self) -> Mapping[str, Any]:
        """Return how tasks were executed, for the manifest."""
        how = {} if self._session is None else self._session.report()
        return {"executor": EXECUTORS.name_of(self.executor), "mode": self.executor.mode, **how}

    def _let_go(self) -> None:
        self._session = None
        self._open.close()

    def _missing(self, keys: Iterable[str]) -> set[str]:
        """Return the keys to execute."""
        needed: set[str] = set()
        ask = list(keys)
        while ask:
            key = ask.pop()
            if key not in needed and key not in self._store:
                needed.add(key)
                ask += [handle.key for handle in self._tasks[key].incoming]
        return needed

    def _execute(self, missing: set[str]) -> None:
        """Execute tasks, of those that are ready always the one that was asked for first.

        What another process is at work on is left to it, and waited for when all else is done.
        """
        if self._session is None:
            self._session = self._open.enter_context(
                self.executor.session(self._learner, self._store)
            )
        order = ReadyQueue(missing, self._tasks, self._order)
        elsewhere: list[str] = []
        running = 0
        idle = 0.0
        while order.left:
            taken: dict[str, Task] = {}
            while order.ready and len(taken) < self._session.room:
                key = order.next()
                if not self._claim(key, impatient=idle > _PATIENCE):
                    elsewhere.append(key)
                elif self._store.holds(key):
                    self._done(key, order)
                else:
                    taken[key] = self._tasks[key]
            if taken:
                outlook = Backlog(ready=len(order.ready), left=order.left)
                self._session.submit(taken, outlook)
                running += len(taken)
            if running:
                for key in self._session.finished():
                    running -= 1
                    self.executed += 1
                    self._done(key, order)
                idle = 0.0
            elif elsewhere and not order.ready:
                time.sleep(_GLANCE)
                idle += _GLANCE
            # Done elsewhere, or given up there: both is seen when it is claimed.
            for key in elsewhere:
                order.again(key)
            elsewhere.clear()

    def _claim(self, key: str, *, impatient: bool) -> bool:
        if not (self._store.claim(key) or impatient):
            return False
        self._claimed.add(key)
        return True

    def _done(self, key: str, order: ReadyQueue) -> None:
        self._store.release(key)
        self._claimed.discard(key)
        order.done(key)
        if self._progress is not None:
            self._progress(self._tasks[key], order.finished, order.total)
