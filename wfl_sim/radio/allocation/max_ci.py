"""Maximum C/I: each resource block to the transfer with the best channel on it.

R. Knopp, P. A. Humblet, Information capacity and power control in single-cell multiuser
communications, 1995.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfl_sim.radio.allocation.allocator import ALLOCATORS, Demands


@ALLOCATORS("max-ci")
@dataclass(frozen=True)
class MaxCI:
    """Each block goes to argmax of the rate: the largest sum, and those far away starve."""

    def holders(self, demands: Demands) -> NDArray[np.intp] | None:
        """Return (blocks,) which transfer holds each block; None where there are ties."""
        best = demands.efficiency.argmax(axis=0)
        top = demands.efficiency[best, np.arange(len(best))]
        unique = np.count_nonzero(demands.efficiency == top) == len(best)
        return np.asarray(best) if unique else None

    def shares(self, demands: Demands) -> NDArray[np.float64]:
        """Return (n, blocks) shares, one transfer per block; ties are split evenly."""
        best = demands.efficiency == demands.efficiency.max(axis=0)
        shares: NDArray[np.float64] = best / best.sum(axis=0)
        return shares
