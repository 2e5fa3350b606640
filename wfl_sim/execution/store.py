"""Store: results of tasks on disk, by key. It is what makes a run resume.

Files appear by rename, so an entry is whole or absent; one that a power cut or a failing disk has
damaged is found by its checksum, discarded and made again. Several processes may use a store at
once. Writing goes on beside the training, in one thread; `flush` waits for it.
"""

import logging
import os
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import get_ident
from typing import Final, Self

from wfl_sim.execution.result_file import DamagedError, add_checksum, from_bytes, to_bytes
from wfl_sim.execution.store_locks import KeyLocks, StoreUser
from wfl_sim.execution.store_maintenance import limit_of, path_of, prune
from wfl_sim.execution.task import Result

_log = logging.getLogger(__name__)

_BEHIND: Final = 64 << 20
"""byte that may wait to be written before `put` waits for the disk"""
_SLICES: Final = 16
"""a store with a limit is pruned whenever so great a part of the limit has been written"""


class MissingResultError(KeyError):
    """There is no such result, or it was damaged."""


class Store:
    """A folder of results, with the most recent ones kept in memory."""

    def __init__(self, folder: Path, *, memory: int = 1 << 30) -> None:
        """Open or make a store, and remove what was half written by processes that died.

        Args:
            folder: where the entries lie.
            memory: bytes of recent results kept in memory.

        Raises:
            OSError: the folder cannot be made or written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._presence = StoreUser(folder)
        self._claims = KeyLocks(folder / "claims")
        self._memory = memory
        self._held = 0
        self._limit = limit_of(folder)
        self._written = 0
        self._shelves: set[str] = set()
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._writing: OrderedDict[str, tuple[Future[None], int]] = OrderedDict()
        self._behind = 0
        self._recent: OrderedDict[str, Result] = OrderedDict()

    def __repr__(self) -> str:
        return f"Store({str(self.folder)!r}, {len(self._recent)} in memory)"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what is left, give up all claims, and keep to the limit.

        Raises:
            OSError: a result could not be written.
        """
        try:
            self.flush()
        finally:
            self._writer.shutdown()
            self._claims.close()
            self._presence.end()
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
            GoneError: there is none, or it is damaged.
        """
        if key in self._recent:
            self._recent.move_to_end(key)
            return self._recent[key]
        result = self._read(key)
        if result is None:
            raise MissingResultError(key)
        self._remember(key, result)
        return result

    def put(self, key: str, result: Result) -> None:
        """Take a result; it is on disk after `flush`, in place of an entry of the same content.

        Raises:
            OSError: an earlier result could not be written; nothing half written is left.
        """
        self._remember(key, result)
        # Packed here: two threads that both want the interpreter cost more than the work itself.
        content = to_bytes(result)
        if key in self._writing:
            self._wait_for(key)
        self._writing[key] = self._writer.submit(self._write, key, content), len(content)
        self._behind += len(content)
        while self._writing:
            oldest = next(iter(self._writing))
            if self._behind <= _BEHIND and not self._writing[oldest][0].done():
                break
            self._wait_for(oldest)

    def flush(self) -> None:
        """Wait until all results are on disk.

        Raises:
            OSError: one could not be written: the disk is full or not writable.
        """
        while self._writing:
            self._wait_for(next(iter(self._writing)))

    def claim(self, key: str) -> bool:
        """Begin to work on a result; False where another process is at work on it.

        It holds until `release`, or until this process ends.
        """
        return self._claims.take(key)

    def release(self, key: str) -> None:
        """Give up a claim; where the result is being written, as soon as it is on disk."""
        writing = self._writing.get(key)
        if writing is None:
            self._claims.release(key)
        else:
            writing[0].add_done_callback(lambda _: self._claims.release(key))

    def holds(self, key: str) -> bool:
        """Return whether there is an entry, which may be damaged; it is not read."""
        return key in self._recent or os.path.exists(path_of(self.folder, key))

    def _wait_for(self, key: str) -> None:
        written, size = self._writing.pop(key)
        self._behind -= size
        written.result()

    def _write(self, key: str, content: bytes) -> None:
        content = add_checksum(content)
        path = path_of(self.folder, key)
        part = self._presence.part(f"{get_ident()}.part")
        try:
            if key[:2] not in self._shelves:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                self._shelves.add(key[:2])
            with open(part, "wb", buffering=0) as file:
                _write_all(file.fileno(), content)
            os.replace(part, path)
        except OSError as error:
            _remove(part)
            raise OSError(error.errno, _reason(error), str(self.folder)) from error
        except BaseException:
            _remove(part)
            raise
        self._written += len(content)
        if self._limit is not None and self._written * _SLICES > self._limit:
            self._written = 0
            prune(self.folder, self._limit)

    def _read(self, key: str) -> Result | None:
        if key in self._writing:
            self._wait_for(key)
        path = path_of(self.folder, key)
        try:
            with open(path, "rb", buffering=0) as file:
                content = file.readall()
            # The time of a file is that of its last use.
            os.utime(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            _log.warning("%s cannot be read (%s): made again", path, error)
            return None
        try:
            return from_bytes(content)
        except DamagedError as error:
            _log.warning("%s is damaged (%s): made again", path, error)
            _remove(path)
            return None

    def _remember(self, key: str, result: Result) -> None:
        if key in self._recent:
            self._held -= _size(self._recent.pop(key))
        self._recent[key] = result
        self._held += _size(result)
        while self._held > self._memory and len(self._recent) > 1:
            _, old = self._recent.popitem(last=False)
            self._held -= _size(old)


def _write_all(file: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(file, left) :]


def _remove(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)


def _reason(error: OSError) -> str:
    return f"cannot be written ({error.strerror}); what is there stays good"


def _size(result: Result) -> int:
    return sum(array.nbytes for state in result.states.values() for array in state.values())
