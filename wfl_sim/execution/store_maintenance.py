"""Shelf: what lies in a store, how much it is, whether it is sound, and what may go."""

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wfl_sim.execution.result_file import DamagedError, from_bytes
from wfl_sim.execution.store_locks import live_since, tidy
from wfl_sim.execution.task import Result

_log = logging.getLogger(__name__)

_SUFFIX: Final = ".safetensors"
_LIMIT: Final = "limit"


@dataclass(frozen=True)
class Entry:
    """An entry of a store."""

    key: str
    path: str
    size: int
    """byte"""
    used: int
    """ns since 1970 of the last use"""


@dataclass(frozen=True)
class Pruned:
    """What has gone from a store."""

    entries: int
    freed: int
    """byte"""
    left: int
    """byte that stay"""
    needed: int
    """byte of `left` that runs which go on may need"""


def path_of(folder: Path, key: str) -> str:
    """Return where the entry of a key lies."""
    return f"{folder}/{key[:2]}/{key}{_SUFFIX}"


def items(folder: Path) -> Iterator[Entry]:
    """Yield the entries of a store, in no order.

    Raises:
        OSError: there is no such folder.
    """
    for shelf in list(os.scandir(folder)):
        if len(shelf.name) != 2 or not shelf.is_dir():
            continue
        for file in list(os.scandir(shelf.path)):
            if not file.name.endswith(_SUFFIX):
                continue
            try:
                stat = file.stat()
            except FileNotFoundError:  # another process has removed it
                continue
            key = file.name.removesuffix(_SUFFIX)
            yield Entry(key, file.path, stat.st_size, stat.st_mtime_ns)


def read_entry(item: Entry) -> Result:
    """Return the result of an entry.

    Raises:
        DamagedError: its checksum differs.
        OSError: it cannot be read.
    """
    return from_bytes(Path(item.path).read_bytes())


def damaged(folder: Path) -> Iterator[tuple[Entry, str]]:
    """Yield the entries that are not as they were written, and why; they stay."""
    for item in items(folder):
        try:
            read_entry(item)
        except FileNotFoundError:
            continue
        except (DamagedError, OSError) as error:
            yield item, str(error)


def prune(folder: Path, limit: int) -> Pruned:
    """Remove entries that were not used for longest, until the rest is within a limit.

    What has been used since the first of the runs that go on began is theirs, and stays. Files that
    were half written when a process died go too.

    Args:
        folder: of the store.
        limit: byte.

    Raises:
        OSError: there is no such folder, or it is not writable.
    """
    tidy(folder)
    began = live_since(folder)
    entries = sorted(items(folder), key=lambda item: item.used)
    total = sum(item.size for item in entries)
    gone = freed = 0
    for item in entries:
        if total - freed <= limit or (began is not None and item.used >= began):
            break
        try:
            # Once more: it may have been used a moment ago.
            if began is None or os.stat(item.path).st_mtime_ns < began:
                os.unlink(item.path)
                gone += 1
                freed += item.size
        except FileNotFoundError:
            freed += item.size
    needed = sum(item.size for item in entries if began is not None and item.used >= began)
    return Pruned(gone, freed, total - freed, needed)


def limit_of(folder: Path) -> int | None:
    """Return the limit that runs keep the store to, in byte; None where there is none."""
    try:
        return int((folder / _LIMIT).read_text("ascii"))
    except FileNotFoundError:
        return None
    except ValueError:
        _log.warning("%s is no number of bytes: no limit is kept", folder / _LIMIT)
        return None


def set_limit(folder: Path, limit: int | None) -> None:
    """Let runs keep the store to so many bytes, or lift the limit.

    Raises:
        OSError: there is no such folder, or it is not writable.
    """
    if limit is None:
        (folder / _LIMIT).unlink(missing_ok=True)
        return
    part = folder / f"{_LIMIT}.{os.getpid()}"
    part.write_text(f"{limit}\n", "ascii")
    os.replace(part, folder / _LIMIT)
