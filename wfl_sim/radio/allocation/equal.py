"""Equal share: every transfer gets the same part of every resource block."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfl_sim.radio.allocation.allocator import ALLOCATORS, Demands


@ALLOCATORS("equal")
@dataclass(frozen=True)
class EqualShare:
    """Processor sharing: 1/n of each resource block for each of n transfers."""

    def shares(self, demands: Demands) -> NDArray[np.float64]:
        """Return (n, blocks) shares, all 1/n."""
        return np.full(demands.efficiency.shape, 1.0 / len(demands.bits_left))
