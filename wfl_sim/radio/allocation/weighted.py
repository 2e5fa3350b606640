"""Weighted share: every resource block in proportion to the weights."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfl_sim.radio.allocation.allocator import ALLOCATORS, Demands


@ALLOCATORS("weighted")
@dataclass(frozen=True)
class Weighted:
    """Generalised processor sharing: ``w_i / sum w`` of each block.

    With `by_bits` the weights are multiplied by the bits left, so that on like channels all end
    together.
    """

    by_bits: bool = False

    def shares(self, demands: Demands) -> NDArray[np.float64]:
        """Return (n, blocks) shares, alike on all blocks."""
        weight = demands.weight * demands.bits_left if self.by_bits else demands.weight
        return demands.flat(weight / weight.sum())
