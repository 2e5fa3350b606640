"""Maximum C/I: each resource block to the transfer with the best channel on it.

R. Knopp, P. A. Humblet, Information capacity and power control in single-cell multiuser
communications, 1995.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfl_sim.protocols import ALLOCATORS, Demands


@ALLOCATORS("max-ci")
@dataclass(frozen=True)
class MaxCI:
    """Each block goes to argmax of the rate: the largest sum, and those far away starve."""

    def shares(self, demands: Demands) -> NDArray[np.float64]:
        """Return (n, blocks) shares, one transfer per block; ties are split evenly."""
        best = demands.efficiency == demands.efficiency.max(axis=0)
        shares: NDArray[np.float64] = best / best.sum(axis=0)
        return shares
