"""CSV tables with units in the header: steps over time, intervals, and rows of numbers.

The header names each column with its unit, so that a file in hours and milliwatts is read as it
is: ``start (h),end (h),power (mW)``. A trace of steps has no gaps and repeats from its start.
"""

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Protocol, TextIO

import numpy as np

from channel_models.units import Unit
from channel_models.validation import FloatArray
from wfl_sim.config.documents import shown
from wfl_sim.config.fields import FilePath


class Measure(Protocol):
    """Reader of a quantity: `channel_models.units.Unit`, or another with a symbol of its own."""

    @property
    def symbol(self) -> str:
        """Unit in the header of a column."""

    def parse(self, value: object) -> float:
        """Return the number of a text that ends with the unit; ValueError for any other."""


_TIME = Unit("s", minimum=0.0)


@dataclass(frozen=True, eq=False)
class StepTrace:
    """A quantity that is constant between `ends`, from time zero on, and repeats after the last."""

    ends: FloatArray
    """End of each step in s (n,), ascending."""
    values: FloatArray
    """Value during each step (n,)."""

    @property
    def mean(self) -> float:
        """Average over one period."""
        lengths = np.diff(self.ends, prepend=0.0)
        return float((lengths * self.values).sum() / self.ends[-1])

    def at(self, time: float) -> tuple[float, float]:
        """Return the value from `time` on, and the time strictly after it until which it holds."""
        period = float(self.ends[-1])
        count = float(time // period)
        step = int(np.searchsorted(self.ends, time - count * period, side="right"))
        while True:
            if step == len(self.ends):
                count, step = count + 1.0, 0
            until = count * period + float(self.ends[step])
            if until > time:
                return float(self.values[step]), until
            step += 1


@dataclass(frozen=True)
class PowerTrace:
    """Power over time: a CSV file with the columns start (s), end (s), power (W)."""

    path: Annotated[str, FilePath()]

    def __post_init__(self) -> None:
        _ = self.steps

    @cached_property
    def steps(self) -> StepTrace:
        """Power in W."""
        return read_steps(Path(self.path), "power", Unit("W", minimum=0.0))


def read_steps(file: Path, quantity: str, unit: Measure) -> StepTrace:
    """Read a trace of steps that follow one another from zero on.

    Raises:
        ValueError: one line with file and line number: a column is missing, in a wrong unit, or
            holds no number; the rows leave a gap or overlap.
    """
    rows = read_rows(file, {"start": _TIME, "end": _TIME, quantity: unit})
    last = 0.0
    for line, row in rows:
        if row["start"] != last:
            what = "a gap" if row["start"] > last else "an overlap"
            raise ValueError(
                f"{file.name}:{line}: {what}: starts at {row['start']:g} s, must start at "
                f"{last:g} s, where the row before ends"
            )
        last = _ended(file, line, row)
    return StepTrace(
        np.array([row["end"] for _, row in rows]), np.array([row[quantity] for _, row in rows])
    )


def read_intervals(file: Path, key: str) -> dict[int, list[tuple[float, float]]]:
    """Read intervals of time that belong to a whole number: its column `key`, start, end.

    Raises:
        ValueError: as `read_steps`; intervals of one number overlap or go back. Those that touch
            are one.
    """
    found: dict[int, list[tuple[float, float]]] = {}
    number = Unit("1", minimum=0.0)
    last: dict[int, float] = {}
    for line, row in read_rows(file, {key: number, "start": _TIME, "end": _TIME}):
        if row[key] != int(row[key]):
            raise ValueError(f"{file.name}:{line}: {key} must be an integer, got {row[key]:g}")
        which = int(row[key])
        mine = found.setdefault(which, [])
        if row["start"] < last.get(which, 0.0):
            raise ValueError(
                f"{file.name}:{line}: start must be at least {last[which]:g} s, where the row "
                f"before of {key} {which} ends, got {row['start']:g} s"
            )
        start = mine.pop()[0] if mine and row["start"] == last[which] else row["start"]
        last[which] = _ended(file, line, row)
        mine.append((start, last[which]))
    return found


@contextmanager
def opened(file: Path) -> Iterator[TextIO]:
    """Open a CSV file; spreadsheets begin UTF-8 with a byte-order mark.

    Raises:
        ValueError: one line for whatever cannot be read in this context.
    """
    try:
        with file.open(newline="", encoding="utf-8-sig") as text:
            yield text
    except OSError as error:
        raise ValueError(f"{file.name}: cannot be read: {error.strerror}") from None
    except csv.Error as error:
        raise ValueError(f"{file.name}: is no CSV file: {error}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{file.name}: must be a text in UTF-8") from None


def read_lines(file: Path) -> tuple[str, list[tuple[int, list[str]]]]:
    """Return what stands between the columns of a CSV file, and its numbered lines.

    A header without a comma may have semicolons or tabs between its columns.
    """
    with opened(file) as text:
        top = text.readline()
        text.seek(0)
        between = "," if "," in top else max(";\t", key=top.count)
        reader = csv.reader(text, delimiter=between)
        lines = [(number, row) for number, row in enumerate(reader, 1) if row]
    if len(lines) < 2:
        raise ValueError(f"{file.name}: must have a header and at least one row")
    return between, lines


def read_rows(file: Path, columns: Mapping[str, Measure]) -> list[tuple[int, dict[str, float]]]:
    """Read numbers in SI units from a CSV file whose header reads ``name (unit),name (unit)``.

    Returns:
        The line number and the values of each row; other columns are left out.
    """
    between, lines = read_lines(file)
    (first, header), *body = lines
    written = [_head(cell) for cell in header]
    places: dict[str, tuple[int, str]] = {}
    for name, unit in columns.items():
        found = [i for i, (word, _) in enumerate(written) if word == name]
        if len(found) != 1:
            raise ValueError(
                f"{file.name}:{first}: needs one column {name!r} (columns: "
                f"{', '.join(_named(each, unit) for each, unit in columns.items())}), header is "
                f"{shown(between.join(header))}"
            )
        places[name] = found[0], written[found[0]][1]
        if unit.symbol != "1" and not places[name][1]:
            raise ValueError(
                f"{file.name}:{first}: column {name!r} must name its unit, as in "
                f"'{name} ({unit.symbol})'"
            )
    for line, row in body:
        if len(row) > len(header):
            raise ValueError(
                f"{file.name}:{line}: must have at most the {len(header)} cells of the header, "
                f"got {len(row)}"
            )
    return [
        (line, {n: _number(file, line, row, n, *places[n], columns[n]) for n in columns})
        for line, row in body
    ]


def _named(name: str, unit: Measure) -> str:
    return name if unit.symbol == "1" else f"{name} ({unit.symbol})"


def _head(cell: str) -> tuple[str, str]:
    name, _, unit = cell.partition("(")
    return name.strip(), unit.strip().removesuffix(")").strip()


def _number(
    file: Path, line: int, row: list[str], name: str, place: int, written: str, unit: Measure
) -> float:
    cell = row[place].strip() if place < len(row) else ""
    try:
        value: Any = float(cell)
    except ValueError:
        raise ValueError(
            f"{file.name}:{line}: {name} must be a number, got {cell or 'nothing'!r}"
        ) from None
    try:
        return unit.parse(f"{cell} {written}" if written else value)
    except ValueError as error:
        raise ValueError(f"{file.name}:{line}: {name}: {error}") from None


def _ended(file: Path, line: int, row: Mapping[str, float]) -> float:
    if not row["end"] > row["start"]:
        raise ValueError(
            f"{file.name}:{line}: end must be after start {row['start']:g} s, got {row['end']:g} s"
        )
    return row["end"]
