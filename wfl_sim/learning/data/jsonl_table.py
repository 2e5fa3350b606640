"""Texts and labels from a file with one JSON object a line."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from wfl_sim.learning.data.examples import Shards
from wfl_sim.learning.data.padding import Padding
from wfl_sim.learning.data.partition import Dirichlet, Partition
from wfl_sim.learning.data.sharding import check_sharding
from wfl_sim.learning.data.table import Row, check_column, check_table, deal, text_columns
from wfl_sim.protocols import PARTITIONS
from wfl_sim.registry import From
from wfl_sim.written import ScenarioPath


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

    path: Annotated[str, ScenarioPath()]
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
