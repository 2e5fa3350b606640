"""Writing a run folder, whole or not at all."""

import ctypes
import json
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
from safetensors.numpy import save

from wfl_sim.records import LabelCount, Level, Metric, RadioSample, Span
from wfl_sim.results.digests import digest_states, digest_text, digest_values
from wfl_sim.results.tables import COLUMNS, OPTIONAL, parquet, table, values
from wfl_sim.state import State

if sys.platform != "win32":
    import fcntl

FORMAT = 1
"""Version of the folder's format; later versions are refused by a reader."""

_HERE: Final = -100
"""AT_FDCWD of Linux: relative paths start from the working folder."""
_EXCHANGE: Final = 2
"""RENAME_EXCHANGE of Linux, RENAME_SWAP of macOS."""

OWNED = (
    "scenario.yaml",
    "manifest.json",
    "spans.parquet",
    "metrics.parquet",
    *(f"{name}.parquet" for name in OPTIONAL),
    "adapters",
    "samples.json",
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
    samples: Sequence[Mapping[str, str]] = (),
    labels: Sequence[LabelCount] = (),
    radio: Sequence[RadioSample] = (),
) -> None:
    """Write a run folder.

    Everything is written into a hidden sibling, which is then renamed, so that a folder under its
    own name is whole. A run of the same name is replaced: its figures are removed, since they show
    the old numbers, and files that are not part of a run folder stay. Whoever is killed meanwhile
    leaves the old run or the new one; where the system cannot exchange two folders at once, the old
    one is put back by the next `check_replaceable`. Equal arguments give equal bytes.

    Args:
        folder: Path of the run folder; missing parents are made.
        scenario_yaml: The resolved scenario, runnable.
        manifest: Values that JSON can represent, finite numbers only; `format`, `digests`,
            `adapters` and `scenario_digest` are added.
        spans: Spans in the order in which they are stored.
        metrics: Metrics in the order in which they are stored.
        states: States by the name of their file in `adapters/`.
        levels: Levels in the order in which they are stored; without any there is no such table.
        samples: Answers of language models; without any there is no such file.
        labels: Labels that devices hold, in the same way.
        radio: Samples of the radio, in the same way.

    Raises:
        ValueError: A state's name is no file name, a number of the manifest is not finite, or
            `folder` is not a run folder.
        OSError: The disk refuses; then nothing has changed.
    """
    for name in states:
        if not re.fullmatch(r"\w[\w.-]*", name):
            raise ValueError(f"the name of a state must be a file name, got {name!r}")
    check_replaceable(folder)
    rows: dict[str, Sequence[object]] = {
        "spans": spans,
        "metrics": metrics,
        "levels": levels,
        "labels": labels,
        "radio": radio,
    }
    tables = {
        name: values(content, COLUMNS[name])
        for name, content in rows.items()
        if content or name not in OPTIONAL
    }
    digests = {name: digest_values(tables[name], COLUMNS[name]) for name in tables}
    digests["states"] = digest_states(states)
    full = {
        **manifest,
        "format": FORMAT,
        "digests": digests,
        "adapters": sorted(states),
        "scenario_digest": digest_text(scenario_yaml),
    }
    text = json.dumps(full, indent=2, sort_keys=True, allow_nan=False, default=_plain)
    contents = {"scenario.yaml": scenario_yaml.encode(), "manifest.json": text.encode() + b"\n"}
    if samples:
        said = json.dumps(samples, indent=1, ensure_ascii=False)
        contents["samples.json"] = said.encode(errors="backslashreplace") + b"\n"
    for name, content in tables.items():
        contents[f"{name}.parquet"] = parquet(table(content, COLUMNS[name]))
    for name, state in states.items():
        contiguous = {key: np.asarray(array, order="C") for key, array in state.items()}
        contents[f"adapters/{name}.safetensors"] = save(contiguous)
    _place(folder, contents)


def check_replaceable(folder: Path) -> None:
    """Check that a run can be written to a folder, and put back one whose replacement was cut off.

    Raises:
        ValueError: it is no folder, or holds files but no run.
    """
    if folder.parent.is_dir():
        with _locked(folder.parent):
            _restore(folder)
            _refuse_other_files(folder)


def _restore(folder: Path) -> None:
    begin, end = f".{folder.name}.", ".old"
    for old in folder.parent.iterdir():
        if old.name.startswith(begin) and old.name.endswith(end):
            if folder.exists():
                shutil.rmtree(old)
            else:
                old.rename(folder)


def _refuse_other_files(folder: Path) -> None:
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ValueError(f"{folder}: is not a folder, so no run can be written there")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "manifest.json").exists():
        raise ValueError(
            f"{folder}: holds files but no manifest.json, so it is not replaced: remove it"
        )


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
            if not folder.exists():
                fresh.rename(folder)
            else:
                _carry(folder, fresh)
                _swap(fresh, folder, stale)
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


def _carry(folder: Path, fresh: Path) -> None:
    """Link what is not part of a run folder into the fresh one, or copy it."""
    for entry in folder.iterdir():
        if entry.name not in OWNED:
            if entry.is_dir() and not entry.is_symlink():
                shutil.copytree(entry, fresh / entry.name, symlinks=True, copy_function=_link)
            else:
                _link(entry, fresh / entry.name)


def _link(source: str | Path, target: str | Path) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except (OSError, NotImplementedError):
        shutil.copy2(source, target, follow_symlinks=False)


def _swap(fresh: Path, folder: Path, stale: Path) -> None:
    """Put a fresh folder in the place of another, which goes."""
    if _exchanged(fresh, folder):
        shutil.rmtree(fresh)
        return
    folder.rename(stale)
    try:
        fresh.rename(folder)
    except BaseException:
        stale.rename(folder)
        raise
    shutil.rmtree(stale)


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange two folders at once; False where the system or the file system cannot."""
    if sys.platform == "win32":
        return False
    library = ctypes.CDLL(None)
    if hasattr(library, "renameat2"):  # Linux
        return not library.renameat2(_HERE, bytes(one), _HERE, bytes(other), _EXCHANGE)
    if hasattr(library, "renamex_np"):  # macOS
        return not library.renamex_np(bytes(one), bytes(other), _EXCHANGE)
    return False


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
