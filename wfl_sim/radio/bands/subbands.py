"""Subbands: groups of resource blocks that are reported and allocated together."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from channel_models.validation import FloatArray


@dataclass(frozen=True)
class Subbands:
    """Units of `size` neighbouring resource blocks, the last one smaller where they do not fit.

    One block is frequency-selective scheduling, all of them are wideband scheduling. Fading stays
    one value a block: only what the allocator knows and decides is coarser.
    """

    blocks: int
    size: int

    @property
    def count(self) -> int:
        """Number of units."""
        return -(-self.blocks // self.size)

    def to_units(self, values: FloatArray) -> FloatArray:
        """Means over the blocks of each unit, along the last axis but one."""
        if self.size == 1:
            return values
        return np.asarray(np.add.reduceat(values, self._first, axis=-2) / self.sizes[:, None])

    def to_blocks(self, units: NDArray[Any]) -> NDArray[Any]:
        """Values of blocks from values of their units, along the last axis."""
        return units if self.size == 1 else np.repeat(units, self.sizes, axis=-1)

    def each_block(self, levels: FloatArray) -> FloatArray:
        """Levels of blocks from those of their units, evenly within each."""
        return np.asarray(self.to_blocks(levels / self.sizes))

    @cached_property
    def _first(self) -> NDArray[np.intp]:
        return np.arange(0, self.blocks, self.size)

    @cached_property
    def sizes(self) -> NDArray[np.intp]:
        """Blocks of each unit."""
        return np.diff(np.append(self._first, self.blocks))
