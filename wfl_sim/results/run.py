"""Reading a run folder."""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from ruamel.yaml import YAML
from safetensors import safe_open
from safetensors.numpy import load_file

from wfl_sim.config.sweep import Coordinate
from wfl_sim.records import Scope
from wfl_sim.results.digests import digest_states, digest_text, digest_values
from wfl_sim.results.manifest import (
    as_mapping,
    manifest_problems,
    sample_texts,
    shown_label,
    unreadable,
)
from wfl_sim.results.series import Series
from wfl_sim.results.tables import COLUMNS, OPTIONAL, arrays, natural_key, problems
from wfl_sim.results.writing import FORMAT
from wfl_sim.state import State

INFRASTRUCTURE: Final = ("aggregate", "transfer", "user-upload", "user-download")
"""Activities of servers, cells and users beside the federation; no device has them."""


@dataclass(frozen=True)
class Run:
    """A run folder. `Run.open` checks it; its files are read when they are first used."""

    folder: Path

    @classmethod
    def open(cls, folder: Path | str) -> "Run":
        """Return the run in a folder.

        Raises:
            ValueError: Files are missing, damaged or closed to us; the message has a line for each.
        """
        run = cls(Path(folder))
        if not run.folder.is_dir():
            raise ValueError(f"{run.folder}: no such run folder")
        if not any((run.folder / name).exists() for name in ("scenario.yaml", "manifest.json")):
            kind = "a sweep" if (run.folder / "sweep.json").exists() else "no run"
            raise ValueError(f"{run.folder}: is {kind}: name a run folder; manifest.json: missing")
        broken = [f"{run.folder / name}: {reason}" for name, reason in run._broken()]
        if broken:
            raise ValueError("\n".join(broken))
        return run

    @cached_property
    def scenario(self) -> dict[str, Any]:
        """The resolved scenario as plain Python values."""
        text = (self.folder / "scenario.yaml").read_text("utf-8")
        return as_mapping(deepcopy(_values(text)))

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """Versions, seed, digests and totals."""
        return as_mapping(json.loads((self.folder / "manifest.json").read_text("utf-8")))

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
        return self._optional("levels")

    @cached_property
    def labels(self) -> pa.Table:
        """The table of the labels that devices hold; empty if there are none."""
        return self._optional("labels")

    @cached_property
    def radio(self) -> pa.Table:
        """The table of samples of the radio; empty if none were recorded."""
        return self._optional("radio")

    @cached_property
    def samples(self) -> list[dict[str, str]]:
        """Requests, and what language models answer to them; none of other runs."""
        path = self.folder / "samples.json"
        return sample_texts(json.loads(path.read_text("utf-8"))) if path.exists() else []

    def _optional(self, name: str) -> pa.Table:
        if name not in self.tables:
            return pa.schema([column.field for column in COLUMNS[name]]).empty_table()
        return pq.read_table(self.folder / f"{name}.parquet")

    @property
    def tables(self) -> list[str]:
        """Names of the tables that the folder has."""
        stated = self.manifest["digests"]
        return [name for name in COLUMNS if name not in OPTIONAL or name in stated]

    @cached_property
    def level_arrays(self) -> dict[str, NDArray[Any]]:
        """The levels as NumPy arrays by column."""
        return arrays(self.levels)

    @cached_property
    def label_arrays(self) -> dict[str, NDArray[Any]]:
        """The labels as NumPy arrays by column."""
        return arrays(self.labels)

    @cached_property
    def radio_arrays(self) -> dict[str, NDArray[Any]]:
        """The samples of the radio as NumPy arrays by column; lists in columns of objects."""
        return arrays(self.radio)

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
        """Label of the run in figures: that of the manifest, or else the scenario's name.

        It is one printable line, whoever has written it.
        """
        written = self.manifest.get("label") or self.scenario.get("name") or self.folder.name
        return shown_label(str(written))

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
    def components(self) -> dict[str, float]:
        """Energy in J that all devices drew, by component."""
        stated = self.manifest.get("joules", {})
        return {str(name): float(joules) for name, joules in stated.items()}

    @property
    def joules(self) -> float:
        """Energy that all devices drew, in J."""
        return sum(self.components.values())

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

    @cached_property
    def devices(self) -> list[str]:
        """Names of the devices in natural order: 2 before 10."""
        spans = self.span_arrays
        others = set(spans["actor"][np.isin(spans["activity"], INFRASTRUCTURE)].tolist())
        return sorted(set(spans["actor"].tolist()) - others, key=natural_key)

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
        """Compare all numbers, and the scenario unless of an earlier version, with their digests.

        Raises:
            ValueError: Something differs; the message has a line for each.
        """
        found = {
            name: digest_values(getattr(self, name).to_pydict(), COLUMNS[name])
            for name in self.tables
        }
        found["states"] = digest_states(self.states())
        found["scenario"] = digest_text((self.folder / "scenario.yaml").read_text("utf-8"))
        own = {"scenario": self.manifest.get("scenario_digest", found["scenario"])}
        wrong = [
            f"{self.folder}: the digest of the {name} differs from that in manifest.json"
            for name, digest in found.items()
            if (self.manifest["digests"] | own).get(name) != digest
        ]
        if wrong:
            raise ValueError("\n".join(wrong))

    def _adapters(self) -> list[str]:
        return [str(name) for name in self.manifest.get("adapters", [])]

    def _broken(self) -> Iterator[tuple[str, str]]:
        """Yield the name of each file that is missing or not as it must be, and why."""
        tables = ["spans", "metrics"]
        yield from self._unreadable("scenario.yaml", lambda: self.scenario)
        if reasons := list(self._unreadable("manifest.json", lambda: self.manifest)):
            yield from reasons
        elif not isinstance(version := self.manifest.get("format"), int):
            yield "manifest.json", "has no format number"
        elif version > FORMAT:
            yield "manifest.json", f"format {version} is newer than {FORMAT}, which this reads"
        elif problems_found := list(manifest_problems(self.manifest)):
            yield from (("manifest.json", problem) for problem in problems_found)
        else:
            tables = self.tables
            for adapter in self._adapters():
                name = f"adapters/{adapter}.safetensors"
                opened = partial(safe_open, self.folder / name, framework="numpy")
                yield from self._unreadable(name, opened)
        if (self.folder / "samples.json").exists():
            yield from self._unreadable("samples.json", lambda: self.samples)
        for table in tables:
            name = f"{table}.parquet"
            reasons = list(self._unreadable(name, partial(pq.read_schema, self.folder / name)))
            yield from reasons
            if not reasons:
                for reason in problems(pq.read_schema(self.folder / name), COLUMNS[table]):
                    yield name, reason

    def _unreadable(self, name: str, read: Callable[[], object]) -> Iterator[tuple[str, str]]:
        if reason := unreadable(self.folder / name, read):
            yield name, reason


@lru_cache(maxsize=1024)  # table, figures and report of a sweep open its runs again
def _values(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)
