"""Water-filling: power over resource blocks where their gains make the most of it.

For a transfer that holds blocks on which all its power would have the SNR g_j, the powers p_j with
``sum p_j = 1`` that maximise ``sum log2(1 + m g_j p_j)`` are ``p_j = max(0, mu - 1 / (m g_j))``
with one water level mu (Gallager 1968, Information Theory and Reliable Communication, section 7.5).
On a downlink one water level holds for the blocks of all transfers.
"""

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np

from channel_models.validation import FloatArray
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.registry import From
from wfl_sim.radio.allocation.allocator import (
    ALLOCATORS,
    Allocator,
    BlockAllocator,
    Demands,
    PowerAllocator,
)
from wfl_sim.radio.allocation.opportunistic import MaxCI


@ALLOCATORS("water-filling")
@dataclass(frozen=True, kw_only=True)
class WaterFilling:
    """Blocks by another allocator of whole blocks, and power over them by water-filling.

    The margin m is that of the rate map where a block carries the most for its power; its cap and
    the limit of power control are not seen. Blocks below the water stay without power.
    """

    blocks: Annotated[Allocator, From(ALLOCATORS)] = field(default_factory=MaxCI)
    """Who holds which block."""

    def __post_init__(self) -> None:
        if not isinstance(self.blocks, BlockAllocator) or isinstance(self.blocks, PowerAllocator):
            raise LocatedError("must be an allocator of whole blocks, such as max-ci", "blocks")

    def shares(self, demands: Demands) -> FloatArray:
        """Return the (n, blocks) shares of the other allocator."""
        return self.blocks.shares(demands)

    def shares_and_levels(self, demands: Demands) -> tuple[FloatArray, FloatArray]:
        """Return shares, and (n, blocks) the part of the power on each block."""
        shares, known = self.shares(demands), demands.statistics
        margin = 1.0 if known is None else known.curve.margin
        gain = np.where(shares > 0, margin * demands.snr, 0.0)
        if demands.spreads:
            return shares, filled(gain, shares)
        levels = filled(gain.reshape(1, -1), shares.reshape(1, -1))
        return shares, levels.reshape(shares.shape)


def filled(gain: FloatArray, share: FloatArray) -> FloatArray:
    """Return powers on rows of blocks, 0 where a block is below the water or has no gain.

    Args:
        gain: (n, k) SNR of each block for all the power.
        share: (n, k) share of each block that is held; ``sum share power = 1`` in each row.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        floor = np.where(gain > 0, 1 / gain, np.inf)
        # Above the deepest block: at the lowest SNR the water is thin beside the depth.
        deepest = floor.min(axis=1, keepdims=True)
        floor = floor - np.where(np.isfinite(deepest), deepest, 0.0)
        order = np.argsort(floor, axis=1, kind="stable")
        deep, wide = np.take_along_axis(floor, order, 1), np.take_along_axis(share, order, 1)
        finite = np.isfinite(deep)
        wide = np.where(finite, wide, 0.0)
        # The water level if the first blocks are under water: it must be above the floor of each.
        volume = np.cumsum(np.where(finite, wide * deep, 0.0), axis=1)
        level = (1 + volume) / np.cumsum(wide, axis=1)
        under = finite & (level > deep)
        last = under.shape[1] - 1 - np.argmax(under[:, ::-1], axis=1)
        water = np.take_along_axis(level, last[:, None], 1)
        power = np.where(gain > 0, np.maximum(water - floor, 0.0), 0.0)
    return np.where(under.any(axis=1, keepdims=True), power, 0.0)
