"""Claims: who is at work on which result, among all processes that share a store.

A claim is a lock on one byte of one file, whose offset the key gives. The system drops the locks of
a process that ends, however it ends, so no claim can be left over.
"""

import logging
import os
import sys
import weakref
from pathlib import Path
from typing import Final

if sys.platform != "win32":
    import fcntl

_log = logging.getLogger(__name__)

_DIGITS: Final = 15
"""hexadecimal digits of a key that fit into an offset"""


class Claims:
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
