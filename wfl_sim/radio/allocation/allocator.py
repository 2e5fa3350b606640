"""The contract of allocators: demands of transfers in, shares of resource blocks out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from wfl_sim.config.registry import Registry


@dataclass(frozen=True)
class Demands:
    """The transfers that compete for a carrier at one instant: arrays over n transfers.

    An allocator sees the past only: `efficiency` comes from channel state that is already known.
    """

    bits_left: NDArray[np.float64]
    """(n,) bit"""
    efficiency: NDArray[np.float64]
    """(n, blocks) bit/s/Hz on each resource block were the band split evenly; in single precision
    where the rate is Shannon's, with or without a gap"""
    average_rate: NDArray[np.float64]
    """(n,) bit/s, exponentially averaged over the recent past"""
    weight: NDArray[np.float64]
    """(n,) priority; 1 unless a policy says otherwise"""
    block_bandwidth: float
    """Hz of one resource block that carry data"""
    memory: float
    """weight of `average_rate` in the average at the end of the step for which the shares hold"""
    age: NDArray[np.float64]
    """(n,) s since each transfer began"""
    deadline: NDArray[np.float64]
    """(n,) s until each should have ended; infinite without a deadline, negative when late"""
    step: int
    """number of the fading sample for which the shares hold"""
    spreads: bool
    """whether a transfer's power is spread over what it holds (uplink), or is the same on every
    block (downlink)"""

    @property
    def bandwidth(self) -> float:
        """Hz of all resource blocks that carry data."""
        return float(self.efficiency.shape[1] * self.block_bandwidth)

    @property
    def reach(self) -> NDArray[np.float64]:
        """(n,) G in Hz of ``b log2(1 + G/b)``, which meets the mean efficiency at an even split.

        With Shannon's formula on a flat channel ``G = P g / N0``; a gap divides it.
        """
        even = self.bandwidth / len(self.bits_left)
        return np.asarray(even * np.expm1(self.efficiency.mean(axis=1) * np.log(2)))

    @property
    def heard(self) -> NDArray[np.bool_]:
        """(n,) whether a transfer gets anything through: more than 1e-9 bit/s/Hz."""
        return np.asarray(self.efficiency.mean(axis=1) > 1e-9)

    def time_left(self, within: float) -> NDArray[np.float64]:
        """(n,) s until the deadline, which is at most `within` after the beginning."""
        return np.minimum(self.deadline, within - self.age)

    def flat(self, share: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, blocks) shares, of which every block has the same: `share`, shape (n,)."""
        return np.repeat(share[:, None], self.efficiency.shape[1], axis=1)

    def whole(self, holders: NDArray[np.intp]) -> NDArray[np.float64]:
        """(n, blocks) shares, of which each block has one holder: `holders`, shape (blocks,)."""
        shares = np.zeros(self.efficiency.shape)
        shares[holders, np.arange(len(holders))] = 1.0
        return shares


class Allocator(Protocol):
    """A pure function from demands to shares of the resource blocks."""

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
    """An allocator that gives whole blocks, which it can say in fewer words."""

    def holders(self, demands: Demands) -> NDArray[np.intp] | None:
        """Return (blocks,) which transfer holds each block; None where only shares can tell."""


ALLOCATORS: Registry[Allocator] = Registry("allocator", Allocator)
