"""The contract of a medium: what a carrier asks of whatever shares its capacity."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class ActiveTransfers:
    """The transfers under way, as arrays over n transfers."""

    links: NDArray[np.intp]
    """(m,) links of all transfers, one transfer after the other"""
    first: NDArray[np.intp]
    """(n,) where the links of each transfer begin"""
    bits_left: NDArray[np.float64]
    weight: NDArray[np.float64]
    average_rate: NDArray[np.float64]
    """(n,) bit/s; NaN for a transfer that has just begun"""
    start: NDArray[np.float64]
    """(n,) s"""
    deadline: NDArray[np.float64]
    """(n,) s"""
    together: NDArray[np.intp] | None = None
    """where each transmission begins among the transfers; None where each has its own"""

    @property
    def transmissions(self) -> int:
        """How many compete."""
        return len(self.first) if self.together is None else len(self.together)

    @property
    def unicast(self) -> bool:
        """Whether every transfer has one link."""
        return len(self.links) == len(self.first)


@dataclass(frozen=True)
class RatePlan:
    """What a medium grants from now on: s steps of constant rates for n transfers."""

    until: NDArray[np.float64]
    """(s,) s, the end of each step; infinite where nothing changes by itself"""
    rate: NDArray[np.float64]
    """(s, n) bit/s"""
    average_rate: NDArray[np.float64]
    """(s, n) bit/s, the averages at the beginning of each step"""
    time_constant: float
    """s, of the averages; infinite where none are kept"""
    duty: float
    """share of the time in which those that hold something are on the air"""
    power: NDArray[np.float64]
    """(s, n) W radiated on the air; 0 where a transfer holds nothing of the medium"""
    sinr_db: NDArray[np.float64]
    """(s, n) mean over the blocks held; NaN for a wire"""


class Medium(Protocol):
    """What decides the rates: a band of resource blocks, or a wire."""

    def plan(self, traffic: ActiveTransfers, now: float, steps: int) -> RatePlan:
        """Plan the rates from `now` on, as if no transfer came or went.

        A plan has at least one step and at most `steps`; their ends rise and lie after `now`. Of
        the steps after the one in which a transfer ends, nothing is used.
        """
