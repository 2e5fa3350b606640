"""Fixed share: frequency-division access with channels of one width."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfl_sim.config.errors import LocatedError
from wfl_sim.radio.allocation.allocator import ALLOCATORS, Demands


@ALLOCATORS("fixed")
@dataclass(frozen=True, kw_only=True)
class Fixed:
    """The band in `channels` of equal width, one for each transfer; what is free stays free.

    Where there are more transfers than channels, the later ones wait (and those that came together
    share what is left). This is the static FDMA of
    many papers: an upload does not speed up when others have ended.
    """

    channels: int

    def __post_init__(self) -> None:
        if self.channels < 1:
            raise LocatedError(f"must be at least 1, got {self.channels}", "channels")

    def shares(self, demands: Demands) -> NDArray[np.float64]:
        """Return (n, blocks) shares, 1/channels of every block or nothing."""
        order = np.argsort(-demands.age, kind="stable")
        share = np.zeros(len(order))
        share[order[: self.channels]] = 1.0 / self.channels
        tied = demands.age == demands.age[order[min(self.channels, len(order)) - 1]]
        share[tied] = share[tied].mean()
        return demands.flat(share)
