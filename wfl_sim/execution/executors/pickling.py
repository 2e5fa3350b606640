"""Parcel: a learner on its way to another process, or to another machine with its base model."""

import io
import os
import pickle
import pickletools
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from wfl_sim.config.plugins import plugin, plugins
from wfl_sim.execution.learner import Learner
from wfl_sim.learning.pretrained_model import Pretrained, content_of, files_of

Files = Mapping[str, NDArray[np.uint8]]
"""name to bytes; as arrays, which Ray hands on without a copy"""


@dataclass(frozen=True)
class PickledLearner:
    """A learner as bytes, and the users' files whose classes are in it."""

    plugins: tuple[Path, ...]
    content: bytes
    models: Mapping[str, Files] = field(default_factory=dict)
    """by the sha256 of what is in them"""

    @classmethod
    def of(cls, learner: Learner, *, models: bool = False) -> Self:
        """Pack a learner. The other process must find the same plug-in files and packages.

        Args:
            learner: with no network in memory.
            models: take along the files of base models that come with no package.

        Raises:
            TypeError: a class of the learner is defined in a script or notebook.
        """
        stream = io.BytesIO()
        packer = _Packer(stream, models)
        packer.dump(learner)
        content = stream.getvalue()
        if _of_main(content):
            raise TypeError("a class of a script or notebook: put it into a file of its own")
        return cls(tuple(plugins()), content, packer.models)

    def opened(self) -> Learner:
        """Return the learner, after running the users' files; they are those that ran already.

        Models that are not where they were before are put into this machine's folder for temporary
        files, once for all processes, and stay there.
        """
        for file in self.plugins:
            plugin(file)
        learner: Learner = _Opener(io.BytesIO(self.content), self.models).load()
        return learner


class _Packer(pickle.Pickler):
    """Puts the content of a model's folder in place of its path."""

    def __init__(self, stream: io.BytesIO, carries: bool) -> None:
        super().__init__(stream)
        self._carries = carries
        self.models: dict[str, Files] = {}

    def persistent_id(self, thing: object) -> Any:
        if not self._carries or not isinstance(thing, Pretrained) or thing.installed:
            return None
        folder = thing.folder(weights=True)
        key = content_of(folder)
        if key not in self.models:
            self.models[key] = {file.name: np.fromfile(file, np.uint8) for file in files_of(folder)}
        return key, asdict(thing)


class _Opener(pickle.Unpickler):
    def __init__(self, stream: io.BytesIO, models: Mapping[str, Files]) -> None:
        super().__init__(stream)
        self._models = models

    def persistent_load(self, pid: Any) -> Pretrained:
        key, fields = pid
        folder = Path(fields["pretrained"]).expanduser()
        if not folder.is_dir() or content_of(folder) != key:
            folder = _unpacked(key, self._models[key])
        return Pretrained(**{**fields, "pretrained": str(folder), "revision": ""})


def _unpacked(key: str, files: Files) -> Path:
    """Return the folder of a model on this machine, made whole or not at all."""
    owner = os.getuid() if hasattr(os, "getuid") else 0
    place = Path(tempfile.gettempdir()) / f"wfl_sim-model-{owner}-{key}"
    if not place.is_dir():
        part = Path(tempfile.mkdtemp(prefix=place.name, dir=place.parent))
        try:
            for name, content in files.items():
                content.tofile(part / name)
            with suppress(OSError):  # another process was first
                part.rename(place)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    if content_of(place) != key:
        raise OSError(f"{place} does not hold what it was made of: remove it")
    return place


def _of_main(content: bytes) -> bool:
    """Return whether a pickle names anything of this process's script."""
    if b"__main__" not in content:
        return False
    last = [""]
    for code, argument, _ in pickletools.genops(content):
        if code.name == "STACK_GLOBAL" and "__main__" in last[-2:]:
            return True
        if isinstance(argument, str):
            last.append(argument)
    return False
