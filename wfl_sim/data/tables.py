"""Rows of text and label from a file or a hub, dealt out to devices."""

import csv
import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, TextIO

import numpy as np

from wfl_sim.config.fields import FilePath
from wfl_sim.config.registry import From
from wfl_sim.data.examples import Examples, Padding, Shards
from wfl_sim.data.partition import PARTITIONS, Dirichlet, Partition
from wfl_sim.data.sharding import check_sharding, shards
from wfl_sim.randomness import stream

Row = tuple[str, str]


def deal(
    rows: Sequence[Row],
    source: str,
    *,
    partition: Partition,
    test_fraction: float,
    concept_shift: float,
    limit: int | None,
    devices: int,
    seed: int,
) -> Shards:
    """Turn `rows` of (text, label) into shards.

    Classes are the labels that occur, in numerical order when all are integers and in alphabetical
    order otherwise. With a `limit`, that many rows are drawn at random from the seed.

    Raises ValueError when there are fewer than two classes or too few rows.
    """
    if limit is not None and limit < len(rows):
        drawn = stream(seed, "data", "limit").permutation(len(rows))[:limit]
        rows = [rows[i] for i in np.sort(drawn)]
    names = _ordered({label for _, label in rows})
    if len(names) < 2:
        found = f"only {names[0]!r}" if names else "no rows"
        raise ValueError(f"{source}: the label must take at least 2 values, found {found}")
    index = {name: i for i, name in enumerate(names)}
    examples = Examples(
        tuple(text for text, _ in rows), np.array([index[label] for _, label in rows])
    )
    parts = partition.split(examples.labels, devices, stream(seed, "data", "partition"))
    return shards(
        [examples.subset(part) for part in parts],
        names,
        test_fraction=test_fraction,
        concept_shift=concept_shift,
        seed=seed,
    )


def text_columns(text: str | tuple[str, ...]) -> tuple[str, ...]:
    """The columns whose words make the text, in order."""
    return (text,) if isinstance(text, str) else tuple(text)


def check_column(column: str, columns: Iterable[str], source: str) -> None:
    """Raise ValueError, with the nearest name, when `column` is not among `columns`."""
    known = list(columns)
    if column in known:
        return
    near = difflib.get_close_matches(column, known, n=1)
    hint = f", did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"{source}: no column {column!r}{hint} (columns: {', '.join(known)})")


def check_table(text: str | tuple[str, ...], limit: int | None) -> None:
    """Raise ValueError for a table without text columns or with an impossible limit."""
    if not text_columns(text):
        raise ValueError("text must name at least one column, got none")
    if limit is not None and limit < 2:
        raise ValueError(f"limit must be at least 2 rows, got {limit}")


def _ordered(labels: set[str]) -> tuple[str, ...]:
    try:
        return tuple(sorted(labels, key=int))
    except ValueError:
        return tuple(sorted(labels))


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

    path: Annotated[str, FilePath()]
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


@dataclass(frozen=True, kw_only=True)
class Hub:
    """A data set by its name on the Hub; needs the `datasets` package (`wfl_sim[hub]`).

    Attributes:
        name: the data set, or a local folder that `datasets` can load.
        config: the data set's configuration, where it has several.
        split: the split to deal out; the Hub's own test split is not looked at.
        text: the column with the text, or several that are joined by a blank.
        label: the column with the class; class names are taken from the data set where it has them.
        tokens: most tokens of a text.
        test_fraction: part of a device's rows held out.
        partition: which device holds which rows.
        concept_shift: fraction of devices on which two labels trade places (see concept_shift.py).
        limit: at most this many rows, drawn at random; all rows without it.
        padding: to `tokens`, to the longest of a batch, or so with batches of like lengths.
    """

    name: Annotated[str, FilePath(or_name=True)]
    config: str | None = None
    split: str = "train"
    text: str | tuple[str, ...] = "text"
    label: str = "label"
    tokens: int = 64
    test_fraction: float = 0.2
    partition: Annotated[Partition, From(PARTITIONS)] = field(default_factory=Dirichlet)
    concept_shift: float = 0.0
    limit: int | None = None
    padding: Padding = "fixed"

    def __post_init__(self) -> None:
        check_table(self.text, self.limit)
        check_sharding(
            tokens=self.tokens, test_fraction=self.test_fraction, concept_shift=self.concept_shift
        )

    def shards(self, devices: int, seed: int) -> Shards:
        """Fetch the split and deal its rows out to `devices` devices.

        Raises ImportError without `datasets`, ValueError for an absent column or a partition that
        leaves a device with too few rows, and what `datasets` raises when it cannot load.
        """
        return deal(
            self._rows(),
            self.name,
            partition=self.partition,
            test_fraction=self.test_fraction,
            concept_shift=self.concept_shift,
            limit=self.limit,
            devices=devices,
            seed=seed,
        )

    def _rows(self) -> list[Row]:
        try:
            from datasets import load_dataset
        except ImportError:
            raise ImportError(
                "data of kind hub needs the datasets package: pip install 'wfl_sim[hub]'"
            ) from None
        table: Any = load_dataset(self.name, self.config, split=self.split)
        for column in (*text_columns(self.text), self.label):
            check_column(column, table.column_names, self.name)
        names = getattr(table.features[self.label], "names", None)
        return [self._row(row, names, i) for i, row in enumerate(table)]

    def _row(self, row: Mapping[str, object], names: list[str] | None, number: int) -> Row:
        text, label = row_of(row, self.text, self.label, f"{self.name}: row {number}")
        return text, names[int(label)] if names else label


@dataclass(frozen=True, kw_only=True)
class Jsonl:
    """A UTF-8 file with one JSON object a line, one example each; blank lines are passed over.

    Attributes:
        path: the file; a relative path starts from the scenario file.
        text: the key with the text, or several that are joined by a blank.
        label: the key with the class: a string, an integer, or true and false.
        tokens: most tokens of a text.
        test_fraction: part of a device's examples held out.
        partition: which device holds which examples.
        concept_shift: fraction of devices on which two labels trade places (see concept_shift.py).
        limit: at most this many examples, drawn at random; all without it.
        padding: to `tokens`, to the longest of a batch, or so with batches of like lengths.
    """

    path: Annotated[str, FilePath()]
    text: str | tuple[str, ...] = "text"
    label: str = "label"
    tokens: int = 64
    test_fraction: float = 0.2
    partition: Annotated[Partition, From(PARTITIONS)] = field(default_factory=Dirichlet)
    concept_shift: float = 0.0
    limit: int | None = None
    padding: Padding = "fixed"

    def __post_init__(self) -> None:
        check_table(self.text, self.limit)
        check_sharding(
            tokens=self.tokens, test_fraction=self.test_fraction, concept_shift=self.concept_shift
        )

    def shards(self, devices: int, seed: int) -> Shards:
        """Read the file and deal its examples out to `devices` devices.

        Raises FileNotFoundError without the file, ValueError for a file that cannot be read as
        stated or a partition that leaves a device with too few examples.
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
            with open(self.path, encoding="utf-8-sig") as file:
                return [self._row(text, line) for line, text in enumerate(file, 1) if text.strip()]
        except FileNotFoundError:
            raise FileNotFoundError(f"no such file: {self.path}") from None
        except OSError as error:
            raise ValueError(f"{self.path}: cannot be read: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise ValueError(f"{self.path}: not UTF-8 text (byte {error.start})") from None

    def _row(self, text: str, line: int) -> Row:
        source = f"{self.path}:{line}"
        try:
            record = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"{source}: not JSON: {error.msg} at column {error.colno}") from None
        if not isinstance(record, dict):
            raise ValueError(f"{source}: expected a JSON object, found {type(record).__name__}")
        return row_of(record, self.text, self.label, source)


def row_of(
    record: Mapping[str, object], text: str | tuple[str, ...], label: str, source: str
) -> Row:
    """The text and label of one record.

    Raises ValueError when a key is absent, a text is no string, or a label is neither a string nor
    an integer nor a truth value.
    """
    columns = text_columns(text)
    for name in (*columns, label):
        check_column(name, record, source)
    parts = []
    for name in columns:
        part = record[name]
        if not isinstance(part, str):
            raise ValueError(f"{source}: {name!r} must be a string, found {type(part).__name__}")
        parts.append(part.strip())
    value = record[label]
    if not isinstance(value, str | int) or value == "":
        found = "an empty string" if value == "" else type(value).__name__
        raise ValueError(
            f"{source}: {label!r} must be a string, an integer or a truth value, found {found}"
        )
    name = json.dumps(value) if isinstance(value, bool) else str(value).strip()
    return " ".join(parts), name
