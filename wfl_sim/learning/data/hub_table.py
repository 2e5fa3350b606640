"""Texts and labels from a data set on the Hugging Face Hub."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from wfl_sim.learning.data.examples import Shards
from wfl_sim.learning.data.jsonl_table import row_of
from wfl_sim.learning.data.padding import Padding
from wfl_sim.learning.data.partition import Dirichlet, Partition
from wfl_sim.learning.data.sharding import check_sharding
from wfl_sim.learning.data.table import Row, check_column, check_table, deal, text_columns
from wfl_sim.protocols import PARTITIONS
from wfl_sim.registry import From
from wfl_sim.written import ScenarioPath


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

    name: Annotated[str, ScenarioPath(or_name=True)]
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
