"""The contract of allocators: demands of transfers in, shares of resource blocks out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from channel_models.elementary import LN2, expm1
from wfl_sim.config.registry import Registry


@dataclass(frozen=True)
class Demands:
    """The transfers that compete for a carrier at one instant: arrays over n transfers.

    An allocator knows the channel of `csi_delay` before: `efficiency` comes from it.
    """

    bits_left: NDArray[np.float64]
    """(n,) bits that are still to be sent."""
    efficiency: NDArray[np.float64]
    """(n, blocks) bit/s/Hz on each resource block if the band were split evenly; in single
    precision where the rate is Shannon's, with or without a gap."""
    average_rate: NDArray[np.float64]
    """(n,) bit/s, exponentially averaged over the recent past."""
    weight: NDArray[np.float64]
    """(n,) priority; 1 unless a policy says otherwise."""
    block_bandwidth: float
    """Symbols/s of data on one resource block."""
    memory: float
    """Weight of `average_rate` in the average at the end of the step for which the shares hold."""
    age: NDArray[np.float64]
    """(n,) s since each transfer began."""
    deadline: NDArray[np.float64]
    """(n,) s until each should have ended; infinite without a deadline, negative when late."""
    step: int
    """Number of the fading sample for which the shares hold."""
    spreads: bool
    """Whether a transfer's power is spread over the blocks it holds (uplink), or is the same on
    every block (downlink)."""
    least_bandwidth: float = 0.0
    """Hz over which a transfer's power is spread at least, however little it holds: one resource
    block, on which it is for a part of the time."""

    @property
    def bandwidth(self) -> float:
        """Hz of all resource blocks that carry data."""
        return float(self.efficiency.shape[1] * self.block_bandwidth)

    @property
    def reach(self) -> NDArray[np.float64]:
        """(n,) G in Hz of ``b log2(1 + G/max(b, least_bandwidth))``, by the even split.

        With Shannon's formula on a flat channel ``G = P g / N0``; a gap divides it.
        """
        even = max(self.bandwidth / len(self.bits_left), self.least_bandwidth)
        return np.asarray(even * expm1(self.efficiency.mean(axis=1) * LN2))

    @property
    def usable(self) -> NDArray[np.bool_]:
        """(n,) whether the channel of a transfer carries anything: more than 1e-9 bit/s/Hz."""
        return np.asarray(self.efficiency.mean(axis=1) > 1e-9)

    @property
    def heard(self) -> NDArray[np.bool_]:
        """Former name of `usable`."""
        return self.usable

    def time_left(self, within: float) -> NDArray[np.float64]:
        """(n,) s until the deadline, or until `within` s after the beginning if that is earlier."""
        return np.minimum(self.deadline, within - self.age)

    def flat(self, share: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, blocks) shares that are the same on every block: `share`, shape (n,)."""
        return np.repeat(share[:, None], self.efficiency.shape[1], axis=1)

    def whole(self, holders: NDArray[np.intp]) -> NDArray[np.float64]:
        """(n, blocks) shares where each block has one holder: `holders`, shape (blocks,)."""
        shares = np.zeros(self.efficiency.shape)
        shares[holders, np.arange(len(holders))] = 1.0
        return shares

    def joined(self, begins: NDArray[np.intp], sizes: NDArray[np.intp]) -> Demands:
        """Make the receivers of each transmission one: their mean channel, the most bits left."""
        return replace(
            self,
            bits_left=np.maximum.reduceat(self.bits_left, begins),
            efficiency=np.add.reduceat(self.efficiency, begins, axis=0) / sizes[:, None],
            average_rate=np.add.reduceat(self.average_rate, begins) / sizes,
            weight=self.weight[begins],
            age=self.age[begins],
            deadline=np.minimum.reduceat(self.deadline, begins),
        )


class Allocator(Protocol):
    """A pure function from demands to shares of the resource blocks.

    >>> class FirstCome:  # the whole band to the transfer that began first
    ...     def shares(self, demands: Demands) -> NDArray[np.float64]:
    ...         first = demands.age == demands.age.max()
    ...         return demands.flat(first / first.sum())
    >>> demands = Demands(
    ...     bits_left=np.array([1e6, 2e6]),
    ...     efficiency=np.array([[1.0, 3.0, 2.0], [4.0, 1.0, 1.0]]),
    ...     average_rate=np.array([1e6, 1e6]),
    ...     weight=np.ones(2),
    ...     block_bandwidth=360e3,
    ...     memory=0.95,
    ...     age=np.array([0.5, 2.0]),
    ...     deadline=np.full(2, np.inf),
    ...     step=0,
    ...     spreads=True,
    ... )
    >>> FirstCome().shares(demands).tolist()
    [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]
    """

    def shares(self, demands: Demands) -> NDArray[np.float64]:
        """Return (n, blocks) shares in [0, 1]; the sum over transfers is at most 1 per block."""


@runtime_checkable
class PowerAllocator(Allocator, Protocol):
    """An allocator that also says with how much of its power a transfer is sent."""

    def shares_and_levels(
        self, demands: Demands
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return shares, and levels (n,) in [0, 1]."""


@runtime_checkable
class BlockAllocator(Allocator, Protocol):
    """An allocator of whole blocks: the number of its holder is enough for a block."""

    def holders(self, demands: Demands) -> NDArray[np.intp] | None:
        """Return (blocks,) which transfer holds each block; None where only shares can tell."""


ALLOCATORS: Registry[Allocator] = Registry("allocator", Allocator)
