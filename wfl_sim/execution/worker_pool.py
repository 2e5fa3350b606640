"""Workers: processes that do one job after the other, and end with the process that started them.

Each has a pipe of its own: a worker that dies closes its end, so nobody waits for it. A worker
whose parent has gone ends itself.
"""

import atexit
import ctypes
import os
import signal
import sys
import threading
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Final, Generic, Literal, Protocol, TypeVar

from wfl_sim.config.errors import ScenarioError

J = TypeVar("J")
T = TypeVar("T")

_GRACE = 5.0
"""s that a worker has to tidy up before it is killed"""

PASSED_ON = (ScenarioError, OSError, FloatingPointError)
"""what a job may raise that is no mistake in code"""


class ProgressListener(Protocol):
    """Told what happens while jobs run."""

    def progress(self, number: int, done: int, needed: int) -> None:
        """Job `number` has done so many of its steps."""

    def kept(self, number: int) -> None:
        """Job `number` had been done before."""

    def warn(self, text: str) -> None:
        """Something is odd and goes on."""


class WorkerError(RuntimeError):
    """A worker has ended before its job was done."""


Work = Callable[[J, ProgressListener], T]
"""does a job; must be picklable"""


@dataclass(frozen=True)
class Event(Generic[J]):
    """What a pool has heard of a job."""

    job: J
    kind: Literal["done", "raised", "failed", "died", "progress", "kept", "warn"]
    """the last three come while the job goes on"""
    content: Any
    """the result; the error; its traceback; the cause of death; or what the watcher was told"""


class Pool(Generic[J, T]):
    """Up to `size` processes for one kind of work, started when there are jobs for them."""

    def __init__(self, work: Work[J, T], size: int) -> None:
        self.size = size
        self.busy = 0
        self._work = work
        self._workers: list[_Worker[J]] = []
        # A process waits at its end for those that it started, should nobody have closed the pool.
        atexit.register(self.close)

    def __repr__(self) -> str:
        return f"Pool({self.busy} of {self.size} busy)"

    def give(self, job: J, after: J | None = None) -> None:
        """Let an idle worker begin a job, or a new one; there must be less than `size` busy.

        Of idle workers the one that has done the job `after` goes first.
        """
        while True:
            idle = [each for each in self._workers if not each.busy]
            idle.sort(key=lambda each: each.job != after)
            worker = next(iter(idle), None)
            if worker is None:
                worker = _started(self._work)
                self._workers.append(worker)
            try:
                worker.give(job)
            except ConnectionError:  # it has died of idleness: another one
                self._workers.remove(worker)
                _stop([worker])
                continue
            self.busy += 1
            return

    def events(self) -> list[Event[J]]:
        """Wait for news of jobs; those that have ended leave their workers idle, or dead."""
        by_pipe = {worker.pipe: worker for worker in self._workers if worker.busy}
        events = []
        for pipe in wait(list(by_pipe)):
            worker = by_pipe[pipe]  # type: ignore[index]
            event = worker.event()
            if event.kind not in ("progress", "kept", "warn"):
                worker.busy = False
                self.busy -= 1
            if event.kind == "died":
                self._workers.remove(worker)
            events.append(event)
        return events

    def close(self) -> None:
        """Stop all workers, whatever they are doing."""
        atexit.unregister(self.close)
        _stop(self._workers)
        self._workers.clear()
        self.busy = 0


def run_in_processes(
    work: Work[int, T],
    count: int,
    jobs: int,
    watcher: ProgressListener,
    groups: Sequence[str] | None = None,
) -> Iterator[tuple[int, T]]:
    """Do jobs 0 to `count` - 1 in `jobs` processes; yield number and result as each ends.

    Args:
        work: does a job.
        count: of jobs.
        jobs: at a time.
        watcher: told how it goes.
        groups: one for each job; a process goes on with its group, and then with one that no
            other process is at, as long as there are any.

    Raises:
        WorkerError: a worker died, or failed for a reason that is not the user's.
        ScenarioError, OSError: what a job raised; the others are stopped.
    """
    queue = _Queue(groups or [str(number) for number in range(count)])
    pool = Pool(work, min(jobs, count))
    free = deque([-1] * pool.size)
    try:
        while queue or pool.busy:
            while queue and free:
                last = free.popleft()
                pool.give(queue.next(last), after=last)
            for event in pool.events():
                match event.kind:
                    case "done":
                        free.append(event.job)
                        yield event.job, event.content
                    case "raised":
                        raise event.content
                    case "failed":
                        raise WorkerError(f"run {event.job + 1} failed\n{event.content}")
                    case "died":
                        raise WorkerError(
                            f"the process of run {event.job + 1} died ({event.content}): "
                            "the same command continues where it stopped"
                        )
                    case _:
                        getattr(watcher, event.kind)(*event.content)
    finally:
        pool.close()


class _Queue:
    """The jobs that nobody has begun, and the groups that somebody is at."""

    def __init__(self, groups: Sequence[str]) -> None:
        self._groups = groups
        self._pending = list(range(len(groups)))
        self._at: Counter[str] = Counter()

    def __bool__(self) -> bool:
        return bool(self._pending)

    def next(self, last: int) -> int:
        """Return the next job of a worker whose last one was `last`; -1 where it had none."""
        own = None if last < 0 else self._groups[last]
        if own is not None:
            self._at[own] -= 1
        chosen = min(
            self._pending,
            key=lambda job: (self._groups[job] != own, self._at[self._groups[job]] > 0, job),
        )
        self._pending.remove(chosen)
        self._at[self._groups[chosen]] += 1
        return chosen


@dataclass(eq=False)
class _Worker(Generic[J]):
    process: BaseProcess
    pipe: Connection
    busy: bool = False
    job: Any = None

    def give(self, job: J) -> None:
        self.pipe.send(job)
        self.job, self.busy = job, True

    def event(self) -> Event[J]:
        try:
            kind, content = self.pipe.recv()
        except (EOFError, ConnectionError):
            self.process.join(_GRACE)
            kind, content = "died", _cause(self.process.exitcode)
            _stop([self])
        return Event(self.job, kind, content)


@dataclass(frozen=True)
class _Remote:
    """The watcher at the worker's end of the pipe."""

    pipe: Connection

    def progress(self, number: int, done: int, needed: int) -> None:
        self.pipe.send(("progress", (number, done, needed)))

    def kept(self, number: int) -> None:
        self.pipe.send(("kept", (number,)))

    def warn(self, text: str) -> None:
        self.pipe.send(("warn", (text,)))


def _started(work: Work[J, Any]) -> "_Worker[J]":
    context = get_context("spawn")
    pipe, theirs = context.Pipe()
    # No daemon: a run in a process may start processes of its own.
    process = context.Process(target=_serve, args=(theirs, work), daemon=False)
    # Begun with the first process, the tracker would let Ctrl-C through again.
    resource_tracker.ensure_running()
    with _interrupts_held(), _main_hidden():
        process.start()
    theirs.close()
    return _Worker(process, pipe)


def _serve(pipe: Connection, work: Work[Any, Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # As an exception, so that what is half written is removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    keep_freed_memory()
    try:
        while True:
            job = pipe.recv()
            try:
                message = ("done", work(job, _Remote(pipe)))
            except PASSED_ON as error:
                message = ("raised", error)
            except Exception:
                message = ("failed", traceback.format_exc())
            pipe.send(message)
    except (EOFError, ConnectionError):
        return


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Keep Ctrl-C back for a moment; a process started meanwhile is deaf to it for good.

    In a terminal Ctrl-C goes to all processes at once, and a worker that is still importing would
    answer with a traceback. Where signals cannot be held back, it may.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _main_hidden() -> Iterator[None]:
    """Keep a process that is started meanwhile from running the script of this one once more.

    Workers need nothing of it, and a script that runs scenarios would run them again.
    """
    main = vars(sys.modules["__main__"])
    names = ("__file__", "__spec__")
    kept: dict[str, Any] = {name: main.pop(name) for name in names if name in main}
    main["__spec__"] = None
    try:
        yield
    finally:
        del main["__spec__"]
        main.update(kept)


def _stop(workers: "list[_Worker[Any]]") -> None:
    for worker in workers:
        worker.process.terminate()
    for worker in workers:
        worker.process.join(_GRACE)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        worker.pipe.close()


def _cause(code: int | None) -> str:
    if code is not None and code < 0:
        out_of_memory = ", perhaps for want of memory" if code == -signal.SIGKILL else ""
        return f"signal {-code}{out_of_memory}"
    return f"exit code {code}"


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_KEPT: Final = 256 << 20
"""byte"""


def keep_freed_memory() -> None:
    """Let up to 256 MiB that are free stay with this process, where the C library is glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, _KEPT)
        mallopt(_MMAP_THRESHOLD, _KEPT)
