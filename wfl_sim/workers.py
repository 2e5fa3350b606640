"""Workers: processes that do one job after the other, and end with the process that started them.

Each has a pipe of its own: a worker that dies closes its end, so nobody waits for it. A worker
whose parent has gone ends itself.
"""

import os
import signal
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator
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

    def warn(self, text: str) -> None:
        """Something is odd and goes on."""


class WorkerError(RuntimeError):
    """A worker has ended before its job was done."""


Work = Callable[[int, Watcher], T]
"""does the job of a number; must be picklable"""


def in_processes(work: Work[T], count: int, jobs: int, watcher: Watcher) -> Iterator[tuple[int, T]]:
    """Do jobs 0 to `count` - 1 in `jobs` processes; yield number and result as each ends.

    Raises:
        WorkerError: a worker died, or failed for a reason that is not the user's.
        ScenarioError, OSError: what a job raised; the others are stopped.
    """
    pending = deque(range(count))
    workers = [_started(work) for _ in range(min(jobs, count))]
    busy = {worker.pipe: worker for worker in workers}
    try:
        for worker in workers:
            worker.number = pending.popleft()
            worker.pipe.send(worker.number)
        while busy:
            for pipe in wait(list(busy)):
                worker = busy[pipe]  # type: ignore[index]
                kind, arguments = worker.message()
                if kind != "done":
                    getattr(watcher, kind)(*arguments)
                    continue
                yield worker.number, arguments
                if pending:
                    worker.number = pending.popleft()
                    worker.pipe.send(worker.number)
                else:
                    del busy[worker.pipe]
    finally:
        _stop(workers)


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
