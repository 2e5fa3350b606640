"""Which blocks a transfer may hold: subbands, those of its slice, those that its power carries."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from channel_models.validation import FloatArray
from wfl_sim.radio.allocation.allocator import Demands
from wfl_sim.radio.bands.medium import ActiveTransfers
from wfl_sim.radio.traffic import units_of_slice

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Slice:
    """Links of one slice, and the share of the band that is reserved for it."""

    links: range
    share: float


def parts(
    slices: Sequence[Slice], traffic: ActiveTransfers, units: int
) -> Iterator[tuple[Indices, Indices, Indices | None]]:
    """Yield the transfers of each slice that has any, its units, and where transmissions begin.

    Slices take whole units, at least one, from the upper end of the band; the units of one that has
    nothing to carry serve those without a slice, who come last.
    """
    links = traffic.links[traffic.first]
    rest, free = np.ones(len(links), dtype=bool), units
    for each in slices:
        mine = (links >= each.links.start) & (links < each.links.stop)
        if mine.any():
            count = units_of_slice(each.share, units)
            free -= count
            rest &= ~mine
            which = np.flatnonzero(mine)
            yield which, np.arange(free, free + count), traffic.beginnings(which)
    if rest.any():
        which = np.flatnonzero(rest)
        yield which, np.arange(free), traffic.beginnings(which)


@dataclass(frozen=True)
class Subbands:
    """Units of `size` neighbouring resource blocks, the last one smaller where they do not fit.

    One block is frequency-selective scheduling, all of them are wideband scheduling. Fading stays
    one value a block: only what the allocator knows and decides is coarser.
    """

    blocks: int
    size: int

    @property
    def count(self) -> int:
        """Number of units."""
        return -(-self.blocks // self.size)

    def to_units(self, values: FloatArray) -> FloatArray:
        """Means over the blocks of each unit, along the last axis but one."""
        if self.size == 1:
            return values
        return np.asarray(np.add.reduceat(values, self._first, axis=-2) / self.sizes[:, None])

    def to_blocks(self, units: NDArray[Any]) -> NDArray[Any]:
        """Values of blocks from values of their units, along the last axis."""
        return units if self.size == 1 else np.repeat(units, self.sizes, axis=-1)

    def each_block(self, levels: FloatArray) -> FloatArray:
        """Levels of blocks from those of their units, evenly within each."""
        return np.asarray(self.to_blocks(levels / self.sizes))

    @cached_property
    def _first(self) -> NDArray[np.intp]:
        return np.arange(0, self.blocks, self.size)

    @cached_property
    def sizes(self) -> NDArray[np.intp]:
        """Blocks of each unit."""
        return np.diff(np.append(self._first, self.blocks))


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
