"""What runs in a worker process: a loop over jobs, its signals, and the memory of the process."""

import ctypes
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from typing import Any, Final, Literal, Protocol, TypeVar

from wfl_sim.config.errors import LocatedError, ScenarioError
from wfl_sim.config.plugin_code import raised_by_plugin

J = TypeVar("J")
T = TypeVar("T")

Outcome = tuple[Literal["done", "raised", "failed"], Any]
"""A result; an error that is not a mistake in code; or the traceback of a mistake."""

_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_KEPT_BYTES: Final = 256 << 20


class ProgressListener(Protocol):
    """Is told what happens while jobs run."""

    def progress(self, number: int, done: int, needed: int) -> None:
        """Job `number` has finished `done` of its `needed` steps."""

    def simulated(self, number: int, now: float) -> None:
        """The simulation of job `number` has come to `now` s."""

    def measured(self, number: int, metric: str, value: float) -> None:
        """The newest value of a metric in job `number`."""

    def kept(self, number: int) -> None:
        """Job `number` was finished by an earlier run."""

    def warn(self, text: str) -> None:
        """A job goes on with a warning."""


Work = Callable[[J, ProgressListener], T]
"""Does a job. Must be picklable."""


@dataclass(frozen=True)
class _PipeListener:
    """A progress listener that passes every call on to the process at the other end of a pipe."""

    pipe: Connection

    def __getattr__(self, method: str) -> Any:
        return lambda *arguments: self.pipe.send((method, arguments))


def serve(pipe: Connection, work: Work[Any, Any], environment: Mapping[str, str]) -> None:
    """Do the jobs that come through a pipe, until the other end is closed or its process ends."""
    # A fork has the environment of when its server began.
    os.environ.clear()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # As an exception, so that half-written files are removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    keep_freed_memory()
    try:
        while True:
            job = pipe.recv()
            pipe.send(attempt(work, job, _PipeListener(pipe)))
    except (EOFError, ConnectionError):
        return


def attempt(work: Callable[..., Any], *arguments: Any) -> Outcome:
    """Call a function in a worker; return its result, its error or the traceback of a mistake."""
    try:
        return "done", work(*arguments)
    except (ScenarioError, LocatedError, OSError, FloatingPointError) as error:
        if isinstance(error, OSError) and raised_by_plugin(error):
            return "failed", traceback.format_exc()
        return "raised", error
    except Exception:
        return "failed", traceback.format_exc()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)


def keep_freed_memory() -> None:
    """Keep up to 256 MiB of freed memory in this process, where the C library is glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_MMAP_THRESHOLD, _KEPT_BYTES)


def cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
