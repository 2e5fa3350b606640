"""Channel-unaware allocators: the same share of every block, or blocks in rotation.

C. L. Liu, J. W. Layland, Scheduling algorithms for multiprogramming in a hard-real-time
environment, 1973 (earliest deadline first).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from channel_models.units import PositiveSeconds
from channel_models.validation import FloatArray
from wfl_sim.config.fields import Bounded, PositiveInt
from wfl_sim.radio.allocation.allocator import ALLOCATORS, Demands


@ALLOCATORS("equal")
@dataclass(frozen=True)
class EqualShare:
    """Processor sharing: 1/n of each resource block for each of n transfers."""

    def shares(self, demands: Demands) -> FloatArray:
        """Return (n, blocks) shares, all 1/n."""
        return np.full(demands.efficiency.shape, 1.0 / len(demands.bits_left))


@ALLOCATORS("weighted")
@dataclass(frozen=True)
class Weighted:
    """Generalised processor sharing: ``w_i / sum w`` of each block.

    With `by_bits` the weights are multiplied by the bits left, so that on like channels all end
    together.
    """

    by_bits: bool = False

    def shares(self, demands: Demands) -> FloatArray:
        """Return (n, blocks) shares, alike on all blocks."""
        weight = demands.weight * demands.bits_left if self.by_bits else demands.weight
        # Rests that have underflowed weigh nothing.
        weight = weight if weight.sum() > 0 else np.ones(len(weight))
        return demands.flat(weight / weight.sum())


@ALLOCATORS("fixed")
@dataclass(frozen=True, kw_only=True)
class Fixed(Bounded):
    """The band in `channels` of equal width, one for each transfer; free channels stay idle.

    Where there are more transfers than channels, the later ones wait (and those that arrived
    together share what is left). This is the static FDMA of many papers: an upload does not speed
    up when others have ended.
    """

    channels: PositiveInt

    def shares(self, demands: Demands) -> FloatArray:
        """Return (n, blocks) shares, 1/channels of every block or nothing."""
        order = np.argsort(-demands.age, kind="stable")
        share = np.zeros(len(order))
        share[order[: self.channels]] = 1.0 / self.channels
        tied = demands.age == demands.age[order[min(self.channels, len(order)) - 1]]
        share[tied] = share[tied].mean()
        return demands.flat(share)


@ALLOCATORS("assigned")
@dataclass(frozen=True)
class Assigned:
    """Flat shares of the band that a policy has given; what it has not given is split evenly.

    Shares that add up to more than 1 are divided by their sum.
    """

    def shares(self, demands: Demands) -> FloatArray:
        """Return (n, blocks) shares, alike on all blocks."""
        known, count = demands.statistics, len(demands.bits_left)
        given = np.full(count, np.nan) if known is None else known.share
        open_, total = np.isnan(given), float(np.nansum(given))
        rest = max(1 - total, 0.0) / max(int(open_.sum()), 1)
        share = np.where(open_, rest if total < 1 else 1 / count, given)
        return demands.flat(share / max(float(share.sum()), 1.0))


@ALLOCATORS("round-robin")
@dataclass(frozen=True)
class RoundRobin:
    """Whole blocks, one after the other, to the transfers in the order of their arrival.

    The rotation goes on from step to step: after n steps each of n transfers has held each block
    equally often, up to one, where n and the number of blocks have no common divisor.
    """

    def holders(self, demands: Demands) -> NDArray[np.intp]:
        """Return (blocks,) which transfer holds each block."""
        count, blocks = demands.efficiency.shape
        return np.asarray((demands.step * blocks + np.arange(blocks)) % count)

    def shares(self, demands: Demands) -> FloatArray:
        """Return (n, blocks) shares, one transfer per block."""
        return demands.whole(self.holders(demands))


@ALLOCATORS("earliest-deadline")
@dataclass(frozen=True, kw_only=True)
class EarliestDeadline:
    """The whole band to the transfer with the least time left (Liu, Layland 1973).

    A transfer's deadline is its own or `within` of its beginning, whichever comes first; if all
    have the latter alone, they are served in the order of arrival.
    """

    within: PositiveSeconds = 60.0

    def shares(self, demands: Demands) -> FloatArray:
        """Return (n, blocks) shares, alike on all blocks; equals share."""
        left = demands.time_left(self.within)
        # Times that differ by rounding are equal.
        first = left <= left.min() + 1e-9
        return demands.flat(first / first.sum())


CHANNEL_UNAWARE: Final = (Assigned, EqualShare, Weighted, Fixed, RoundRobin, EarliestDeadline)
"""Allocators that do not look at `Demands.efficiency`."""


def keeps_shares(allocator: object) -> bool:
    """Return whether an allocator's shares stay the same until a transfer begins or ends."""
    # Classes derived from these may have methods of their own, which must be asked.
    if type(allocator) is Weighted:
        return not allocator.by_bits
    return type(allocator) in (Assigned, EqualShare)
