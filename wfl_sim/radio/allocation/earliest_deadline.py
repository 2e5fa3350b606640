"""Earliest deadline first: the whole band to the most urgent transfer.

C. L. Liu, J. W. Layland, Scheduling algorithms for multiprogramming in a hard-real-time
environment, 1973.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from channel_models.units import PositiveSeconds
from wfl_sim.radio.allocation.allocator import ALLOCATORS, Demands


@ALLOCATORS("earliest-deadline")
@dataclass(frozen=True, kw_only=True)
class EarliestDeadline:
    """All blocks to the least time left.

    A transfer's deadline is its own or `within` of its beginning, whichever comes first; if all
    have the latter alone, they are served in the order of arrival.
    """

    within: PositiveSeconds = 60.0

    def shares(self, demands: Demands) -> NDArray[np.float64]:
        """Return (n, blocks) shares, alike on all blocks; equals share."""
        left = demands.time_left(self.within)
        # Times that differ by rounding are equal.
        first = left <= left.min() + 1e-9
        return demands.flat(first / first.sum())
