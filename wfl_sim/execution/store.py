"""Store: results of tasks on disk, by key. A run resumes from it.

Files appear by rename, so an entry is whole or absent. An entry that a power cut or a failing disk
has damaged is found by its checksum, and one in the place of another by the key in it; they are
removed and made again. An entry that cannot be read is made again, too. Several processes may use a
store at once. A thread writes while the training continues; `flush` waits for it.
"""

import logging
import os
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import get_ident
from typing import Final, Self

from wfl_sim.execution.lru_cache import LruCache
from wfl_sim.execution.result_file import DamagedError, add_checksum, from_bytes, to_bytes
from wfl_sim.execution.store_locks import KeyLocks, StoreUser
from wfl_sim.execution.store_maintenance import limit_of, path_of, prune
from wfl_sim.execution.task import Result

_log = logging.getLogger(__name__)

_MAX_UNWRITTEN: Final = 64 << 20
"""Bytes that may wait to be written before `put` waits for the disk."""
_PRUNE_INTERVAL: Final = 16
"""A store with a limit is pruned each time that 1/16 of the limit has been written."""


class MissingResultError(KeyError):
    """The store has no such result, or it was damaged."""


class Store:
    """A folder of results; the most recently used ones are kept in memory, too.

    Args:
        folder: of the entries; it is made if it does not exist.
        memory: bytes of results kept in memory.

    Raises:
        OSError: the folder cannot be made or written.
    """

    def __init__(self, folder: Path, *, memory: int = 1 << 30) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._user = StoreUser(folder)
        self._locks = KeyLocks(folder / "claims")
        self._limit = limit_of(folder)
        self._written = 0
        self._subfolders: set[str] = set()
        self._unreadable: set[str] = set()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._writing: OrderedDict[str, tuple[Future[None], int]] = OrderedDict()
        self._unwritten = 0
        self._recent = LruCache(memory, _size)

    def __repr__(self) -> str:
        return f"Store({str(self.folder)!r}, {len(self._recent)} in memory)"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what is left, release all locks, and prune to the limit.

        Raises:
            OSError: a result could not be written.
        """
        try:
            self.flush()
        finally:
            self._writer.shutdown()
            self._locks.close()
            self._user.end()
        # Read again: it may have been set meanwhile.
        if (limit := limit_of(self.folder)) is not None:
            prune(self.folder, limit)

    def __contains__(self, key: str) -> bool:
        try:
            self.get(key)
        except MissingResultError:
            return False
        return True

    def get(self, key: str) -> Result:
        """Return a result.

        Raises:
            MissingResultError: there is none, or it is damaged.
        """
        if key not in self._recent:
            result = self._read(key)
            if result is None:
                raise MissingResultError(key)
            self._recent[key] = result
        return self._recent[key]

    def put(self, key: str, result: Result) -> None:
        """Store a result; it is on disk after `flush`, and replaces an entry of the same content.

        Raises:
            OSError: an earlier result could not be written; nothing half-written is left.
        """
        self._recent[key] = result
        # Serialised here: two threads that compete for the interpreter cost more than the work.
        content = to_bytes(result, key)
        if key in self._writing:
            self._wait_for(key)
        self._writing[key] = self._writer.submit(self._write, key, content), len(content)
        self._unwritten += len(content)
        while self._writing:
            oldest = next(iter(self._writing))
            if self._unwritten <= _MAX_UNWRITTEN and not self._writing[oldest][0].done():
                break
            self._wait_for(oldest)

    def flush(self) -> None:
        """Wait until all results are on disk.

        Raises:
            OSError: a result could not be written: the disk is full or not writable.
        """
        while self._writing:
            self._wait_for(next(iter(self._writing)))

    def claim(self, key: str) -> bool:
        """Lock a result that is about to be made; False if another process has locked it.

        The lock holds until `release`, or until this process ends.
        """
        return self._locks.acquire(key)

    def release(self, key: str) -> None:
        """Release the lock of a result; if it is being written, as soon as it is on disk."""
        writing = self._writing.get(key)
        if writing is None:
            self._locks.release(key)
        else:
            writing[0].add_done_callback(lambda _: self._locks.release(key))

    def holds(self, key: str) -> bool:
        """Return whether there is an entry; it is not read, and may be damaged."""
        if key in self._recent:
            return True
        return key not in self._unreadable and os.path.exists(path_of(self.folder, key))

    def _wait_for(self, key: str) -> None:
        written, size = self._writing.pop(key)
        self._unwritten -= size
        written.result()

    def _write(self, key: str, content: bytes) -> None:
        content = add_checksum(content)
        path = path_of(self.folder, key)
        part = self._user.part(f"{get_ident()}.part")
        try:
            if key[:2] not in self._subfolders:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                self._subfolders.add(key[:2])
            with open(part, "wb", buffering=0) as file:
                _write_all(file.fileno(), content)
            os.replace(part, path)
        except OSError as error:
            _remove(part)
            where = error.filename2 or self.folder  # an entry that cannot be replaced, or the disk
            reason = f"cannot be written ({error.strerror}); what is there stays good"
            raise OSError(error.errno, reason, str(where)) from error
        except BaseException:
            _remove(part)
            raise
        self._unreadable.discard(key)
        self._written += len(content)
        if self._limit is not None and self._written * _PRUNE_INTERVAL > self._limit:
            self._written = 0
            prune(self.folder, self._limit)

    def _read(self, key: str) -> Result | None:
        if key in self._writing:
            self._wait_for(key)
        path = path_of(self.folder, key)
        try:
            with open(path, "rb", buffering=0) as file:
                content = file.readall()
        except FileNotFoundError:
            return None
        except OSError as error:
            if key not in self._unreadable:
                _log.warning("%s cannot be read (%s): made again", path, error.strerror)
            self._unreadable.add(key)
            return None
        self._unreadable.discard(key)
        # The modification time of an entry is the time of its last use.
        with suppress(OSError):
            os.utime(path)
        try:
            return from_bytes(content, key)
        except DamagedError as error:
            _log.warning("%s is damaged (%s): made again", path, error)
            _remove(path)
            return None


def _write_all(file: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(file, left) :]


def _remove(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)


def _size(result: Result) -> int:
    return sum(array.nbytes for state in result.states.values() for array in state.values())
