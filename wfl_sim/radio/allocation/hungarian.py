"""Hungarian assignment of resource blocks: the best one-to-one matching.

H. W. Kuhn, The Hungarian method for the assignment problem, 1955; used for federated learning by
M. Chen et al., arXiv 1909.07972.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfl_sim.radio.allocation.allocator import ALLOCATORS, Demands


@ALLOCATORS("hungarian")
@dataclass(frozen=True, kw_only=True)
class Hungarian:
    """Blocks to transfers so that the sum of weight x rate is largest and all hold alike.

    With B blocks and n transfers each holds at most ``ceil(B / n)``. With `fair` the rate counts in
    units of the transfer's average rate, which matters where there are more transfers than blocks:
    those left out come next.
    """

    fair: bool = True

    def shares(self, demands: Demands) -> NDArray[np.float64]:
        """Return (n, blocks) shares, each block to one transfer."""
        return demands.whole(self.holders(demands))

    def holders(self, demands: Demands) -> NDArray[np.intp]:
        """Return (blocks,) which transfer holds each block."""
        from scipy.optimize import linear_sum_assignment

        count, blocks = demands.efficiency.shape
        value = demands.efficiency * demands.weight[:, None]
        if self.fair:
            value = value / np.maximum(demands.average_rate, np.finfo(float).tiny)[:, None]
        each = -(-blocks // count)
        row, block = linear_sum_assignment(np.repeat(value, each, axis=0), maximize=True)
        holders = np.empty(blocks, dtype=np.intp)
        holders[block] = row // each
        return holders
