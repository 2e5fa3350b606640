"""The folder of a sweep: the planned runs, those that have ended, and the table over them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from wfl_sim.results.manifest import as_mapping, is_plain_name, unreadable
from wfl_sim.results.run import Run
from wfl_sim.results.tables import parquet, write_whole

FORMAT: Final = 1
"""Version of the folder's format; later versions are refused by a reader."""

_MANIFEST: Final = "sweep.json"
_TABLE: Final = "table.parquet"


@dataclass(frozen=True)
class Sweep:
    """The folder of a sweep. `Sweep.open` checks it; files are read when they are first used."""

    folder: Path

    @classmethod
    def open(cls, folder: Path | str) -> "Sweep":
        """Return the sweep in a folder.

        Raises:
            ValueError: There is none, or its `sweep.json` is damaged, newer or not to be read.
        """
        sweep = cls(Path(folder))
        path = sweep.folder / _MANIFEST
        if reason := unreadable(path, lambda: sweep.manifest):
            raise ValueError(f"{path}: {reason}")
        version = sweep.manifest.get("format")
        if not isinstance(version, int) or not isinstance(sweep.manifest.get("runs"), list):
            raise ValueError(f"{path}: has no format number or no list of runs")
        if not all(
            isinstance(run, dict) and is_plain_name(run.get("folder")) for run in sweep._runs
        ):
            raise ValueError(f"{path}: a run must be a folder right in that of the sweep")
        if version > FORMAT:
            raise ValueError(f"{path}: format {version} is newer than {FORMAT}, which this reads")
        return sweep

    @staticmethod
    def is_one(folder: Path) -> bool:
        """Return whether a folder is that of a sweep."""
        return (folder / _MANIFEST).is_file()

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """Name of the scenario, and the runs with their points, in the order of the sweep."""
        return as_mapping(json.loads((self.folder / _MANIFEST).read_text("utf-8")))

    @property
    def planned(self) -> list[Path]:
        """The run folders, whether they exist or not, in the order of the sweep."""
        return [self.folder / str(run["folder"]) for run in self._runs]

    @property
    def _runs(self) -> list[dict[str, Any]]:
        runs: list[dict[str, Any]] = self.manifest["runs"]
        return runs

    @property
    def missing(self) -> list[Path]:
        """The runs that have not ended yet."""
        return [folder for folder in self.planned if not folder.is_dir()]

    def runs(self) -> list[Run]:
        """Return the runs that have ended, in the order of the sweep.

        Raises:
            ValueError: A run folder is damaged.
        """
        return [Run.open(folder) for folder in self.planned if folder.is_dir()]

    @cached_property
    def table(self) -> pa.Table:
        """One row for each run; written when all have ended."""
        return pq.read_table(self.folder / _TABLE)


def write_sweep(folder: Path, name: str, runs: Sequence[Mapping[str, Any]]) -> None:
    """Write the plan of a sweep before its first run, and remove an earlier table."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _TABLE).unlink(missing_ok=True)
    content = {"format": FORMAT, "name": name, "runs": list(runs)}
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    write_whole(folder / _MANIFEST, text.encode())


def write_table(path: Path, table: pa.Table) -> Path:
    """Write a table as Parquet, whole or not at all."""
    return write_whole(path, parquet(table))
