"""Proportional fair: each resource block to the transfer with the best rate for its average.

F. P. Kelly, A. K. Maulloo, D. K. H. Tan, Rate control for communication networks: shadow prices,
proportional fairness and stability, 1998; P. Viswanath, D. N. C. Tse, R. Laroia, Opportunistic
beamforming using dumb antennas, 2002.
"""

from dataclasses import dataclass
from functools import cache

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
        efficiency = demands.efficiency.T
        shares, average = np.empty_like(efficiency), self._average(demands)
        forget = (1 - demands.memory) * demands.block_bandwidth
        for turn in self._turns(len(efficiency)):
            metric = efficiency[turn] * (demands.weight / average)
            best = metric == metric.max(axis=1)[:, None]
            shares[turn] = best / best.sum(axis=1)[:, None]
            average += forget * np.einsum("bn,bn->n", shares[turn], efficiency[turn])
        return np.asarray(shares.T)

    def holders(self, demands: Demands) -> NDArray[np.intp] | None:
        """Return (blocks,) which transfer holds each block; None where there are ties."""
        # Blocks first, in the order of the turns: what is compared lies side by side.
        efficiency = np.ascontiguousarray(demands.efficiency.T)
        metric, best = np.empty_like(efficiency), np.empty(len(efficiency), dtype=np.intp)
        average, weight = self._average(demands), demands.weight
        forget = (1 - demands.memory) * demands.block_bandwidth
        every, order = _order(len(efficiency), self.turns)
        end = 0
        for turn in self._turns(len(efficiency)):
            offered, begin = efficiency[turn], end
            end += len(offered)
            merit, chosen = metric[begin:end], best[begin:end]
            np.multiply(offered, weight / average, out=merit)
            merit.argmax(axis=1, out=chosen)
            given = offered[every[: end - begin], chosen]
            given *= forget
            np.add.at(average, chosen, given)
        if np.count_nonzero(metric == metric[every, best][:, None]) > len(metric):
            return None
        holders = np.empty_like(best)
        holders[order] = best
        return holders

    def _turns(self, blocks: int) -> list[slice]:
        return [slice(turn, None, self.turns) for turn in range(min(self.turns, blocks))]

    def _average(self, demands: Demands) -> NDArray[np.float64]:
        """Averages at the end of the step if nothing were given in it."""
        return np.maximum(demands.memory * demands.average_rate, np.finfo(float).tiny)


@cache
def _order(blocks: int, turns: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the blocks in ascending order, and in that of the turns."""
    every = np.arange(blocks)
    return every, np.concatenate([every[turn::turns] for turn in range(turns)])
