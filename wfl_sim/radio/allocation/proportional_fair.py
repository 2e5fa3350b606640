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
        return self._turns(demands, ties=True)[1].T

    def holders(self, demands: Demands) -> NDArray[np.intp] | None:
        """Return (blocks,) which transfer holds each block; None where there are ties."""
        holders, metric = self._turns(demands, ties=False)
        best = metric[np.arange(len(holders)), holders]
        unique = np.count_nonzero(metric == best[:, None]) == len(holders)
        return holders if unique else None

    def _turns(
        self, demands: Demands, *, ties: bool
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return who is best on each block, and (blocks, n) metrics, or shares among `ties`."""
        # Blocks first: the transfers that are compared lie side by side.
        efficiency = np.ascontiguousarray(demands.efficiency.T)
        blocks, count = efficiency.shape
        holders, metric = np.empty(blocks, dtype=np.intp), np.empty_like(efficiency)
        forget = (1 - demands.memory) * demands.block_bandwidth
        # A factor common to all averages changes no order: what is forgotten is so at once.
        average = np.maximum(demands.memory * demands.average_rate, np.finfo(float).tiny)
        for turn in range(min(self.turns, blocks)):
            offered, merit = efficiency[turn :: self.turns], metric[turn :: self.turns]
            np.multiply(offered, demands.weight / average, out=merit)
            best = merit.argmax(axis=1)
            holders[turn :: self.turns] = best
            if ties:
                np.equal(merit, merit.max(axis=1)[:, None], out=merit)
                merit /= merit.sum(axis=1)[:, None]
                given = np.einsum("bn,bn->n", merit, offered)
            else:
                given = np.bincount(best, offered[np.arange(len(best)), best], count)
            given *= forget
            average += given
        return holders, metric
