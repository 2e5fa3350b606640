"""A learner as bytes for another process, or for another machine together with its base model."""

import io
import os
import pickle
import pickletools
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from wfl_sim.config.errors import LocatedError
from wfl_sim.config.plugin_code import Sources, plugin, plugins, sources
from wfl_sim.execution.learner import Learner, PortableModel

Files = Mapping[str, NDArray[np.uint8]]
"""Content of files by path in their folder. Ray passes arrays on without a copy."""


@dataclass(frozen=True)
class PickledLearner:
    """A learner as bytes, and the plug-in files that define its classes."""

    plugins: Mapping[Path, Sources]
    content: bytes
    models: Mapping[str, Files] = field(default_factory=dict)
    """Files of base models by content key."""

    @classmethod
    def of(cls, learner: Learner, *, models: bool = False) -> Self:
        """Pickle a learner. The other process must find the same plug-in files and packages.

        Args:
            learner: with no network in memory.
            models: whether to add the files of base models that are not part of a package.

        Raises:
            LocatedError: a class of the learner cannot go to another process.
        """
        stream = io.BytesIO()
        pickler = _Pickler(stream, models)
        try:
            pickler.dump(learner)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise _cannot_go(str(error)) from None
        content = stream.getvalue()
        if name := _of_main(content):
            raise _cannot_go(
                f"a class of a script or notebook: put it into a file of its own ({name}; "
                f"`kind: ./mine.py:{name}`), or use `inline`"
            )
        used = [each for each in plugins() if each.__name__.encode() in content]
        files = {Path(str(each.__file__)): sources(each.__name__) for each in used}
        return cls(files, content, pickler.models)

    def unpickled(self) -> Learner:
        """Return the learner, after running the plug-in files; those that ran before do not.

        A base model that is missing here is written to this machine's folder for temporary files,
        once for all processes, and stays there.

        Raises:
            OSError: a plug-in has been edited since the learner was pickled.
        """
        for file, expected in self.plugins.items():
            found = sources(plugin(file).__name__)
            if any(found[name] != expected[name] for name in {*found} & {*expected}):
                raise OSError(f"{file}, or what it imports, was edited meanwhile: start it again")
        learner: Learner = _Unpickler(io.BytesIO(self.content), self.models).load()
        return learner


class _Pickler(pickle.Pickler):
    """Replaces a base model by its content key and its settings, and collects its files."""

    def __init__(self, stream: io.BytesIO, carries: bool) -> None:
        super().__init__(stream)
        self._carries = carries
        self.models: dict[str, Files] = {}

    def persistent_id(self, thing: object) -> Any:
        if not self._carries or not isinstance(thing, PortableModel) or thing.installed:
            return None
        key, files = thing.content()
        if key not in self.models:
            self.models[key] = {name: np.fromfile(file, np.uint8) for name, file in files.items()}
        return key, pickle.dumps(thing)


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: io.BytesIO, models: Mapping[str, Files]) -> None:
        super().__init__(stream)
        self._models = models

    def persistent_load(self, pid: Any) -> PortableModel:
        key, settings = pid
        model: PortableModel = pickle.loads(settings)
        return model if model.is_here(key) else _unpacked(model, key, self._models[key])


def _unpacked(model: PortableModel, key: str, files: Files) -> PortableModel:
    """Return a model in a folder of this machine, which is written whole or not at all."""
    owner = os.getuid() if hasattr(os, "getuid") else 0
    place = Path(tempfile.gettempdir()) / f"wfl_sim-model-{owner}-{key}"
    if not place.is_dir():
        part = Path(tempfile.mkdtemp(prefix=place.name, dir=place.parent))
        try:
            for name, content in files.items():
                (part / name).parent.mkdir(parents=True, exist_ok=True)
                content.tofile(part / name)
            with suppress(OSError):  # another process was first
                part.rename(place)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    located = model.located_at(place)
    if not located.is_here(key):
        raise OSError(f"{place} does not hold what it was made of: remove it")
    return located


def _cannot_go(why: str) -> LocatedError:
    return LocatedError(f"the learner cannot go to another process: {why}", "execution")


def _of_main(content: bytes) -> str:
    """Return the name of something of this process's script in a pickle; empty if none is."""
    if b"__main__" not in content:
        return ""
    last = [""]
    for code, argument, _ in pickletools.genops(content):
        if code.name == "STACK_GLOBAL" and "__main__" in last[-2:]:
            return last[-1]
        if isinstance(argument, str):
            last.append(argument)
    return ""
