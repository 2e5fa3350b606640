"""Limit: at most as many resource blocks as a device's power carries."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wfl_sim.radio.allocation.allocator import Demands

FloatArray = NDArray[np.float64]
Decision = tuple[FloatArray, FloatArray]


@dataclass(frozen=True)
class BlockLimit:
    """A device holds no more blocks than it can reach a mean SNR on, but at least one.

    What schedulers conclude from power headroom reports: more blocks would only dilute the power.
    """

    snr: float
    """linear, of a block"""
    largest: FloatArray
    """(links,) W"""

    def most(self, links: NDArray[np.intp], strength: FloatArray) -> FloatArray:
        """(m,) blocks: ``max(1, floor(P g / (N snr)))``; `strength` (m,) is g / N in 1/W."""
        reached = self.largest[links] * strength / self.snr
        return np.maximum(np.floor(reached * (1 + 1e-12)), 1.0)


def allocate_within_limits(
    decide: Callable[[Demands], Decision], demands: Demands, most: FloatArray
) -> Decision:
    """Return shares and levels of an allocator, none of more than `most` (n,) blocks.

    Who is given more keeps the best of it, and the allocator is asked again to divide the rest
    among the others, until all keep to their limits. What is then left stays free.
    """
    count, blocks = demands.efficiency.shape
    shares, level, free = np.zeros((count, blocks)), np.ones(count), np.ones(blocks)
    others = np.arange(count)
    while others.size and free.max() > 1e-12:
        places = np.flatnonzero(free > 1e-12)
        given, level[others] = decide(_part(demands, others, places))
        given = given * free[places]
        over = given.sum(axis=1) > most[others] * (1 + 1e-9)
        if not over.any():
            shares[np.ix_(others, places)] = given
            break
        for i in np.flatnonzero(over):
            device = others[i]
            kept = _best(given[i], demands.efficiency[device, places], most[device])
            shares[device, places] = kept
            free[places] -= kept
        others = others[~over]
    return shares, level


def _part(demands: Demands, which: NDArray[np.intp], places: NDArray[np.intp]) -> Demands:
    if len(which) == len(demands.bits_left) and len(places) == demands.efficiency.shape[1]:
        return demands
    return replace(
        demands,
        bits_left=demands.bits_left[which],
        efficiency=demands.efficiency[np.ix_(which, places)],
        average_rate=demands.average_rate[which],
        weight=demands.weight[which],
        age=demands.age[which],
        deadline=demands.deadline[which],
    )


def _best(given: FloatArray, efficiency: FloatArray, most: float) -> FloatArray:
    """Return of what is given the best blocks, `most` in all."""
    order = np.argsort(-efficiency, kind="stable")
    offered = given[order]
    kept = np.empty_like(given)
    kept[order] = np.clip(most - (np.cumsum(offered) - offered), 0.0, offered)
    return kept
