"""Presence: who uses a store at this moment, and since when.

Everyone who uses a store keeps a lock on a file of its own in ``live/``; the name begins with the
time at which it came. A file that can be locked is of somebody who has died.
"""

import os
import secrets
import time
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

_MARGIN: Final = 2_000_000_000
"""ns by which clocks of files and processes may differ"""


class Presence:
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
