"""Reading a run folder."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file

from wfl_sim.config.sweep import Coordinate
from wfl_sim.records import Scope
from wfl_sim.results.digests import digest_states, digest_values
from wfl_sim.results.series import Series
from wfl_sim.results.tables import (
    LEVEL_COLUMNS,
    METRIC_COLUMNS,
    SPAN_COLUMNS,
    Column,
    arrays,
    problems,
)
from wfl_sim.results.writing import FORMAT
from wfl_sim.state import State


@dataclass(frozen=True)
class Run:
    """A run folder. `Run.open` checks it; its files are read when they are first used."""

    folder: Path

    @classmethod
    def open(cls, folder: Path | str) -> "Run":
        """Return the run in a folder.

        Raises:
            ValueError: Files are missing or damaged; the message has a line for each.
        """
        run = cls(Path(folder))
        if not run.folder.is_dir():
            raise ValueError(f"{run.folder}: no such run folder")
        broken = [f"{run.folder / name}: {reason}" for name, reason in run._broken()]
        if broken:
            raise ValueError("\n".join(broken))
        return run

    @cached_property
    def scenario(self) -> dict[str, Any]:
        """The resolved scenario as plain Python values."""
        return _mapping(YAML(typ="safe", pure=True).load(self.folder / "scenario.yaml"))

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """Versions, seed, digests and totals."""
        return _mapping(json.loads((self.folder / "manifest.json").read_text("utf-8")))

    @cached_property
    def spans(self) -> pa.Table:
        """The table of spans."""
        return pq.read_table(self.folder / "spans.parquet")

    @cached_property
    def metrics(self) -> pa.Table:
        """The table of metrics."""
        return pq.read_table(self.folder / "metrics.parquet")

    @cached_property
    def levels(self) -> pa.Table:
        """The table of levels; empty if no device has any."""
        if not self._has_levels:
            return pa.schema([column.field for column in LEVEL_COLUMNS]).empty_table()
        return pq.read_table(self.folder / "levels.parquet")

    @property
    def _has_levels(self) -> bool:
        return "levels" in self.manifest["digests"]

    @cached_property
    def level_arrays(self) -> dict[str, NDArray[Any]]:
        """The levels as NumPy arrays by column."""
        return arrays(self.levels)

    @cached_property
    def span_arrays(self) -> dict[str, NDArray[Any]]:
        """The spans as NumPy arrays by column; NaN for missing values."""
        return arrays(self.spans)

    @cached_property
    def metric_arrays(self) -> dict[str, NDArray[Any]]:
        """The metrics as NumPy arrays by column."""
        return arrays(self.metrics)

    @property
    def label(self) -> str:
        """Label of the run in figures: that of the manifest, or else the scenario's name."""
        return str(self.manifest.get("label") or self.scenario.get("name") or self.folder.name)

    @property
    def seed(self) -> int:
        """The seed of the run."""
        return int(self.manifest.get("seed", self.scenario.get("seed", 0)))

    @cached_property
    def point(self) -> dict[str, Coordinate]:
        """Coordinates of the run in its sweep, by path; its variant's name under `variant`."""
        stated = self.manifest.get("point", {})
        return {path: Coordinate(**coordinate) for path, coordinate in stated.items()}

    @property
    def seconds(self) -> float:
        """Simulated time of the run, in s."""
        return float(self.manifest["simulated_seconds"])

    @property
    def joules(self) -> float:
        """Energy that all devices drew, in J."""
        return float(sum(self.manifest.get("joules", {}).values()))

    @property
    def bits(self) -> int:
        """Bits that were sent over the air, up and down."""
        bits = self.manifest.get("bits", {})
        return int(bits.get("sent_up", 0)) + int(bits.get("sent_down", 0))

    @property
    def rounds(self) -> int:
        """Number of rounds that were started."""
        return int(self.span_arrays["round"].max(initial=-1)) + 1

    @cached_property
    def measured(self) -> tuple[tuple[str, str], ...]:
        """The pairs of metric and scope that were measured, sorted; none in a network-only run."""
        rows = self.metric_arrays
        pairs = zip(rows["metric"].tolist(), rows["scope"].tolist(), strict=True)
        return tuple(sorted(set(pairs)))

    def series(self, metric: str, scope: Scope, device: str = "") -> Series:
        """Return the evaluations of one metric, sorted by time.

        Args:
            metric: Name of the metric, such as "accuracy".
            scope: The models that were evaluated; with "device", give `device` as well.
            device: Name of the device, or empty.

        Raises:
            ValueError: The metric was not measured with this scope.
        """
        rows = self.metric_arrays
        mine = (rows["metric"] == metric) & (rows["scope"] == scope) & (rows["device"] == device)
        if not mine.any():
            asked = "/".join(filter(None, (metric, scope, device)))
            known = ", ".join("/".join(pair) for pair in self.measured) or "nothing"
            raise ValueError(f"{self.folder}: no metric {asked}; measured was {known}")
        order = np.flatnonzero(mine)
        order = order[np.argsort(rows["time"][order], kind="stable")]
        return Series(
            time=rows["time"][order],
            round=rows["round"][order],
            value=rows["value"][order],
            bits=rows["bits_up"][order] + rows["bits_down"][order],
            joules=rows["joules"][order],
        )

    def final(self, metric: str, scope: Scope) -> float:
        """Return the last value of a metric.

        Raises:
            ValueError: The metric was not measured with this scope.
        """
        return float(self.series(metric, scope).value[-1])

    def states(self) -> dict[str, State]:
        """Return the final states by the name of their file in `adapters/`."""
        folder = self.folder / "adapters"
        return {name: load_file(folder / f"{name}.safetensors") for name in self._adapters()}

    def verify(self) -> None:
        """Compare every stored number with the digests of the manifest.

        Raises:
            ValueError: Tables or states differ; the message has a line for each.
        """
        found = {
            "spans": digest_values(self.spans.to_pydict(), SPAN_COLUMNS),
            "metrics": digest_values(self.metrics.to_pydict(), METRIC_COLUMNS),
            "states": digest_states(self.states()),
        }
        if self._has_levels:
            found["levels"] = digest_values(self.levels.to_pydict(), LEVEL_COLUMNS)
        wrong = [
            f"{self.folder}: the {name} differ from their digest in manifest.json"
            for name, digest in found.items()
            if self.manifest["digests"].get(name) != digest
        ]
        if wrong:
            raise ValueError("\n".join(wrong))

    def _adapters(self) -> list[str]:
        return [str(name) for name in self.manifest.get("adapters", [])]

    def _broken(self) -> Iterator[tuple[str, str]]:
        if reason := self._unreadable("scenario.yaml"):
            yield "scenario.yaml", reason
        if reason := self._unreadable("manifest.json"):
            yield "manifest.json", reason
        elif not isinstance(version := self.manifest.get("format"), int):
            yield "manifest.json", "has no format number"
        elif version > FORMAT:
            yield "manifest.json", f"format {version} is newer than {FORMAT}, which this reads"
        elif not isinstance(self.manifest.get("digests"), dict):
            yield "manifest.json", "has no digests"
        else:
            for name in self._adapters():
                if reason := _broken_state(self.folder / "adapters" / f"{name}.safetensors"):
                    yield f"adapters/{name}.safetensors", reason
        tables = [("spans", SPAN_COLUMNS), ("metrics", METRIC_COLUMNS)]
        if not self._unreadable("manifest.json") and "levels" in self.manifest.get("digests", ()):
            tables.append(("levels", LEVEL_COLUMNS))
        for name, columns in tables:
            for reason in _broken_table(self.folder / f"{name}.parquet", columns):
                yield f"{name}.parquet", reason

    def _unreadable(self, name: str) -> str:
        try:
            _ = self.scenario if name == "scenario.yaml" else self.manifest
        except FileNotFoundError:
            return "missing"
        except (OSError, ValueError, YAMLError) as error:
            return f"damaged: {_first_line(error)}"
        return ""


def _mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"must hold a mapping, holds a {type(value).__name__}")
    return value


def _broken_table(path: Path, columns: Sequence[Column]) -> list[str]:
    try:
        schema = pq.read_schema(path)
    except FileNotFoundError:
        return ["missing"]
    except (OSError, pa.ArrowException) as error:
        return [f"damaged: {_first_line(error)}"]
    return problems(schema, columns)


def _broken_state(path: Path) -> str:
    try:
        with safe_open(path, framework="numpy"):
            return ""
    except FileNotFoundError:
        return "missing"
    except (OSError, SafetensorError) as error:
        return f"damaged: {_first_line(error)}"


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]
