"""Proportional fair: each resource block to the transfer with the best rate for its average.

F. P. Kelly, A. K. Maulloo, D. K. H. Tan, Rate control for communication networks: shadow prices,
proportional fairness and stability, 1998; P. Viswanath, D. N. C. Tse, R. Laroia, Opportunistic
beamforming using dumb antennas, 2002.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from wfl_sim.config.errors import LocatedError
from wfl_sim.radio.allocation.allocator import ALLOCATORS, Demands

_LEAST: Final = 1e-20
"""bit/s, an average below which nobody has priority over another; its inverse fits all floats"""

_SHORTEST: Final = float(np.finfo(float).epsneg)
"""the part that an average forgets at least, however short the step"""


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
        shares, average = np.empty(efficiency.shape), self._average(demands)
        for turn in _turns(len(efficiency), self.turns):
            metric = efficiency[turn] * _priority(demands, average)
            best = metric == metric.max(axis=1)[:, None]
            shares[turn] = best / best.sum(axis=1)[:, None]
            average += np.einsum("bn,bn->n", shares[turn], efficiency[turn])
        return np.asarray(shares.T)

    def holders(self, demands: Demands) -> NDArray[np.intp] | None:
        """Return (blocks,) which transfer holds each block; None where there are ties."""
        # Blocks first: what is compared lies side by side.
        efficiency = np.ascontiguousarray(demands.efficiency.T)
        blocks, count = efficiency.shape
        metric, holders = np.empty_like(efficiency), np.empty(blocks, dtype=np.intp)
        offered, begins = efficiency.reshape(-1), np.arange(0, blocks * count, count)
        average, turns = self._average(demands), _turns(blocks, self.turns)
        for turn in turns:
            merit = metric[turn]
            np.multiply(efficiency[turn], _priority(demands, average), merit)
            chosen = holders[turn] = merit.argmax(1)
            if turn is not turns[-1]:
                average += np.bincount(chosen, offered.take(begins[turn] + chosen), count)
        best = metric.reshape(-1).take(begins + holders)
        tied = np.count_nonzero(metric == best[:, None]) > blocks
        return None if tied else holders

    def _average(self, demands: Demands) -> NDArray[np.float64]:
        """Averages at the end of the step if nothing were given in it, in what a turn adds to them.

        That is bit/s/Hz of one block, of which the average forgets all but a part; whoever compares
        transfers may scale all averages.
        """
        forgotten = max(1 - demands.memory, _SHORTEST) * demands.block_bandwidth
        return np.maximum(demands.memory * demands.average_rate, _LEAST) / forgotten


def _priority(demands: Demands, average: NDArray[np.float64]) -> NDArray[np.floating]:
    """Weight over average, as precise as the efficiency that it meets."""
    return (demands.weight / average).astype(demands.efficiency.dtype, copy=False)


@cache
def _turns(blocks: int, turns: int) -> tuple[slice, ...]:
    return tuple(slice(turn, None, turns) for turn in range(min(turns, blocks)))
