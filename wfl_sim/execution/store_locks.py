"""Claims: who is at work on which result, among all processes that share a store.

A claim is a lock on one byte of one file, whose offset the key gives. The system drops the locks of
a process that ends, however it ends, so no claim can be left over.
"""

import logging
import os
import secrets
import sys
import time
import weakref
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

if sys.platform != "win32":
    import fcntl

_log = logging.getLogger(__name__)

_DIGITS: Final = 15
"""hexadecimal digits of a key that fit into an offset"""


class KeyLocks:
    """What this process is at work on. Claims of one process do not exclude each other.

    Where the system knows no such locks every claim is granted: work may then be done twice, with
    the same result.
    """

    def __init__(self, path: Path) -> None:
        """Open the file of locks, which has no content.

        Raises:
            OSError: it cannot be made.
        """
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        self._close = weakref.finalize(self, os.close, self._file)
        self._path = path
        self._held: set[str] = set()
        self._works = sys.platform != "win32"

    def __repr__(self) -> str:
        return f"Claims({str(self._path)!r}, {len(self._held)} held)"

    def __len__(self) -> int:
        return len(self._held)

    def take(self, key: str) -> bool:
        """Claim a key; False where another process has it."""
        try:
            if self._works and sys.platform != "win32":
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _offset(key))
        except (BlockingIOError, PermissionError):
            return False
        except OSError as error:
            _log.warning("%s: no locks here (%s): work may be done twice", self._path, error)
            self._works = False
        self._held.add(key)
        return True

    def release(self, key: str) -> None:
        """Give up a claim; it is no error to have none."""
        if key in self._held:
            self._held.discard(key)
            if self._works and sys.platform != "win32":
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _offset(key))

    def close(self) -> None:
        """Give up all claims."""
        self._held.clear()
        self._close()


def _offset(key: str) -> int:
    return int(key[:_DIGITS], 16)


_MARGIN: Final = 2_000_000_000
"""ns by which clocks of files and processes may differ"""


class StoreUser:
    """This process among the users of a store, until `end`."""

    def __init__(self, folder: Path) -> None:
        """Note that this process uses the store, and tidy up after those that died in it.

        Raises:
            OSError: the folder cannot be written.
        """
        self._folder = folder
        for name in ("live", "parts"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self.token = f"{time.time_ns()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._lock = FileLock(folder / "live" / self.token, thread_local=False)
        with _gate(folder):
            self._lock.acquire()
        tidy(folder)

    def __repr__(self) -> str:
        return f"Presence({self.token})"

    def part(self, name: str) -> str:
        """Return where to write a file before it gets its name."""
        return f"{self._folder}/parts/{self.token}.{name}"

    def end(self) -> None:
        """Use the store no longer."""
        self._lock.release()
        (self._folder / "live" / self.token).unlink(missing_ok=True)


def live_since(folder: Path) -> int | None:
    """Return when the first of those came who use a store now, in ns since 1970; None: nobody."""
    times = [int(token.partition("-")[0]) for token in _living(folder)]
    return min(times) - _MARGIN if times else None


def tidy(folder: Path) -> int:
    """Remove the half-written files of those that died; return how many."""
    with _gate(folder):
        # In this order: whoever comes now has a file in `live/` before one in `parts/`.
        parts = list((folder / "parts").glob("*"))
        living = set(_living(folder))
    left = [path for path in parts if path.name.partition(".")[0] not in living]
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def _living(folder: Path) -> list[str]:
    """Return the names of those who are there; the files of the others go."""
    living = []
    for path in (folder / "live").glob("*-*"):
        lock = FileLock(path, thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            living.append(path.name)
        else:
            path.unlink(missing_ok=True)
            lock.release()
    return living


def _gate(folder: Path) -> FileLock:
    return FileLock(folder / "live" / ".gate")
