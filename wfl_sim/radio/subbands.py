"""Granularity: the units in which resource blocks are known and given."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Subbands:
    """Units of `size` neighbouring blocks, the last one smaller where they do not fit.

    One block is frequency-selective scheduling, all of them are wideband scheduling. The channel
    stays one of blocks: only what is known and decided is coarser.
    """

    blocks: int
    size: int

    @property
    def count(self) -> int:
        """Number of units."""
        return -(-self.blocks // self.size)

    def reported(self, values: FloatArray) -> FloatArray:
        """Means over the blocks of each unit, along the last axis but one."""
        if self.size == 1:
            return values
        first = np.arange(0, self.blocks, self.size)
        return np.asarray(np.add.reduceat(values, first, axis=-2) / self._sizes[:, None])

    def given(self, units: NDArray[Any]) -> NDArray[Any]:
        """What blocks are given, from what units are given, along the last axis."""
        return units if self.size == 1 else np.repeat(units, self._sizes, axis=-1)

    @property
    def _sizes(self) -> NDArray[np.intp]:
        first = np.arange(0, self.blocks, self.size)
        return np.diff(np.append(first, self.blocks))
