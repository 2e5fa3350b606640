"""Data sets of the Hugging Face Hub."""

from dataclasses import dataclass
from typing import Annotated, Any

from wfl_sim.config.fields import FilePath
from wfl_sim.data.text_file import Source


@dataclass(frozen=True, kw_only=True)
class HubName(Source):
    """A data set on the Hub.

    Attributes:
        name: the data set, or a local folder that `datasets` can load.
        config: the data set's configuration, where it has several.
        split: the split that is divided; the Hub's own test split is not used.
    """

    name: Annotated[str, FilePath(or_name=True)]
    config: str | None = None
    split: str = "train"

    @property
    def source(self) -> str:
        """The data set, for error messages."""
        return self.name


def load_hub(name: str, config: str | None, split: str) -> Any:
    """Return a data set of the Hub, or raise what `datasets` raises when it cannot load."""
    try:
        from datasets import load_dataset
    except ImportError:
        raise ImportError(
            f"{name}: a data set of the Hub needs the datasets package: pip install 'wfl_sim[hub]'"
        ) from None
    return load_dataset(name, config, split=split)
