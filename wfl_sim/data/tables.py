"""Tables of labelled texts, and those in CSV files and JSON lines."""

import csv
import difflib
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Annotated, Final, Literal, NamedTuple, Self
from unicodedata import normalize

import numpy as np
from annotated_types import Ge

from wfl_sim.config.errors import counted, in_json
from wfl_sim.config.fields import Bounded, FilePath, ProperShare, Share
from wfl_sim.config.registry import From
from wfl_sim.data.examples import Examples, Padding, Shards
from wfl_sim.data.partition import IID, PARTITIONS, Dirichlet, Partition, divided, in_order
from wfl_sim.data.sharding import DATA, draw_rows, left_out, repeated, shards
from wfl_sim.data.text_file import Source, TextFile, check_apart, scalar

_LONGEST_FIELD: Final = 2**30
"""Characters of a text; it is cut to `tokens` later."""


class Row(NamedTuple):
    """A row of a table."""

    text: str
    label: str
    """Empty: none."""
    owner: str = ""
    """The value in the column of the partition; empty without one."""
    pair: str = ""
    """The second text; empty without one."""


@contextmanager
def _long_fields() -> Iterator[None]:
    """Let CSV fields be as long as a text; the limit belongs to the process, so it is put back."""
    before = csv.field_size_limit(_LONGEST_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(before)


@dataclass(frozen=True, kw_only=True)
class Table(Bounded, Source):
    """Rows of text and label, divided over devices.

    Classes are the labels that occur, in numerical order if all are integers, else alphabetical.

    Attributes:
        text: the column with the text, or several that are joined by a blank.
        pair: the column with a second text, which the network sees as such.
        label: the column with the class.
        tokens: largest number of tokens of a text.
        test_fraction: share of a device's rows that is held out.
        test: official test set, another file or split, on which shared models are evaluated.
        partition: which device holds which rows.
        concept_shift: fraction of devices on which two labels are exchanged (see sharding.py).
        limit: at most this many rows, drawn at random; all rows without it.
        padding: to `tokens`, to the longest of a batch, or so with batches of like lengths.
    """

    text: str | tuple[str, ...] = "text"
    pair: str | None = None
    label: str = "label"
    tokens: Annotated[int, Ge(8)] = 64
    test_fraction: ProperShare = 0.2
    partition: Annotated[Partition, From(PARTITIONS)] = field(default_factory=Dirichlet)
    concept_shift: Share = 0.0
    limit: Annotated[int, Ge(2)] | None = None
    padding: Padding = "fixed"
    test: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.text_columns:
            raise ValueError("text must name at least one column, got none")

    @abstractmethod
    def rows(self) -> list[Row]:
        """Read each row."""

    @property
    def text_columns(self) -> tuple[str, ...]:
        """The columns whose words make the text, in order."""
        return (self.text,) if isinstance(self.text, str) else tuple(self.text)

    @property
    def owner(self) -> str | None:
        """The column by which the partition divides, if it does by one."""
        return getattr(self.partition, "column", None)

    def shards(self, devices: int, seed: int) -> Shards:
        """Read the rows and divide them over `devices` devices.

        Raises FileNotFoundError without the file, ImportError without `datasets`, and ValueError
        for a source that cannot be read as stated, fewer than two classes, or a partition that
        leaves a device with too few rows.
        """
        labelled, remarks = self._labelled()
        rows = draw_rows(labelled, self.limit, seed)
        names = in_order({row.label for row in rows})
        if len(names) < 2:
            but = f"only {names[0]!r}" if names else "no rows"
            raise ValueError(f"{self.source}: the label must take at least 2 values, found {but}")
        examples = self._examples(rows, names)
        values = [row.owner for row in rows]
        parts = divided(self.partition, examples.labels, devices, seed, values)
        remarks += left_out(len(rows), parts, self.owner) + self._alike(names)
        made = shards(
            [examples.subset(part) for part in parts],
            names,
            test_fraction=self.test_fraction,
            concept_shift=self.concept_shift,
            seed=seed,
        )
        if self.test is None:
            return replace(made, remarks=remarks + repeated(made.train, made.pooled))
        official = self.official()
        tested, more = official._labelled()
        if unknown := {row.label for row in tested} - {*names}:
            raise ValueError(
                f"{official.source}: label {min(unknown)!r} occurs in the test set alone "
                f"(to learn from: {', '.join(names)})"
            )
        if not tested:
            raise ValueError(f"{official.source}: no rows")
        pooled = self._examples(tested, names)
        more += repeated(made.train, pooled)
        return replace(made, pooled=pooled, remarks=remarks + more)

    @abstractmethod
    def official(self) -> Self:
        """Return the table of the official test set."""

    def _labelled(self) -> tuple[list[Row], tuple[str, ...]]:
        """Read the rows that have texts and label, and lines that say how many lack one."""
        kept, counts, found = list[Row](), Counter[str](), self.rows()
        for row in found:
            if not row.text:
                counts["text"] += 1
            elif self.pair is not None and not row.pair:
                counts[repr(self.pair)] += 1
            elif not row.label:
                counts["label"] += 1
            else:
                kept.append(row)
        return kept, tuple(
            f"{self.source}: {count:,} of {counted(len(found), 'row')} left out, without {what}"
            for what, count in counts.items()
        )

    def _alike(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return a line where labels are written with the same signs, composed and decomposed."""
        alike = Counter(normalize("NFC", name) for name in names)
        twice = ", ".join(repr(name) for name, count in alike.items() if count > 1)
        why = "labels that look alike are classes of their own (Unicode forms NFC and NFD)"
        return (f"{self.source}: {why}: {twice}",) if twice else ()

    def _examples(self, rows: Sequence[Row], names: Sequence[str]) -> Examples:
        index = {name: i for i, name in enumerate(names)}
        labels = np.array([index[row.label] for row in rows])
        pairs = () if self.pair is None else tuple(row.pair for row in rows)
        return Examples(tuple(row.text for row in rows), labels, pairs)

    def check_columns(self, columns: Iterable[str], source: str) -> None:
        """Raise ValueError, with the nearest name, where one that is read is not in `columns`."""
        known = list(columns)
        for column in filter(None, (*self.text_columns, self.pair, self.label, self.owner)):
            if column not in known:
                near = difflib.get_close_matches(column, known, n=1)
                hint = f", did you mean {near[0]!r}?" if near else ""
                raise ValueError(
                    f"{source}: no column {column!r}{hint} (columns: {', '.join(known)})"
                )

    def row_of(self, record: Mapping[str, object], source: str) -> Row:
        """Return the row of one record.

        Raises ValueError when a key is absent, a text is no string, or another value is neither a
        string nor an integer nor a truth value.
        """
        self.check_columns(record, source)
        texts = {}
        for name in filter(None, (*self.text_columns, self.pair)):
            part = record[name]
            if not isinstance(part, str):
                raise ValueError(f"{source}: {name!r} must be a string, found {in_json(part)}")
            texts[name] = part.strip()
        owner = "" if self.owner is None else scalar(record, self.owner, source)
        return self._row_with(texts, scalar(record, self.label, source), owner)

    def _row_with(self, cells: Mapping[str, str], label: str, owner: str) -> Row:
        text = " ".join(cells[name].strip() for name in self.text_columns)
        pair = "" if self.pair is None else cells[self.pair].strip()
        return Row(text.strip(), label, owner, pair)


@dataclass(frozen=True, kw_only=True)
class TableFile(Table, TextFile):
    """A table in a file; its official test set is another one of the same form."""

    test: Annotated[str, FilePath()] | None = None

    def __post_init__(self) -> None:
        check_apart(self.test, self.path)
        super().__post_init__()

    def official(self) -> Self:
        """Return the file of the test."""
        return replace(self, path=str(self.test), test=None, partition=IID())


@DATA("csv")
@dataclass(frozen=True, kw_only=True)
class Csv(TableFile):
    """A UTF-8 CSV file (RFC 4180 quoting), one example a row.

    Attributes:
        columns: the columns' names when the file has no header line; else the header names them.
        delimiter: the character between columns.
        quoting: `off` where quotation marks are signs like any other, as in many TSV files.
    """

    columns: tuple[str, ...] | None = None
    delimiter: str = ","
    quoting: Literal["off"] | None = None

    def __post_init__(self) -> None:
        if len(self.delimiter) != 1:
            raise ValueError(f"delimiter must be one character, got {self.delimiter!r}")
        if self.columns is not None:
            self._check_header(self.columns, "columns")
        super().__post_init__()

    def rows(self) -> list[Row]:
        """Read the file; blank lines are left out."""
        columns, line, rows = self.columns, 1, list[Row]()
        with _long_fields(), self.opened(newline="") as file:
            quote = None if self.quoting == "off" else '"'  # None: every sign is text
            reader = csv.reader(file, delimiter=self.delimiter, strict=True, quotechar=quote)
            try:
                for row in reader:
                    source, line = f"{self.path}:{line}", reader.line_num + 1  # its first line
                    if not row:
                        continue
                    if columns is None:
                        columns = tuple(name.strip() for name in row)
                        self._check_header(columns, source)
                    elif not rows and tuple(map(str.strip, row)) == self.columns:
                        raise ValueError(f"{source}: a header: leave `columns` out")
                    else:
                        rows.append(self._row(row, columns, source))
            except csv.Error as error:
                raise ValueError(f"{self.path}:{line}: not a CSV row: {error}") from None
        return rows

    def _row(self, row: list[str], columns: tuple[str, ...], source: str) -> Row:
        if len(row) != len(columns):
            raise ValueError(
                f"{source}: expected {len(columns)} columns ({', '.join(columns)}), "
                f"found {len(row)}"
            )
        cells = dict(zip(columns, row, strict=True))
        for name in filter(None, (self.label, self.owner)):
            if not cells[name].strip():
                raise ValueError(f"{source}: column {name!r} is empty")
        owner = cells[self.owner].strip() if self.owner else ""
        return self._row_with(cells, cells[self.label].strip(), owner)

    def _check_header(self, columns: tuple[str, ...], source: str) -> None:
        for name in columns:
            if columns.count(name) > 1:
                raise ValueError(f"{source}: column {name!r} occurs {columns.count(name)} times")
        self.check_columns(columns, source)


@DATA("jsonl")
@dataclass(frozen=True, kw_only=True)
class Jsonl(TableFile):
    """A UTF-8 file with one JSON object a line, one example each, or an array of such objects.

    A label is a string, an integer, or true and false.
    """

    def rows(self) -> list[Row]:
        """Read the file."""
        return [self.row_of(record, source) for source, record in self.json_records()]
