"""Pool of worker processes. Each does one job after the other, and ends with its parent process.

Each worker has a pipe of its own: the end of file tells which worker has died, and the others go
on. `concurrent.futures.ProcessPoolExecutor` ends all workers when one dies, does not tell which,
and cannot stop a running job.
"""

import atexit
import os
import signal
import sys
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import forkserver, get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from typing import Any, Final, Generic

from wfl_sim.execution.worker_process import J, ProgressListener, T, Work, serve

_ATTEMPTS: Final = 3
"""Number of processes that may die with the same job."""
_ENDS: Final = ("done", "raised", "failed", "died")
"""Events after which a job goes on no more."""
_ACCELERATORS: Final = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""Of CUDA, ROCm and the Linux of Windows."""
_GRACE: Final = 5.0
"""Seconds that a worker has to clean up before it is killed."""


class WorkerError(RuntimeError):
    """A worker has ended before its job was done."""


@dataclass(frozen=True)
class Event(Generic[J]):
    """What a worker reports about its job."""

    job: J
    kind: str
    """One of `_ENDS`, or else the method of the progress listener to call."""
    content: Any
    """Result, error, traceback or cause of death; or arguments for the progress listener."""


class Pool(Generic[J, T]):
    """Up to `size` processes for one kind of work, started when there are jobs for them."""

    def __init__(self, work: Work[J, T], size: int) -> None:
        self.size = size
        self.busy = 0
        self._work = work
        self._workers: list[_Worker[J]] = []
        # Without `close`, multiprocessing would wait for the workers when this process ends.
        atexit.register(self.close)

    def give(self, job: J, after: J | None = None) -> None:
        """Start a job in an idle or a new worker; fewer than `size` workers must be busy.

        The idle worker that has done the job `after` is preferred.
        """
        while True:
            idle = [each for each in self._workers if not each.busy]
            idle.sort(key=lambda each: each.job != after)
            if not idle:
                idle = [_started(self._work)]
                self._workers += idle
            try:
                idle[0].give(job)
            except ConnectionError:  # it has died while it was idle
                self._workers.remove(idle[0])
                _stop(idle[:1])
                continue
            self.busy += 1
            return

    def events(self) -> list[Event[J]]:
        """Wait for events; a worker whose job has ended is idle or dead afterwards."""
        by_pipe = {worker.pipe: worker for worker in self._workers if worker.busy}
        events = []
        for pipe in wait(list(by_pipe)):
            worker = by_pipe[pipe]  # type: ignore[index]
            event = worker.event()
            if event.kind in _ENDS:
                worker.busy = False
                self.busy -= 1
            if event.kind == "died":
                self._workers.remove(worker)
            events.append(event)
        return events

    def close(self) -> None:
        """Stop all workers, busy ones included."""
        atexit.unregister(self.close)
        _stop(self._workers)
        self._workers.clear()
        self.busy = 0


def run_in_processes(
    work: Work[int, T],
    groups: Sequence[str],
    jobs: int,
    listener: ProgressListener,
    names: Sequence[str] = (),
) -> Iterator[tuple[int, T]]:
    """Do a numbered job for each of `groups` in processes; yield number and result as each ends.

    Args:
        work: does a job.
        groups: group of each job. A process continues with its group, then with a group that no
            other process works on, as long as there is one.
        jobs: number of processes.
        listener: is told about progress.
        names: of the jobs, for messages; their numbers unless given.

    A job whose process has died is done once more, later; if it has cost `_ATTEMPTS` processes, the
    others are done all the same.

    Raises:
        WorkerError: a job has cost so many processes, or failed by a mistake in code.
        ScenarioError, OSError: an error of a job; the other jobs are stopped.
    """
    queue = JobQueue(groups)
    pool = Pool(work, min(jobs, len(groups)))
    named = names or [f"run {number + 1}" for number in range(len(groups))]
    free = deque([-1] * pool.size)
    died: Counter[int] = Counter()
    lost: list[str] = []
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
                        raise WorkerError(f"{named[event.job]} failed\n{event.content}")
                    case "died":
                        free.append(event.job)
                        died[event.job] += 1
                        what = f"the process of {named[event.job]} died ({event.content})"
                        if died[event.job] < _ATTEMPTS:
                            listener.warn(f"{what}: it is run again")
                            queue.put_back(event.job)
                        else:
                            lost.append(f"{what}: the same command continues where it stopped")
                    case _:
                        getattr(listener, event.kind)(*event.content)
    finally:
        pool.close()
    if lost:
        raise WorkerError("\n".join(lost))


class JobQueue:
    """Jobs that have not begun, and the number of processes at work on each group."""

    def __init__(self, groups: Sequence[str]) -> None:
        self._groups = groups
        self._pending = list(range(len(groups)))
        self._active: Counter[str] = Counter()

    def __bool__(self) -> bool:
        return bool(self._pending)

    def put_back(self, job: int) -> None:
        """Let a job be done once more."""
        self._pending.append(job)

    def next(self, last: int) -> int:
        """Return the next job of a worker whose last job was `last`; -1 if it had none."""
        own = None if last < 0 else self._groups[last]
        if own is not None:
            self._active[own] -= 1
        chosen = min(
            self._pending,
            key=lambda job: (self._groups[job] != own, self._active[self._groups[job]] > 0, job),
        )
        self._pending.remove(chosen)
        self._active[self._groups[chosen]] += 1
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


def _context() -> SpawnContext | ForkServerContext:
    """Return how processes begin: on Linux as forks of one that has imported what this one has.

    To import torch, transformers and PEFT takes seconds of a core; a fork of *this* process could
    wait for locks that its threads hold. A library may begin CUDA when it is imported, and no fork
    can use it after that.
    """
    if sys.platform != "linux" or any(map(os.path.exists, _ACCELERATORS)):
        return get_context("spawn")
    context = get_context("forkserver")
    ours = [name for name in sys.modules if name.startswith("wfl_sim.")]
    context.set_forkserver_preload(["wfl_sim.execution.fork_server", *ours])
    return context


def _started(work: Work[J, Any]) -> "_Worker[J]":
    context = _context()
    pipe, theirs = context.Pipe()
    # Not a daemon: a run in a process may start processes of its own.
    process = context.Process(target=serve, args=(theirs, work, dict(os.environ)), daemon=False)
    # If it began with the first process, the tracker would unblock SIGINT.
    resource_tracker.ensure_running()
    forks = isinstance(context, ForkServerContext)
    with _without_script():
        with _interrupts_blocked():
            (forkserver.ensure_running if forks else process.start)()
        if forks:  # waits for the imports of the server, whose forks block SIGINT as it does
            process.start()
    theirs.close()
    return _Worker(process, pipe)


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Block SIGINT where the system can; a process started meanwhile inherits that for good.

    A terminal sends Ctrl-C to all processes at once, and a worker that is still importing would
    print a traceback.
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
def _without_script() -> Iterator[None]:
    """Keep a process that is started meanwhile from running the script of this one, and its folder.

    Workers need nothing of it, and a script that runs scenarios would run them again. Nor may they
    take a `numbers.py` of the working folder for that of the library, before they have our paths.
    """
    if looks_here := not os.environ.get("PYTHONSAFEPATH"):
        os.environ["PYTHONSAFEPATH"] = "1"
    main = vars(sys.modules["__main__"])
    names = ("__file__", "__spec__")
    kept: dict[str, Any] = {name: main.pop(name) for name in names if name in main}
    main["__spec__"] = None
    try:
        yield
    finally:
        del main["__spec__"]
        main.update(kept)
        if looks_here:
            del os.environ["PYTHONSAFEPATH"]


def _stop(workers: "Sequence[_Worker[Any]]") -> None:
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
