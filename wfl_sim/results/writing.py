"""Writing a run folder, whole or not at all."""

import json
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from wfl_sim.records import Level, Metric, Span
from wfl_sim.results.digests import digest_states, digest_values
from wfl_sim.results.tables import COLUMNS, parquet, table, values
from wfl_sim.state import State

if sys.platform != "win32":
    import fcntl

FORMAT = 1
"""Version of the folder's format; later versions are refused by a reader."""

OWNED = (
    "scenario.yaml",
    "manifest.json",
    "spans.parquet",
    "metrics.parquet",
    "levels.parquet",
    "adapters",
    "figures",
)
"""The entries of a run folder that are removed when the run is replaced."""


def write_run(
    folder: Path,
    *,
    scenario_yaml: str,
    manifest: Mapping[str, Any],
    spans: Sequence[Span],
    metrics: Sequence[Metric],
    states: Mapping[str, State],
    levels: Sequence[Level] = (),
) -> None:
    """Write a run folder.

    Everything is written into a hidden sibling, which is then renamed, so that a folder under its
    own name is whole. A run of the same name is replaced: its figures are removed, since they show
    the old numbers, and files that are not part of a run folder stay. Equal arguments give equal
    bytes.

    Args:
        folder: Path of the run folder; missing parents are made.
        scenario_yaml: The resolved scenario, runnable.
        manifest: Values that JSON can represent, finite numbers only; `format`, `digests` and
            `adapters` are added.
        spans: Spans in the order in which they are stored.
        metrics: Metrics in the order in which they are stored.
        states: States by the name of their file in `adapters/`.
        levels: Levels in the order in which they are stored; without any there is no such table.

    Raises:
        ValueError: A state's name is no file name, a number of the manifest is not finite, or
            `folder` is not a run folder.
        OSError: The disk refuses; then nothing has changed.
    """
    for name in states:
        if not re.fullmatch(r"\w[\w.-]*", name):
            raise ValueError(f"the name of a state must be a file name, got {name!r}")
    if folder.parent.is_dir():
        with _locked(folder.parent):
            _refuse_other_files(folder)
    rows: dict[str, Sequence[object]] = {"spans": spans, "metrics": metrics, "levels": levels}
    if not levels:
        del rows["levels"]
    tables = {name: values(rows[name], COLUMNS[name]) for name in rows}
    digests = {name: digest_values(tables[name], COLUMNS[name]) for name in tables}
    digests["states"] = digest_states(states)
    full = {**manifest, "format": FORMAT, "digests": digests, "adapters": sorted(states)}
    text = json.dumps(full, indent=2, sort_keys=True, allow_nan=False, default=_plain)
    contents = {"scenario.yaml": scenario_yaml.encode(), "manifest.json": text.encode() + b"\n"}
    for name, content in tables.items():
        contents[f"{name}.parquet"] = parquet(table(content, COLUMNS[name]))
    for name, state in states.items():
        contiguous = {key: np.asarray(array, order="C") for key, array in state.items()}
        contents[f"adapters/{name}.safetensors"] = save(contiguous)
    _place(folder, contents)


def _refuse_other_files(folder: Path) -> None:
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ValueError(f"{folder}: is not a folder, so no run can be written there")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "manifest.json").exists():
        raise ValueError(f"{folder}: holds files but no manifest.json, so it is not replaced")


def _plain(value: object) -> object:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"the manifest holds a {type(value).__name__}, which JSON cannot hold")


def _place(folder: Path, contents: Mapping[str, bytes]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    token = secrets.token_hex(4)
    fresh = folder.with_name(f".{folder.name}.{token}.new")
    stale = folder.with_name(f".{folder.name}.{token}.old")
    try:
        (fresh / "adapters").mkdir(parents=True)
        for name, content in contents.items():
            _write(fresh / name, content)
        _flush(fresh / "adapters")
        _flush(fresh)
        with _locked(folder.parent):
            _swap(fresh, folder, stale)
            if stale.exists():
                for entry in stale.iterdir():
                    if entry.name not in OWNED:
                        entry.rename(folder / entry.name)
                shutil.rmtree(stale)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    _flush(folder.parent)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock a folder against other processes that replace runs in it, where the system can."""
    if sys.platform == "win32":
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _swap(fresh: Path, folder: Path, stale: Path) -> None:
    if not folder.exists():
        fresh.rename(folder)
        return
    folder.rename(stale)
    try:
        fresh.rename(folder)
    except BaseException:
        stale.rename(folder)
        raise


def _write(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _flush(folder: Path) -> None:
    if os.name != "posix":  # elsewhere a folder cannot be opened, and renames are journalled
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
