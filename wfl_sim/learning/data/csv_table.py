"""Texts and labels from a CSV file."""

import csv
from dataclasses import dataclass, field
from typing import Annotated, TextIO

from wfl_sim.learning.data.examples import Shards
from wfl_sim.learning.data.padding import Padding
from wfl_sim.learning.data.partition import Dirichlet, Partition
from wfl_sim.learning.data.sharding import check_sharding
from wfl_sim.learning.data.table import Row, check_column, check_table, deal, text_columns
from wfl_sim.protocols import PARTITIONS
from wfl_sim.registry import From
from wfl_sim.written import ScenarioPath


@dataclass(frozen=True, kw_only=True)
class Csv:
    """A UTF-8 CSV file (RFC 4180 quoting), one example a row.

    Attributes:
        path: the file; a relative path starts from the scenario file.
        columns: the columns' names when the file has no header line; else the header names them.
        text: the column with the text, or several that are joined by a blank.
        label: the column with the class; its values, of any kind, become the classes.
        tokens: most tokens of a text.
        test_fraction: part of a device's rows held out.
        partition: which device holds which rows.
        concept_shift: fraction of devices on which two labels trade places (see concept_shift.py).
        limit: at most this many rows, drawn at random; all rows without it.
        delimiter: the character between columns.
        padding: to `tokens`, to the longest of a batch, or so with batches of like lengths.
    """

    path: Annotated[str, ScenarioPath()]
    columns: tuple[str, ...] | None = None
    text: str | tuple[str, ...] = "text"
    label: str = "label"
    tokens: int = 64
    test_fraction: float = 0.2
    partition: Annotated[Partition, From(PARTITIONS)] = field(default_factory=Dirichlet)
    concept_shift: float = 0.0
    limit: int | None = None
    delimiter: str = ","
    padding: Padding = "fixed"

    def __post_init__(self) -> None:
        if len(self.delimiter) != 1:
            raise ValueError(f"delimiter must be one character, got {self.delimiter!r}")
        if self.columns is not None:
            self._check_columns(self.columns, "columns")
        check_table(self.text, self.limit)
        check_sharding(
            tokens=self.tokens, test_fraction=self.test_fraction, concept_shift=self.concept_shift
        )

    def shards(self, devices: int, seed: int) -> Shards:
        """Read the file and deal its rows out to `devices` devices.

        Raises FileNotFoundError without the file, ValueError for a file that cannot be read as
        stated or a partition that leaves a device with too few rows.
        """
        return deal(
            self._rows(),
            self.path,
            partition=self.partition,
            test_fraction=self.test_fraction,
            concept_shift=self.concept_shift,
            limit=self.limit,
            devices=devices,
            seed=seed,
        )

    def _rows(self) -> list[Row]:
        try:
            with open(self.path, encoding="utf-8-sig", newline="") as file:
                return self._parse(file)
        except FileNotFoundError:
            raise FileNotFoundError(f"no such file: {self.path}") from None
        except OSError as error:
            raise ValueError(f"{self.path}: cannot be read: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise ValueError(f"{self.path}: not UTF-8 text (byte {error.start})") from None

    def _parse(self, file: TextIO) -> list[Row]:
        reader = csv.reader(file, delimiter=self.delimiter, strict=True)
        rows: list[Row] = []
        columns = self.columns
        try:
            for row in reader:
                if not row:
                    continue
                if columns is None:
                    columns = tuple(name.strip() for name in row)
                    self._check_columns(columns, f"{self.path}:{reader.line_num}")
                    continue
                rows.append(self._row(row, columns, reader.line_num))
        except csv.Error as error:
            raise ValueError(f"{self.path}:{reader.line_num}: not a CSV row: {error}") from None
        return rows

    def _row(self, row: list[str], columns: tuple[str, ...], line: int) -> Row:
        if len(row) != len(columns):
            raise ValueError(
                f"{self.path}:{line}: expected {len(columns)} columns "
                f"({', '.join(columns)}), found {len(row)}"
            )
        cells = dict(zip(columns, row, strict=True))
        label = cells[self.label].strip()
        if not label:
            raise ValueError(f"{self.path}:{line}: column {self.label!r} is empty")
        return " ".join(cells[name].strip() for name in text_columns(self.text)), label

    def _check_columns(self, columns: tuple[str, ...], source: str) -> None:
        for name in columns:
            if columns.count(name) > 1:
                raise ValueError(f"{source}: column {name!r} occurs {columns.count(name)} times")
        for name in (*text_columns(self.text), self.label):
            check_column(name, columns, source)
