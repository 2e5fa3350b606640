"""Tables of a run folder: their columns, with types and units, and conversions."""

import csv
import errno
import hashlib
import io
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_type_hints

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from wfl_sim.records import LabelCount, Level, Metric, RadioSample, Span

NAME_BYTES: Final = 120
"""Longest names that are made of labels, in bytes: file systems take 255, encrypted ones 143, and
what is being written has 14 more."""

Kind = Literal["float", "int", "text", "ints", "floats"]


@dataclass(frozen=True)
class Column:
    """One column of a table of rows."""

    name: str
    kind: Kind
    unit: str
    optional: bool = False
    """Whether a row may have no value (null)."""

    @property
    def field(self) -> pa.Field:
        """The Arrow field, with the unit in its metadata."""
        types = {
            "float": pa.float64(),
            "int": pa.int64(),
            "text": pa.dictionary(pa.int32(), pa.string()),
            "ints": pa.list_(pa.int32()),
            "floats": pa.list_(pa.float32()),
        }
        return pa.field(self.name, types[self.kind], self.optional, metadata={"unit": self.unit})


_KINDS: Final[dict[Any, Kind]] = {
    float: "float",
    int: "int",
    str: "text",
    tuple[int, ...]: "ints",
    tuple[float, ...]: "floats",
}
"""Kinds of columns by the types of fields; literals are texts."""


def _columns(row: type) -> tuple[Column, ...]:
    """Return a column for each field of a row type: its unit is the note of the field's type."""
    made = []
    for name, hint in get_type_hints(row, include_extras=True).items():
        optional = type(None) in get_args(hint)
        kind, unit = get_args(get_args(hint)[0] if optional else hint)
        made.append(Column(name, _KINDS.get(kind, "text"), unit, optional))
    return tuple(made)


COLUMNS: Final = {
    "spans": _columns(Span),
    "metrics": _columns(Metric),
    "levels": _columns(Level),
    "labels": _columns(LabelCount),
    "radio": _columns(RadioSample),
}
"""Columns of each table of a run folder."""

OPTIONAL: Final = ("levels", "labels", "radio")
"""Tables that a run folder has only where they have rows; `digests` of the manifest has them."""

Values = Mapping[str, list[Any]]
"""The values of a table by column; None for missing values."""


def values(rows: Sequence[object], columns: Sequence[Column]) -> Values:
    """Return the values of rows, by column."""
    return {column.name: [getattr(row, column.name) for row in rows] for column in columns}


def table(values: Values, columns: Sequence[Column]) -> pa.Table:
    """Return the Arrow table; text is dictionary-encoded in the order of first appearance."""
    arrays = []
    for column in columns:
        if column.kind == "text":
            arrays.append(pa.array(values[column.name], pa.string()).dictionary_encode())
        else:
            arrays.append(pa.array(values[column.name], column.field.type))
    return pa.Table.from_arrays(arrays, schema=pa.schema([column.field for column in columns]))


def parquet(table: pa.Table) -> bytes:
    """Return a table as the content of a Parquet file."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", version="2.6")
    content: bytes = sink.getvalue().to_pybytes()
    return content


def write_whole(path: Path, content: bytes) -> Path:
    """Write a file whole or not at all, into a folder that is made if it does not exist.

    A link in its place is replaced, not followed.

    Raises:
        OSError: It cannot be written; the error names it.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise FileExistsError(errno.EEXIST, "is a pipe or a device, not a file", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        fresh.write_bytes(content)
        os.replace(fresh, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        fresh.unlink(missing_ok=True)
    return path


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """Write rows under a header in full precision; None and NaN become empty.

    A text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        writer.writerow([_cell(value) for value in row])
    return write_whole(path, file.getvalue().encode())


def write_table_csv(path: Path, table: pa.Table) -> Path:
    """Write an Arrow table as CSV."""
    columns = (table.column(name).to_pylist() for name in table.column_names)
    return write_csv(path, table.column_names, zip(*columns, strict=True))


def _cell(value: object) -> object:
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return "" if value is None or value != value else value


def file_name(*words: object) -> str:
    """Return words as one lower-case file name; a long one is cut and ends in a digest."""
    text = "-".join(str(word) for word in words)
    name = re.sub(r"[^\w.-]+", "-", text).strip("-").lower()
    if len(name.encode()) <= NAME_BYTES:
        return name
    return f"{cut(name, NAME_BYTES - 9)}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def apart(name: str, taken: set[str]) -> str:
    """Return a name that is not taken, if need be with a number, and note that it is taken now."""
    numbered = (f"{name}-{number}" if number > 1 else name for number in count(1))
    free = next(each for each in numbered if each not in taken)
    taken.add(free)
    return free


def natural_key(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts the numbers within names as numbers; of `1` and `01`, `01` first."""
    parts = re.split(r"(\d+)", name)
    return [*((int(p), "") if p.isdecimal() else (-1, p) for p in parts), (-1, name)]


def cut(text: str, size: int) -> str:
    """Return as much of the beginning of a text as takes `size` bytes of UTF-8."""
    return text.encode()[: max(size, 0)].decode(errors="ignore")


def arrays(table: pa.Table) -> dict[str, NDArray[Any]]:
    """Return the columns of a table as NumPy arrays: float64, int64, str or lists; NaN for null."""
    columns = {}
    unified = table.unify_dictionaries()
    for name in unified.column_names:
        column = unified.column(name).combine_chunks()
        if pa.types.is_dictionary(column.type):
            words = np.array(column.dictionary.to_pylist(), np.str_)
            columns[name] = words[column.indices.to_numpy(zero_copy_only=False)]
        else:
            columns[name] = column.to_numpy(zero_copy_only=False)
    return columns


def problems(schema: pa.Schema, columns: Sequence[Column]) -> list[str]:
    """Return the columns that a stored table lacks, in words; other columns are ignored."""
    found = {field.name: field.type for field in schema}
    return [
        f"column {column.name!r} is missing"
        if column.name not in found
        else f"column {column.name!r} is {found[column.name]}, should be {column.field.type}"
        for column in columns
        if found.get(column.name) != column.field.type
    ]
