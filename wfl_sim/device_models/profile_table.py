"""Measured speed and power of local steps, in place of those computed from FLOPs.

A CSV file with the columns model, batch, tokens, tokens_per_second, power (W), hardware, source.
A row holds for batches of `batch` texts of `tokens` tokens each, and where there is a column
`method`, for steps of that method alone. `wfl-sim profile` writes one.
"""

import csv
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

from channel_models.units import PositiveNumber
from channel_models.validation import Validated
from wfl_sim.config.csv_tables import opened
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.fields import FilePath
from wfl_sim.device_models.hardware import Hardware
from wfl_sim.device_models.workload import UpdateCost, Workload

COLUMNS = ("model", "batch", "tokens", "tokens_per_second", "power (W)", "hardware", "source")


@dataclass(frozen=True, kw_only=True)
class ProfileRow:
    """One measurement, in the order of the columns."""

    model: str
    batch: int
    tokens: int
    """Number of tokens of a text."""
    tokens_per_second: float
    power: float
    """Power in W beyond idle."""
    hardware: str
    source: str
    method: str = ""
    """Whose steps were measured; empty: the row is for all."""


@dataclass(frozen=True, kw_only=True)
class ProfileTable(Validated):
    """Measured seconds and watts; nothing is interpolated.

    Of several machines in a table a device takes its own, or else the first; of its rows that of
    its method, or else the one for all. With `speed` the table of another machine is scaled: its
    seconds are divided by it.
    """

    path: Annotated[str, FilePath()]
    speed: PositiveNumber = 1.0
    """Speed of the device relative to the measured machine."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.rows

    @cached_property
    def rows(self) -> tuple[ProfileRow, ...]:
        """The measurements."""
        return read_table(Path(self.path))

    def job(self, hardware: Hardware, workload: Workload) -> UpdateCost:
        """Return the cost of a local update, its phases one after the other.

        Raises:
            LocatedError: the table lacks a row, or was measured on other hardware.
        """
        asked = ((batch.size, batch.tokens) for batch in workload.batches)
        rows = [self._row(workload, *each, hardware.name) for each in asked]
        if not rows:
            raise LocatedError(
                "a synthetic model, or a method that only answers, has no batches in a table",
                "table",
            )
        others = {row.hardware for row in rows} - {hardware.name}
        if others and self.speed == 1.0:
            raise LocatedError(
                f"was measured on {min(others)!r}, not on {hardware.name!r}: give `speed`, the "
                "ratio of their speeds",
                "table",
            )
        seconds = [
            batch.steps * batch.size * batch.tokens / row.tokens_per_second / self.speed
            for batch, row in zip(workload.batches, rows, strict=True)
        ]
        joules = sum(s * row.power for s, row in zip(seconds, rows, strict=True))
        return UpdateCost(arithmetic=sum(seconds), static=joules / sum(seconds))

    def _row(self, workload: Workload, batch: int, tokens: int, hardware: str) -> ProfileRow:
        name = portable_name(workload.model)
        rows = [
            row
            for row in self.rows
            if row.model in (workload.model, name)
            and (row.batch, row.tokens) == (batch, tokens)
            and row.method in ("", workload.method)
        ]
        if rows:
            return min(rows, key=lambda row: (row.hardware != hardware, not row.method))
        asked = _named(name, batch, tokens, workload.method)
        known = ", ".join(_named(r.model, r.batch, r.tokens, r.method) for r in self.rows)
        raise LocatedError(
            f"{Path(self.path).name} has no row for {asked} (it has: {known})", "table"
        )


def _named(model: str, batch: int, tokens: int, method: str) -> str:
    return f"{model} {batch}x{tokens}" + (f" of {method}" if method else "")


def portable_name(model: str) -> str:
    """Return the name of a model in tables: of a local folder its own name, wherever it lies."""
    return Path(model).name if Path(model).is_absolute() else model


def read_table(file: Path) -> tuple[ProfileRow, ...]:
    """Read the measurements of a CSV file.

    Raises:
        ValueError: one line with file and line number: a column is missing or a value is none.
    """
    with opened(file) as text:
        reader = csv.DictReader(text)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(f"{file.name}:1: column {missing[0]!r} is missing")
        rows = tuple(_row(file, number, row) for number, row in enumerate(reader, 2))
    if not rows:
        raise ValueError(f"{file.name}: has no row")
    lines: dict[tuple[str | int, ...], int] = {}
    for line, row in enumerate(rows, 2):
        key = row.model, row.batch, row.tokens, row.hardware, row.method
        if (before := lines.setdefault(key, line)) != line:
            what = f"{_named(row.model, row.batch, row.tokens, row.method)} on {row.hardware}"
            raise ValueError(f"{file.name}:{line}: measures {what} as line {before} does: keep one")
    return rows


def write_table(file: Path, rows: Sequence[ProfileRow]) -> None:
    """Write measurements as `read_table` reads them."""
    with file.open("w", newline="", encoding="utf-8") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow((*COLUMNS, "method"))
        writer.writerows(map(astuple, rows))


def _row(file: Path, line: int, row: dict[str, str]) -> ProfileRow:
    def number(name: str) -> float:
        try:
            value = float(row[name])
        except (TypeError, ValueError):
            value = float("nan")
        if not 0 < value < float("inf"):
            got = row[name] or "nothing"
            raise ValueError(f"{file.name}:{line}: {name} must be a number above 0, got {got!r}")
        return value

    for name in ("batch", "tokens"):
        if not number(name).is_integer():
            raise ValueError(
                f"{file.name}:{line}: {name} must be a whole number, got {row[name]!r}"
            )
    for name in ("model", "hardware", "source"):
        if not (row[name] or "").strip():
            raise ValueError(f"{file.name}:{line}: {name} must not be empty")
    return ProfileRow(
        model=row["model"],
        batch=int(number("batch")),
        tokens=int(number("tokens")),
        tokens_per_second=number("tokens_per_second"),
        power=number("power (W)"),
        hardware=row["hardware"],
        source=row["source"],
        method=(row.get("method") or "").strip(),
    )
