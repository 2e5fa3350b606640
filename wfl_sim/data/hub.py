"""Data sets of the Hugging Face Hub."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Self

from wfl_sim.config.fields import FilePath
from wfl_sim.data.partition import IID
from wfl_sim.data.sharding import DATA
from wfl_sim.data.tables import Row, Table
from wfl_sim.data.text_file import check_apart


@DATA("hub")
@dataclass(frozen=True, kw_only=True)
class Hub(Table):
    """A data set by its name on the Hub; needs the `datasets` package (`wfl_sim[hub]`).

    Class names are taken from the data set where it has them. There a label of -1 means none, such
    as where annotators disagree or in a hidden test set: these rows are left out, which is said.

    Attributes:
        name: the data set, or a local folder that `datasets` can load.
        config: the data set's configuration, where it has several.
        split: the split that is divided; the Hub's own test split is not used.
    """

    name: Annotated[str, FilePath(or_name=True)]
    config: str | None = None
    split: str = "train"

    def __post_init__(self) -> None:
        check_apart(self.test, self.split)
        super().__post_init__()

    @property
    def source(self) -> str:
        """The data set, for error messages."""
        return self.name

    def rows(self) -> list[Row]:
        """Fetch the split; raises what `datasets` raises when it cannot load."""
        table = load_hub(self.name, self.config, self.split)
        self.check_columns(table.column_names, self.name)
        names = getattr(table.features[self.label], "names", None)
        rows = [self.row_of(row, f"{self.name}: row {number}") for number, row in enumerate(table)]
        if not names:
            return rows
        named = {str(number): name for number, name in enumerate(names)} | {"-1": ""}
        return [row._replace(label=named[row.label]) for row in rows]

    def official(self) -> Self:
        """Return the split of the test."""
        return replace(self, split=str(self.test), test=None, partition=IID())


def load_hub(name: str, config: str | None, split: str) -> Any:
    """Return a data set of the Hub, or raise what `datasets` raises when it cannot load.

    Raises ValueError for a folder that it would not load.
    """
    try:
        from datasets import load_dataset
    except ImportError:
        raise ImportError(
            f"{name}: a data set of the Hub needs the datasets package: pip install 'wfl_sim[hub]'"
        ) from None
    if (Path(name) / "state.json").is_file():
        what = "is one split, as `Dataset.save_to_disk` writes it"
        raise ValueError(f"{name}: {what}: use `DatasetDict(train=...).save_to_disk`")
    return load_dataset(name, config, split=split)
