"""Parcel: a learner on its way to another process."""

import pickle
import pickletools
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from wfl_sim.protocols import Learner
from wfl_sim.registry import plugin, plugins


@dataclass(frozen=True)
class Parcel:
    """A learner as bytes, and the users' files whose classes are in it."""

    plugins: tuple[Path, ...]
    content: bytes

    @classmethod
    def of(cls, learner: Learner) -> Self:
        """Pack a learner. The other process must find the same files and packages.

        Raises:
            TypeError: a class of the learner is defined in a script or notebook.
        """
        content = pickle.dumps(learner)
        if _of_main(content):
            raise TypeError("a class of a script or notebook: put it into a file of its own")
        return cls(tuple(plugins()), content)

    def opened(self) -> Learner:
        """Return the learner, after running the users' files; they are those that ran already."""
        for file in self.plugins:
            plugin(file)
        learner: Learner = pickle.loads(self.content)
        return learner


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
