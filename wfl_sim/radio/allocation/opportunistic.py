"""Opportunistic allocators: each resource block to a transfer with a good channel on it.

- Maximum C/I: R. Knopp, P. A. Humblet, Information capacity and power control in single-cell
  multiuser communications, 1995.
- Proportional fair: F. P. Kelly, A. K. Maulloo, D. K. H. Tan, Rate control for communication
  networks: shadow prices, proportional fairness and stability, 1998; P. Viswanath, D. N. C. Tse,
  R. Laroia, Opportunistic beamforming using dumb antennas, 2002.
- Hungarian: H. W. Kuhn, The Hungarian method for the assignment problem, 1955; used for federated
  learning by M. Chen et al., arXiv 1909.07972.
"""

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from channel_models.validation import FloatArray
from wfl_sim.config.fields import Bounded, PositiveInt
from wfl_sim.radio.allocation.allocator import ALLOCATORS, Demands

LEAST: Final = 1e-20
"""bit/s: averages below it give no priority over each other; its inverse fits all floats."""

SHORTEST: Final = float(np.finfo(float).epsneg)
"""Least share of an average that is forgotten, however short the step."""


@ALLOCATORS("max-ci")
@dataclass(frozen=True)
class MaxCI:
    """Each block goes to argmax of the rate: the largest sum rate, and distant devices starve."""

    def holders(self, demands: Demands) -> NDArray[np.intp] | None:
        """Return (blocks,) which transfer holds each block; None where there are ties."""
        best = demands.efficiency.argmax(axis=0)
        top = demands.efficiency[best, np.arange(len(best))]
        unique = np.count_nonzero(demands.efficiency == top) == len(best)
        return np.asarray(best) if unique else None

    def shares(self, demands: Demands) -> FloatArray:
        """Return (n, blocks) shares, one transfer per block; ties are split evenly."""
        best = demands.efficiency == demands.efficiency.max(axis=0)
        shares: FloatArray = best / best.sum(axis=0)
        return shares


@ALLOCATORS("proportional-fair")
@dataclass(frozen=True, kw_only=True)
class ProportionalFair(Bounded):
    """Each block goes to argmax of weight x instantaneous rate / average rate.

    A base station decides every slot, wfl_sim once a fading sample. If all blocks were allocated by
    the averages at the sample's beginning, a transfer that has waited would take the whole band at
    once and spread its power thin. The blocks are therefore allocated in `turns`, every `turns`-th
    block in one, and the rates of a turn count in the averages of the next.
    """

    turns: PositiveInt = 4

    def shares(self, demands: Demands) -> FloatArray:
        """Return (n, blocks) shares, one transfer per block; ties are split evenly.

        Where there are ties every block is a turn: k that tie get a k-th of a turn each, so one
        without its like would gain by long turns (twice its time over samples of 0.1 s).
        """
        holders = self.holders(demands)
        if holders is not None:
            return demands.whole(holders)
        efficiency, average = np.ascontiguousarray(demands.efficiency.T), self._average(demands)
        shares, priority = np.zeros(efficiency.shape), _priority(demands, average)
        for offered, share in zip(efficiency, shares, strict=True):
            metric = offered * priority
            first = metric.argmax()
            best = metric == metric[first]
            alike = np.count_nonzero(best)
            if alike == 1:
                share[first] = 1.0
                average[first] += offered[first]
                priority[first] = demands.weight[first] / average[first]
            else:
                np.divide(best, alike, share)
                average += share * offered
                priority = _priority(demands, average)
        return shares.T

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

    def _average(self, demands: Demands) -> FloatArray:
        """Averages at the end of a step without any allocation, in the unit that a turn adds.

        The unit is bit/s/Hz of one block, of which the average forgets all but a part. A common
        factor of all averages does not matter to a comparison of transfers.
        """
        forgotten = max(1 - demands.memory, SHORTEST) * demands.block_bandwidth
        return np.maximum(demands.memory * demands.average_rate, LEAST) / forgotten


def _priority(demands: Demands, average: FloatArray) -> NDArray[np.floating]:
    """Weight over average, in the precision of the efficiency."""
    return (demands.weight / average).astype(demands.efficiency.dtype, copy=False)


@cache
def _turns(blocks: int, turns: int) -> tuple[slice, ...]:
    return tuple(slice(turn, None, turns) for turn in range(min(turns, blocks)))


@ALLOCATORS("hungarian")
@dataclass(frozen=True, kw_only=True)
class Hungarian:
    """Blocks to transfers so that the sum of weight x rate is largest and all hold alike.

    With B blocks and n transfers each holds at most ``ceil(B / n)``. With `fair` the rate counts in
    units of the transfer's average rate, which matters where there are more transfers than blocks:
    those left out come next.
    """

    fair: bool = True

    def shares(self, demands: Demands) -> FloatArray:
        """Return (n, blocks) shares, each block to one transfer."""
        return demands.whole(self.holders(demands))

    def holders(self, demands: Demands) -> NDArray[np.intp]:
        """Return (blocks,) which transfer holds each block."""
        from scipy.optimize import linear_sum_assignment

        count, blocks = demands.efficiency.shape
        value = demands.efficiency * demands.weight[:, None]
        if self.fair:
            value = value / np.maximum(demands.average_rate, LEAST)[:, None]
        each = -(-blocks // count)
        row, block = linear_sum_assignment(np.repeat(value, each, axis=0), maximize=True)
        holders = np.empty(blocks, dtype=np.intp)
        holders[block] = row // each
        return holders
