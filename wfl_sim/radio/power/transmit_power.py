"""Transmit power on a resource block, given how many blocks a transfer holds."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from channel_models.validation import FloatArray


class PowerRule(Protocol):
    """The power rule of one direction."""

    @property
    def spreads(self) -> bool:
        """Whether more blocks leave less power for each."""

    @property
    def least_blocks(self) -> float:
        """Blocks over which a power is spread at least: 0 where any share is a band of its own."""

    def per_block(
        self, links: NDArray[np.intp], held: FloatArray, level: FloatArray | float = 1.0
    ) -> FloatArray:
        """W on each block that the links hold.

        Args:
            links: (m,) numbers of the links.
            held: (m,) blocks that each holds, fractions included; greater than 0.
            level: share of its power that each may use, (m,) or one for all.
        """

    def total(self, links: NDArray[np.intp]) -> FloatArray:
        """W (m,) on all blocks together; on a downlink those of the cell."""

    def most(self, links: NDArray[np.intp]) -> FloatArray:
        """W (m,) on one block at most, however they are divided."""


def on_blocks(
    rule: PowerRule, links: NDArray[np.intp], held: FloatArray, level: FloatArray
) -> FloatArray:
    """W on blocks of which links hold so many, (m,).

    (m,), alike on all of them, for levels (m,); or (blocks, m) for levels of blocks (m, blocks). A
    block that is held for a part of the time has no more than all the power in that time.
    """
    if level.ndim == 1:
        return per_held_block(rule, links, held, level)
    total, most = rule.total(links), rule.most(links)
    if rule.least_blocks:
        most = np.minimum(most, total / rule.least_blocks)
    return np.minimum(level * total[:, None], most[:, None]).T


def per_held_block(
    rule: PowerRule, links: NDArray[np.intp], held: FloatArray, level: FloatArray | float = 1.0
) -> FloatArray:
    """W on each block that the links hold; 0 where a device holds none."""
    return rule.per_block(links, np.where(held > 0, held, np.inf), level)


@dataclass(frozen=True)
class DevicePower:
    """Uplink: a device spreads its power evenly over the blocks it holds.

    It sends on one block at least (TS 38.214): less than a block is a block for part of the time.
    Fractional power control (TS 38.213 section 7.1.1, without the closed loop) asks for no more
    than `density` on a block: ``P = min(P_max, 10^((P0 + 10 log10(2^mu M) + alpha PL) / 10) mW)``.
    """

    largest: FloatArray
    """(links,) W that each device can radiate."""
    density: FloatArray
    """(links,) W on a resource block that power control asks for; infinite without it."""
    least_blocks: float = 1.0
    reduced: float = 1.0
    """Share of it that is there with QPSK (TS 38.101-1 section 6.2.2); other modulations have less,
    by the level."""
    spreads: ClassVar[bool] = True

    def per_block(
        self, links: NDArray[np.intp], held: FloatArray, level: FloatArray | float = 1.0
    ) -> FloatArray:
        """``min(level P_max / max(held, least_blocks), density)``."""
        largest, density = self.bounds(links)
        return np.minimum(level * largest / np.maximum(held, self.least_blocks), density)

    def total(self, links: NDArray[np.intp]) -> FloatArray:
        """What each device can radiate with QPSK."""
        return self.largest.take(links) * self.reduced

    def most(self, links: NDArray[np.intp]) -> FloatArray:
        """What power control asks for."""
        return self.density.take(links)

    def bounds(self, links: NDArray[np.intp]) -> tuple[FloatArray, FloatArray]:
        """W of each link on all its blocks together, and on any one of them."""
        return self.total(links), self.density.take(links)


@dataclass(frozen=True)
class CellPower:
    """Downlink: a cell spreads its power evenly over all blocks, used or not."""

    total_power: float
    """W over the whole band."""
    blocks: int
    """Number of resource blocks."""
    least_blocks: float = 0.0
    spreads: ClassVar[bool] = False

    def per_block(
        self, links: NDArray[np.intp], held: FloatArray, level: FloatArray | float = 1.0
    ) -> FloatArray:
        """``P / blocks``, times the level."""
        return self.bounds(links)[1] * level

    def total(self, links: NDArray[np.intp]) -> FloatArray:
        """What the cell sends."""
        return np.full(len(links), self.total_power)

    def most(self, links: NDArray[np.intp]) -> FloatArray:
        """No limit but the total."""
        return np.full(len(links), np.inf)

    def bounds(self, links: NDArray[np.intp]) -> tuple[FloatArray, FloatArray]:
        """W of each link on all its blocks together (no bound), and on any one of them."""
        return np.full(len(links), np.inf), np.full(len(links), self.total_power / self.blocks)
