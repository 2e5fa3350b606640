"""Wire: the links of a backhaul as a medium, shared max-min fair by what is under way."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wfl_sim.entities.carrier import Flow, Traffic


class Wires:
    """Routes over links of constant capacity; the link of a transfer is the number of its route."""

    def __init__(self, routes: Sequence[Sequence[int]], capacity: Sequence[float]) -> None:
        """Take the network.

        Args:
            routes: the numbers of the links that each route takes.
            capacity: bit/s of each link.
        """
        self._uses = np.zeros((len(routes), len(capacity)), dtype=bool)
        for number, links in enumerate(routes):
            self._uses[number, list(links)] = True
        self._capacity = np.asarray(capacity, dtype=float)

    def __repr__(self) -> str:
        return "Wires({} routes, {} links)".format(*self._uses.shape)

    def flow(self, traffic: Traffic, now: float, steps: int) -> Flow:
        """Give every transfer its max-min fair rate, until the set changes."""
        rate = max_min_rates(self._uses[traffic.links], self._capacity)[None]
        return Flow(
            until=np.array([np.inf]),
            rate=rate,
            average_rate=rate,
            time_constant=np.inf,
            duty=1.0,
            power=np.zeros_like(rate),
            sinr_db=np.full_like(rate, np.nan),
        )


def max_min_rates(uses: NDArray[np.bool_], capacity: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the max-min fair rates (n,) in bit/s by progressive filling.

    The link with the least capacity left for each flow that is not yet fixed fixes those that cross
    it, and so on (Bertsekas and Gallager 1992, Data Networks, section 6.5.2).

    Args:
        uses: (n, links) whether a flow crosses a link; each crosses at least one.
        capacity: (links,) bit/s.
    """
    rate = np.zeros(len(uses))
    free = np.ones(len(uses), dtype=bool)
    left = capacity.copy()
    while free.any():
        crowd = uses[free].sum(axis=0)
        level = np.divide(left, crowd, out=np.full(len(left), np.inf), where=crowd > 0)
        bottleneck = int(level.argmin())
        fixed = free & uses[:, bottleneck]
        rate[fixed] = level[bottleneck]
        left = np.maximum(left - uses[fixed].sum(axis=0) * level[bottleneck], 0.0)
        free &= ~fixed
    return rate
