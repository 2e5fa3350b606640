"""Proportional fair: each resource block to the transfer with the best rate for its average.

F. P. Kelly, A. K. Maulloo, D. K. H. Tan, Rate control for communication networks: shadow prices,
proportional fairness and stability, 1998; P. Viswanath, D. N. C. Tse, R. Laroia, Opportunistic
beamforming using dumb antennas, 2002.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfl_sim.protocols import ALLOCATORS, Demands
from wfl_sim.registry import LocatedError


@ALLOCATORS("proportional-fair")
@dataclass(frozen=True, kw_only=True)
class ProportionalFair:
    """Each block goes to argmax of weight x instantaneous rate / average rate.

    A base station decides every slot, wfl_sim once a fading sample. Were all blocks given by the
    averages of the sample's beginning, whoever has waited would take the whole band at once, with
    its power spread thin. The blocks are therefore given in `turns`, every `turns`-th block in
    one, and what a turn has given counts in the averages of the next.
    """

    turns: int = 4

    def __post_init__(self) -> None:
        if self.turns < 1:
            raise LocatedError(f"must be at least 1, got {self.turns}", "turns")

    def shares(self, demands: Demands) -> NDArray[np.float64]:
        """Return (n, blocks) shares, one transfer per block; ties are split evenly."""
        # Blocks first: the transfers that are compared lie side by side.
        efficiency = np.ascontiguousarray(demands.efficiency.T)
        shares = np.empty_like(efficiency)
        forget = (1 - demands.memory) * demands.block_bandwidth
        average = demands.average_rate
        for turn in range(self.turns):
            offered = efficiency[turn :: self.turns]
            fair = demands.weight / np.maximum(average, np.finfo(float).tiny)
            given = _to_the_best(offered * fair)
            shares[turn :: self.turns] = given
            before = average if turn else demands.memory * average
            average = before + forget * np.einsum("bn,bn->n", given, offered)
        return np.asarray(shares.T)


def _to_the_best(metric: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return one for the largest entry of each row; equals share it."""
    best = metric == metric.max(axis=1)[:, None]
    if np.count_nonzero(best) == len(metric):
        return np.asarray(best, dtype=float)
    shares: NDArray[np.float64] = best / best.sum(axis=1)[:, None]
    return shares
