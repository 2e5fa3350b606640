"""The base model of a scenario: which pretrained network is fine-tuned, and what identifies it."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wfl_sim.protocols import MODELS

_BUILTIN: Final = "builtin:"
_HASHED: Final = {".json", ".txt", ".model", ".safetensors", ".jinja"}


@MODELS("pretrained")
@dataclass(frozen=True, kw_only=True)
class Pretrained:
    """A transformers model: `builtin:tiny-bert`, a local folder, or a Hub id.

    `revision` is a branch, tag or commit of a Hub id. Weights are read from safetensors alone, and
    code that comes with a model is never run.
    """

    pretrained: str
    revision: str = ""

    def __post_init__(self) -> None:
        if not self.pretrained.strip():
            raise ValueError("pretrained must name a model, got an empty text")
        if self.revision and self.folder is not None:
            raise ValueError(f"revision belongs to a Hub id, but {self.pretrained!r} is a folder")

    @property
    def folder(self) -> Path | None:
        """The folder that holds the model; None for a Hub id.

        Raises:
            FileNotFoundError: the text is a path, and there is no such folder.
            ValueError: no builtin model has this name.
        """
        if self.pretrained.startswith(_BUILTIN):
            from wfl_sim.learning.pretrained import builtin

            return builtin(self.pretrained.removeprefix(_BUILTIN))
        path = Path(self.pretrained).expanduser()
        if path.is_dir():
            return path
        if self.pretrained.startswith((".", "/", "~")) or self.pretrained.count("/") > 1:
            raise FileNotFoundError(f"no model folder {self.pretrained!r}")
        return None

    def fingerprint(self) -> str:
        """Return what identifies configuration, tokenizer and weights.

        The sha256 of a folder's files; of a Hub id the id and the commit that it resolves to.
        """
        folder = self.folder
        if folder is None:
            from wfl_sim.learning.base_model import commit_of

            return f"{self.pretrained}@{commit_of(self)}"
        return _hash_of(folder)


def _hash_of(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.suffix in _HASHED and file.is_file():
            with file.open("rb") as stream:
                content = hashlib.file_digest(stream, "sha256").hexdigest()
            digest.update(f"{file.name} {content}\n".encode())
    return digest.hexdigest()
