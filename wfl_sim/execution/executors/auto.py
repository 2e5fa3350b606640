"""Auto: begins in this process, and continues in several if that saves more than their start."""

import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import parent_process
from typing import Any, Final

from wfl_sim.config.errors import LocatedError, counted
from wfl_sim.execution.executor import EXECUTORS, Backlog, InlineSession, Session
from wfl_sim.execution.executors.grouped import Grouped
from wfl_sim.execution.executors.processes import Processes
from wfl_sim.execution.learner import GroupLearner, Learner
from wfl_sim.execution.store import Store
from wfl_sim.execution.task import LocalUpdate, Task
from wfl_sim.execution.worker_process import cores

_log = logging.getLogger(__name__)

_LOOK: Final = 2.0
"""Seconds of training before the first decision."""
_START: Final = 10.0
"""Seconds until a new process has imported its libraries and loaded the base model."""
_MEMORY: Final = 0.5
"""Share of the machine's memory that the processes may use."""
_PROCESS: Final = 0.6e9
"""Bytes that a process uses for its libraries, in addition to those of a local step."""


@EXECUTORS("auto")
@dataclass(frozen=True, kw_only=True)
class Auto:
    """Inline at first; a pool of processes where that saves more time than they need to start."""

    exact: bool = True
    """Whether results have the bits of `inline`; otherwise the learner may work in groups."""

    @property
    def mode(self) -> str:
        """The mode that was asked for, whichever executor is chosen."""
        return "exact" if self.exact else "grouped"

    @contextmanager
    def session(self, learner: Learner, store: Store) -> Iterator[Session]:
        """Begin inline, or in groups if that is allowed and possible."""
        if not self.exact and isinstance(learner, GroupLearner):
            with Grouped().session(learner, store) as session:
                yield session
            return
        with ExitStack() as stack:
            yield AutoSession(learner, store, stack)


class AutoSession:
    """Measures tasks inline, and decides before each local update whether to use processes."""

    def __init__(self, learner: Learner, store: Store, stack: ExitStack) -> None:
        self._learner = learner
        self._store = store
        self._stack = stack
        self._chosen: Session = InlineSession(learner, store)
        self._undecided = parent_process() is None
        self._why = "" if self._undecided else "this run is one of several at a time"
        self._widest = 0
        self._spent = 0.0
        self._counted = 0

    @property
    def room(self) -> int:
        """The room of the chosen session."""
        return self._chosen.room

    def submit(self, tasks: Mapping[str, Task], backlog: Backlog) -> None:
        """Decide if necessary, then pass the tasks on to the chosen session."""
        self._widest = max(self._widest, backlog.ready + len(tasks))
        if self._undecided and any(isinstance(task, LocalUpdate) for task in tasks.values()):
            self._choose(backlog)
        self._chosen.submit(tasks, backlog)

    def finished(self) -> Sequence[str]:
        """Wait for the chosen session."""
        began = time.perf_counter()
        done = self._chosen.finished()
        # The first task is not counted: it loads the base model.
        if self._undecided and self._counted:
            self._spent += time.perf_counter() - began
        self._counted += len(done)
        return done

    def report(self) -> Mapping[str, Any]:
        """Return which executor was chosen, and why."""
        return {**self._chosen.report(), "asked": "auto", "why": self._why or "little to do"}

    def _choose(self, backlog: Backlog) -> None:
        if self._spent < _LOOK:
            return
        mean = self._spent / (self._counted - 1)
        threads = int(getattr(self._learner, "threads", 1))
        workers = min(cores() // threads, self._widest, _processes_in_memory(self._learner))
        self._why = (
            f"{counted(backlog.left, 'task')} of {mean:.2g} s each left after {self._spent:.1f} s"
        )
        if workers < 2 or backlog.left * mean * (1 - 1 / workers) < _START:
            return
        self._undecided = False
        try:
            session = Processes(workers=workers).session(self._learner, self._store)
            self._chosen = self._stack.enter_context(session)
        except LocatedError as error:
            self._why = str(error)
            return
        _log.info("%d processes from now on: %s", workers, self._why)


def _processes_in_memory(learner: Learner) -> int:
    """Return how many processes with the learner's base model fit into the memory."""
    if "SC_PHYS_PAGES" not in os.sysconf_names:
        return 2
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int(_MEMORY * memory / (_PROCESS + learner.workload(0).memory))
