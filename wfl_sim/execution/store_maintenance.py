"""Maintenance of a store: its entries, their size, damaged ones, pruning and the size limit."""

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wfl_sim.execution.result_file import DamagedError, from_bytes
from wfl_sim.execution.store_locks import live_since, remove_orphans
from wfl_sim.execution.task import Result

_log = logging.getLogger(__name__)

_SUFFIX: Final = ".safetensors"
_LIMIT: Final = "limit"


@dataclass(frozen=True)
class Entry:
    """A result on disk."""

    key: str
    path: str
    size: int
    """Bytes of the file."""
    used: int
    """Time of the last use, in ns since 1970."""

    def read(self) -> Result:
        """Return the result.

        Raises:
            DamagedError: the checksum or the key differs.
            OSError: the file cannot be read.
        """
        return from_bytes(Path(self.path).read_bytes(), self.key)


@dataclass(frozen=True)
class Pruned:
    """What `prune` has done."""

    entries: int
    """Number of removed entries."""
    freed: int
    """Bytes of the removed entries."""
    left: int
    """Bytes of the entries that are left."""
    needed: int
    """Bytes of `left` that current runs may need."""


def path_of(folder: Path, key: str) -> str:
    """Return the path of the entry of a key."""
    return f"{folder}/{key[:2]}/{key}{_SUFFIX}"


def entries(folder: Path) -> Iterator[Entry]:
    """Yield the entries of a store, in the order of their keys.

    Raises:
        OSError: there is no such folder.
    """
    for subfolder in sorted(os.scandir(folder), key=lambda found: found.name):
        if len(subfolder.name) != 2 or not subfolder.is_dir():
            continue
        for file in sorted(os.scandir(subfolder.path), key=lambda found: found.name):
            if not file.name.endswith(_SUFFIX):
                continue
            try:
                stat = file.stat()
            except FileNotFoundError:  # another process has removed it
                continue
            key = file.name.removesuffix(_SUFFIX)
            yield Entry(key, file.path, stat.st_size, stat.st_mtime_ns)


def damaged(folder: Path) -> Iterator[tuple[Entry, str]]:
    """Yield the entries that differ from what was written, and the reason; none is removed."""
    for entry in entries(folder):
        try:
            entry.read()
        except FileNotFoundError:
            continue
        except DamagedError as error:
            yield entry, str(error)
        except OSError as error:
            yield entry, f"cannot be read ({error.strerror})"


def prune(folder: Path, limit: int) -> Pruned:
    """Remove the least recently used entries, until the rest is within a limit in bytes.

    What was used since the oldest current run began stays. Half-written files of dead processes go.

    Raises:
        OSError: there is no such folder, or it is not writable.
    """
    remove_orphans(folder)
    began = live_since(folder)
    by_use = sorted(entries(folder), key=lambda entry: entry.used)
    total = sum(entry.size for entry in by_use)
    removed = freed = 0
    for entry in by_use:
        if total - freed <= limit or (began is not None and entry.used >= began):
            break
        try:
            # Looked up again: the entry may have been used a moment ago.
            if began is None or os.stat(entry.path).st_mtime_ns < began:
                os.unlink(entry.path)
                removed += 1
                freed += entry.size
        except FileNotFoundError:
            freed += entry.size
        except OSError as error:
            _log.warning("%s cannot be removed (%s)", entry.path, error.strerror)
    needed = sum(entry.size for entry in by_use if began is not None and entry.used >= began)
    return Pruned(removed, freed, total - freed, needed)


def limit_of(folder: Path) -> int | None:
    """Return the size limit of a store in bytes; None if there is none."""
    try:
        return int((folder / _LIMIT).read_text("ascii"))
    except FileNotFoundError:
        return None
    except ValueError:
        _log.warning("%s is no number of bytes: no limit is kept", folder / _LIMIT)
        return None


def set_limit(folder: Path, limit: int | None) -> None:
    """Set the size limit of a store in bytes, or remove it.

    Raises:
        OSError: there is no such folder, or it is not writable.
    """
    if limit is None:
        (folder / _LIMIT).unlink(missing_ok=True)
        return
    part = folder / f"{_LIMIT}.{os.getpid()}"
    part.write_text(f"{limit}\n", "ascii")
    os.replace(part, folder / _LIMIT)
