"""Locks of a store: which process works on which result, and which processes use the store.

The operating system releases the locks of a process that ends, however it ends. A key is locked by
one byte of a shared file, since a file for each key would cost several times more than all else
that the store does for a task. A byte range is locked by a process as a whole; the files of
`StoreUser` are therefore locked as files, which excludes other users of the same process too.

Where a file system has no locks, which is said once, every key is granted and every user counts as
live: work may be done twice, and nothing that another process may need is removed.
"""

import logging
import os
import secrets
import sys
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

if sys.platform != "win32":
    import fcntl

_log = logging.getLogger(__name__)

_DIGITS: Final = 15
"""Hexadecimal digits of a key that fit into a file offset."""
_MARGIN: Final = 2_000_000_000
"""Nanoseconds by which the clocks of files and processes may differ."""


class KeyLocks:
    """Keys that this process has locked. Locks of one process do not exclude each other.

    Args:
        path: of the file whose bytes are locked. It has no content.

    Raises:
        OSError: the file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        self._close = weakref.finalize(self, os.close, self._file)
        self._path = path
        self._held: set[str] = set()
        self._works = sys.platform != "win32"

    def acquire(self, key: str) -> bool:
        """Lock a key; False if another process has locked it."""
        try:
            if self._works and sys.platform != "win32":
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _offset(key))
        except (BlockingIOError, PermissionError):
            return False
        except OSError as error:
            _say_no_locks(str(self._path.parent), error.strerror)
            self._works = False
        self._held.add(key)
        return True

    def release(self, key: str) -> None:
        """Release a key; nothing happens if it is not locked."""
        if key in self._held:
            self._held.discard(key)
            if self._works and sys.platform != "win32":
                fcntl.lockf(self._file, fcntl.LOCK_UN, 1, _offset(key))

    def close(self) -> None:
        """Release all keys."""
        self._held.clear()
        self._close()


def _offset(key: str) -> int:
    return int(key[:_DIGITS], 16)


class StoreUser:
    """This process as a user of a store, until `end`. Removes what dead users left half-written.

    Raises:
        OSError: the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for name in ("live", "parts"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        self.token = f"{time.time_ns()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._lock = _FileLock(folder / "live" / self.token)
        with _registry_locked(folder):
            self._lock.acquire(wait=True)
        remove_orphans(folder)

    def part(self, name: str) -> str:
        """Return the path of a file that is being written, before it is renamed."""
        return f"{self._folder}/parts/{self.token}.{name}"

    def end(self) -> None:
        """Stop being a user of the store."""
        self._lock.release()
        (self._folder / "live" / self.token).unlink(missing_ok=True)


def live_since(folder: Path) -> int | None:
    """Return when the oldest live user began, in ns since 1970; None if there is no user."""
    times = [int(token.partition("-")[0]) for token in _live_tokens(folder)]
    return min(times) - _MARGIN if times else None


def remove_orphans(folder: Path) -> int:
    """Remove the half-written files of dead users; return their number."""
    with _registry_locked(folder):
        # In this order: a new user has a file in `live/` before it has one in `parts/`.
        parts = list((folder / "parts").glob("*"))
        live = set(_live_tokens(folder))
    orphans = [path for path in parts if path.name.partition(".")[0] not in live]
    for path in orphans:
        path.unlink(missing_ok=True)
    return len(orphans)


def _live_tokens(folder: Path) -> list[str]:
    """Return the tokens of live users, and remove the files of dead ones."""
    live = []
    for path in (folder / "live").glob("*-*"):
        lock = _FileLock(path)
        if lock.acquire(wait=False):
            path.unlink(missing_ok=True)
            lock.release()
        else:
            live.append(path.name)
    return live


@contextmanager
def _registry_locked(folder: Path) -> Iterator[None]:
    lock = _FileLock(folder / "live" / ".gate")
    lock.acquire(wait=True)
    try:
        yield
    finally:
        lock.release()


class _FileLock:
    """The lock of a file, which is made for it, against all others that lock it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None
        self._windows = FileLock(path, thread_local=False) if sys.platform == "win32" else None

    def acquire(self, *, wait: bool) -> bool:
        """Lock the file; False if another has locked it, or if there are no locks here.

        Raises:
            OSError: the file cannot be made.
        """
        if self._windows is not None:
            try:
                self._windows.acquire(timeout=-1 if wait else 0)
            except Timeout:
                return False
            return True
        while True:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
                if os.fstat(handle).st_nlink:  # it has not been removed meanwhile
                    self._handle, handle = handle, -1
                    return True
            except (BlockingIOError, PermissionError):
                return False
            except OSError as error:
                _say_no_locks(str(self._path.parents[1]), error.strerror)
                return False
            finally:
                if handle >= 0:
                    os.close(handle)

    def release(self) -> None:
        """Release the lock, if it is held."""
        if self._windows is not None:
            self._windows.release()
        elif self._handle is not None:
            os.close(self._handle)
            self._handle = None


@cache
def _say_no_locks(folder: str, reason: str) -> None:
    _log.warning(
        "%s: no locks here (%s): processes that share it may do work twice, and files of killed "
        "ones stay in live/ and parts/",
        folder,
        reason,
    )
