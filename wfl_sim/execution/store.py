"""Store: results of tasks on disk, by key. It is what makes a run resume.

An entry is one safetensors file: the tensors are named ``output/part/parameter``; the numbers, the
list of outputs and a checksum of the tensors are JSON in the file's metadata. Files appear by
rename, so an entry is whole or absent; one that is damaged all the same is discarded and made
again. Writing goes on beside the training, in one thread; `flush` waits for it.
"""

import hashlib
import json
import logging
import os
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import get_ident

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from wfl_sim.execution.task import Result

_log = logging.getLogger(__name__)

_BEHIND = 32
"""results that may wait to be written before `put` waits for the disk"""

Arrays = Mapping[str, NDArray[np.floating]]


class GoneError(KeyError):
    """There is no such result, or it was damaged."""


class Store:
    """A folder of results, with the most recent ones kept in memory."""

    def __init__(self, folder: Path, *, memory: int = 1 << 30) -> None:
        """Open or make a store.

        Args:
            folder: where the entries lie.
            memory: bytes of recent results kept in memory.

        Raises:
            OSError: the folder cannot be made or written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._limit = memory
        self._held = 0
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._writing: OrderedDict[str, Future[None]] = OrderedDict()
        self._recent: OrderedDict[str, Result] = OrderedDict()

    def __repr__(self) -> str:
        return f"Store({str(self.folder)!r}, {len(self._recent)} in memory)"

    def __contains__(self, key: str) -> bool:
        if key in self._recent:
            return True
        result = self._read(key)
        if result is None:
            return False
        self._remember(key, result)
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
            raise GoneError(key)
        self._remember(key, result)
        return result

    def put(self, key: str, result: Result) -> None:
        """Take a result; it is on disk after `flush`, in place of an entry of the same content.

        Raises:
            OSError: an earlier result could not be written; nothing half written is left.
        """
        self._remember(key, result)
        self._writing[key] = self._writer.submit(self._write, key, result)
        while len(self._writing) > _BEHIND or self._oldest_written():
            self._writing.popitem(last=False)[1].result()

    def flush(self) -> None:
        """Wait until all results are on disk.

        Raises:
            OSError: one could not be written: the disk is full or not writable.
        """
        while self._writing:
            self._writing.popitem(last=False)[1].result()

    def _oldest_written(self) -> bool:
        return bool(self._writing) and next(iter(self._writing.values())).done()

    def _write(self, key: str, result: Result) -> None:
        tensors = {
            f"{output}/{name}": np.asarray(array, order="C")
            for output, state in result.states.items()
            for name, array in state.items()
        }
        metadata = {
            "outputs": json.dumps(sorted(result.states)),
            "values": json.dumps(dict(result.values), sort_keys=True),
            "checksum": _checksum(tensors),
        }
        path = self._path(key)
        path.parent.mkdir(exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}-{get_ident()}.part")
        try:
            temporary.write_bytes(save(tensors, metadata))
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def _read(self, key: str) -> Result | None:
        if key in self._writing:
            self._writing.pop(key).result()
        path = self._path(key)
        if not path.is_file():
            return None
        try:
            with safe_open(path, framework="numpy") as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if metadata["checksum"] != _checksum(tensors):
                raise ValueError("checksum differs")
            outputs: list[str] = json.loads(metadata["outputs"])
            values: dict[str, float] = json.loads(metadata["values"])
        except (SafetensorError, KeyError, ValueError, OSError) as error:
            _log.warning("%s is damaged (%s): made again", path, error)
            path.unlink(missing_ok=True)
            return None
        states: dict[str, dict[str, NDArray[np.floating]]] = {output: {} for output in outputs}
        for name, array in sorted(tensors.items()):
            output, _, parameter = name.partition("/")
            states[output][parameter] = array
        return Result(states, values)

    def _remember(self, key: str, result: Result) -> None:
        if key in self._recent:
            self._held -= _size(self._recent.pop(key))
        self._recent[key] = result
        self._held += _size(result)
        while self._held > self._limit and len(self._recent) > 1:
            _, old = self._recent.popitem(last=False)
            self._held -= _size(old)

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.safetensors"


def _checksum(tensors: Arrays) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _size(result: Result) -> int:
    return sum(array.nbytes for state in result.states.values() for array in state.values())
