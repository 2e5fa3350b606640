"""Workers: processes that do one job after the other, and end with the process that started them.

Each has a pipe of its own: a worker that dies closes its end, so nobody waits for it. A worker
whose parent has gone ends itself.
"""

import os
import signal
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Protocol, TypeVar

from wfl_sim.documents import ScenarioError

T = TypeVar("T")

_GRACE = 5.0
"""s that a worker has to tidy up before it is killed"""


class Watcher(Protocol):
    """Told what happens while jobs run."""

    def progress(self, number: int, done: int, needed: int) -> None:
        """Job `number` has done so many of its steps."""

    def kept(self, number: int) -> None:
        """Job `number` had been done before."""

    def warn(self, text: str) -> None:
        """Something is odd and goes on."""


class WorkerError(RuntimeError):
    """A worker has ended before its job was done."""


Work = Callable[[int, Watcher], T]
"""does the job of a number; must be picklable"""


def in_processes(
    work: Work[T], count: int, jobs: int, watcher: Watcher, groups: Sequence[str] | None = None
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
    workers = [_started(work) for _ in range(min(jobs, count))]
    busy = {worker.pipe: worker for worker in workers}
    try:
        for worker in workers:
            worker.number = queue.next(-1)
            worker.pipe.send(worker.number)
        while busy:
            for pipe in wait(list(busy)):
                worker = busy[pipe]  # type: ignore[index]
                kind, arguments = worker.message()
                if kind != "done":
                    getattr(watcher, kind)(*arguments)
                    continue
                yield worker.number, arguments
                if queue:
                    worker.number = queue.next(worker.number)
                    worker.pipe.send(worker.number)
                else:
                    del busy[worker.pipe]
    finally:
        _stop(workers)


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


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    number: int = -1

    def message(self) -> tuple[str, Any]:
        """Return the next message; raise what the job raised."""
        try:
            kind, content = self.pipe.recv()
        except (EOFError, ConnectionError):
            self.process.join(_GRACE)
            raise WorkerError(
                f"the process of run {self.number + 1} died ({_cause(self.process.exitcode)}): "
                "the same command continues where it stopped"
            ) from None
        if kind == "raised":
            raise content
        if kind == "failed":
            raise WorkerError(f"run {self.number + 1} failed\n{content}")
        return kind, content


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


def _started(work: Work[T]) -> _Worker:
    context = get_context("spawn")
    pipe, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, work), daemon=True)
    with _interrupts_held():
        process.start()
    theirs.close()
    return _Worker(process, pipe)


def _serve(pipe: Connection, work: Work[Any]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # As an exception, so that what is half written is removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        while True:
            number = pipe.recv()
            try:
                message = ("done", work(number, _Remote(pipe)))
            except (ScenarioError, OSError) as error:
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


def _stop(workers: list[_Worker]) -> None:
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
