"""Block limit: at most as many resource blocks as a device's power can carry."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from channel_models.validation import FloatArray
from wfl_sim.radio.allocation.allocator import Demands

Allocation = tuple[FloatArray, FloatArray]
"""Shares of blocks (n, blocks) and levels of power, (n,) or (n, blocks)."""


@dataclass(frozen=True)
class BlockLimit:
    """A device holds as many blocks as it can reach a mean SNR on, and at least one.

    Schedulers conclude this from power headroom reports: on more blocks the power per block would
    only become less.
    """

    snr: float
    """Linear mean SNR that a block must have."""
    largest: FloatArray
    """(links,) W that each device can radiate."""

    def max_blocks(self, links: NDArray[np.intp], strength: FloatArray) -> FloatArray:
        """(m,) blocks: ``max(1, floor(P g / (N snr)))``; `strength` (m,) is g / N in 1/W."""
        reached = self.largest[links] * strength / self.snr
        return np.maximum(np.floor(reached * (1 + 1e-12)), 1.0)


def allocate_within_limits(
    allocate: Callable[[Demands], Allocation], demands: Demands, limits: FloatArray
) -> Allocation:
    """Allocate under a limit of blocks for each transfer, `limits` (n,).

    A transfer that exceeds its limit keeps its best blocks; the remaining blocks are allocated
    again among the others, until no limit is exceeded. Blocks that are then left stay idle.
    """
    count, blocks = demands.efficiency.shape
    shares, free = np.zeros((count, blocks)), np.ones(blocks)
    level: FloatArray = np.ones(count)
    others = np.arange(count)
    while others.size and free.max() > 1e-12:
        places = np.flatnonzero(free > 1e-12)
        given, levels = allocate(demands.some(others, places))
        if levels.ndim == 2:
            level = level if level.ndim == 2 else np.zeros((count, blocks))
            level[np.ix_(others, places)] = levels
        else:
            level[others] = levels
        given = given * free[places]
        over = given.sum(axis=1) > limits[others] * (1 + 1e-9)
        if not over.any():
            shares[np.ix_(others, places)] = given
            break
        for i in np.flatnonzero(over):
            device = others[i]
            kept = _best(given[i], demands.efficiency[device, places], limits[device])
            shares[device, places] = kept
            free[places] -= kept
        others = others[~over]
    return shares, level


def _best(given: FloatArray, efficiency: FloatArray, limit: float) -> FloatArray:
    """Return the best `limit` blocks of the shares that are given."""
    order = np.argsort(-efficiency, kind="stable")
    offered = given[order]
    kept = np.empty_like(given)
    kept[order] = np.clip(limit - (np.cumsum(offered) - offered), 0.0, offered)
    return kept
