"""Parcel: a learner on its way to another process."""

import pickle
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
        """Pack a learner. The other process must find the same files and packages."""
        return cls(tuple(plugins()), pickle.dumps(learner))

    def opened(self) -> Learner:
        """Return the learner, after running the users' files; they are those that ran already."""
        for file in self.plugins:
            plugin(file)
        learner: Learner = pickle.loads(self.content)
        return learner
