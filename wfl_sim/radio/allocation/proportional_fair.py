"""Proportional fair: each resource block to the transfer with the best rate for its average.

F. P. Kelly, A. K. Maulloo, D. K. H. Tan, Rate control for communication networks: shadow prices,
proportional fairness and stability, 1998; P. Viswanath, D. N. C. Tse, R. Laroia, Opportunistic
beamforming using dumb antennas, 2002.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfl_sim.protocols import ALLOCATORS, Demands


@ALLOCATORS("proportional-fair")
@dataclass(frozen=True)
class ProportionalFair:
    """Each block goes to argmax of weight x instantaneous rate / average rate."""

    def shares(self, demands: Demands) -> NDArray[np.float64]:
        """Return (n, blocks) shares, one transfer per block; ties are split evenly."""
        fair = demands.weight / np.maximum(demands.average_rate, np.finfo(float).tiny)
        metric = demands.efficiency * fair[:, None]
        best = metric == metric.max(axis=0)
        shares: NDArray[np.float64] = best / best.sum(axis=0)
        return shares
