"""Processes: a pool on this machine; every process keeps the base model in memory.

Only keys and tasks go through the pipes. States go through the store: a process reads what another
has written, and keeps the most recently used states in memory.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Final

from wfl_sim.config.fields import Bounded, NonNegativeInt
from wfl_sim.execution.executor import EXECUTORS, Backlog, inputs_of
from wfl_sim.execution.executors.pickling import PickledLearner
from wfl_sim.execution.learner import Learner
from wfl_sim.execution.store import MissingResultError, Store
from wfl_sim.execution.task import Task, title
from wfl_sim.execution.worker_pool import Pool, WorkerError
from wfl_sim.execution.worker_process import ProgressListener, cores

_log = logging.getLogger(__name__)

_ATTEMPTS: Final = 3
"""Number of processes that may die with the same task before the run ends."""
_REMEMBERED: Final = 1 << 28
"""Bytes of results in the memory of each process."""

Job = tuple[str, Task]


@EXECUTORS("processes")
@dataclass(frozen=True, kw_only=True)
class Processes(Bounded):
    """A pool of processes on this machine, each with the base model in memory."""

    workers: NonNegativeInt = 0
    """Number of processes; 0 for one on each core that this process may use."""
    mode: ClassVar[str] = "exact"

    @contextmanager
    def session(self, learner: Learner, store: Store) -> Iterator["ProcessesSession"]:
        """Start processes when there are tasks for them, and stop them at the end."""
        session = ProcessesSession(learner, store, self.workers or cores())
        try:
            yield session
        finally:
            session.pool.close()


class ProcessesSession:
    """Gives tasks to idle processes; the task of a process that has died goes to another one."""

    def __init__(self, learner: Learner, store: Store, workers: int) -> None:
        self.pool = Pool(WorkerContext(PickledLearner.of(learner), store.folder), workers)
        self._store = store
        self._died: Counter[str] = Counter()

    @property
    def room(self) -> int:
        """One task for each idle process."""
        return self.pool.size - self.pool.busy

    def submit(self, tasks: Mapping[str, Task], backlog: Backlog) -> None:
        """Start the tasks in idle processes."""
        self._store.flush()
        for job in tasks.items():
            self.pool.give(job)

    def finished(self) -> Sequence[str]:
        """Wait for a process.

        Raises:
            WorkerError: several processes died with the same task, or a task failed by a mistake.
        """
        done: list[str] = []
        while not done:
            for event in self.pool.events():
                key, task = event.job
                match event.kind:
                    case "done" if event.content is None:
                        done.append(key)
                    case "done" | "raised":
                        raise event.content
                    case "failed":
                        raise WorkerError(f"{title(task)} failed\n{event.content}")
                    case "died":
                        self._retry(event.job, event.content)
        return done

    def report(self) -> Mapping[str, Any]:
        """Return the kind, the number of processes and how many have died."""
        died = {"died": sum(self._died.values())} if self._died else {}
        return {"executor": "processes", "workers": self.pool.size, **died}

    def _retry(self, job: Job, cause: str) -> None:
        key, task = job
        self._died[key] += 1
        if self._died[key] >= _ATTEMPTS:
            raise WorkerError(
                f"{title(task)} has cost {_ATTEMPTS} processes, the last by {cause}: "
                "the same command continues where it stopped"
            )
        _log.warning("a process died (%s): %s is executed again", cause, title(task))
        self.pool.give(job)


@dataclass(frozen=True)
class WorkerContext:
    """Learner and store of a process of the pool, opened when the first task arrives."""

    pickled: PickledLearner
    folder: Path

    def __call__(self, job: Job, listener: ProgressListener) -> MissingResultError | None:
        """Execute a task, and put its result into the store.

        Returns:
            None, or which input is no longer in the store.
        """
        key, task = job
        try:
            inputs = inputs_of(task, self._store)
        except MissingResultError as missing:
            return missing
        self._store.put(key, self._learner.run(task, inputs))
        self._store.flush()
        return None

    @cached_property
    def _learner(self) -> Learner:
        return self.pickled.unpickled()

    @cached_property
    def _store(self) -> Store:
        return Store(self.folder, memory=_REMEMBERED)
