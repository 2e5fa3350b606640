"""Locks of a store: which process works on which result, and which processes use the store.

The operating system releases the locks of a process that ends, however it ends. A key is locked by
one byte of a shared file, since a file for each key would cost several times more than all else
that the store does for a task. A byte range is locked by a process as a whole; the files of
`StoreUser` are therefore locked by `filelock`, which excludes other users of the same process too.
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
"""Hexadecimal digits of a key that fit into a file offset."""
_MARGIN: Final = 2_000_000_000
"""Nanoseconds by which the clocks of files and processes may differ."""


class KeyLocks:
    """Keys that this process has locked. Locks of one process do not exclude each other.

    Where the system has no such locks every lock is granted: a task may then be executed twice,
    with the same result.

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

    def __repr__(self) -> str:
        return f"KeyLocks({str(self._path)!r}, {len(self._held)} held)"

    def acquire(self, key: str) -> bool:
        """Lock a key; False if another process has locked it."""
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
        self._lock = FileLock(folder / "live" / self.token, thread_local=False)
        with _registry_lock(folder):
            self._lock.acquire()
        remove_orphans(folder)

    def __repr__(self) -> str:
        return f"StoreUser({self.token})"

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
    with _registry_lock(folder):
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
        lock = FileLock(path, thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            live.append(path.name)
        else:
            path.unlink(missing_ok=True)
            lock.release()
    return live


def _registry_lock(folder: Path) -> FileLock:
    return FileLock(folder / "live" / ".gate")
