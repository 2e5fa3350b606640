"""Round robin: resource blocks in rotation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfl_sim.radio.allocation.allocator import ALLOCATORS, Demands


@ALLOCATORS("round-robin")
@dataclass(frozen=True)
class RoundRobin:
    """Whole blocks, one after the other, to the transfers in the order of their arrival.

    The rotation goes on from step to step: after n steps each of n transfers has held each block
    equally often, up to one, where n and the number of blocks have no common divisor.
    """

    def holders(self, demands: Demands) -> NDArray[np.intp]:
        """Return (blocks,) which transfer holds each block."""
        count, blocks = demands.efficiency.shape
        return np.asarray((demands.step * blocks + np.arange(blocks)) % count)

    def shares(self, demands: Demands) -> NDArray[np.float64]:
        """Return (n, blocks) shares, one transfer per block."""
        return demands.whole(self.holders(demands))
