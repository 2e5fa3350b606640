"""The contract of a medium: what a carrier asks of whatever shares its capacity."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from channel_models.validation import FloatArray

LinkSamples = Callable[[], Sequence[tuple[int, Mapping[str, Any]]]]
"""Returns the number of each link, and its values for a `RadioSample`."""


@dataclass(frozen=True)
class ActiveTransfers:
    """The transfers under way, as arrays over n transfers."""

    links: NDArray[np.intp]
    """(m,) links of all transfers, one transfer after the other."""
    first: NDArray[np.intp]
    """(n,) index into `links` where those of each transfer begin."""
    bits_left: FloatArray
    """(n,) bits that are still to be sent."""
    weight: FloatArray
    """(n,) priorities."""
    average_rate: FloatArray
    """(n,) bit/s; NaN for a transfer that has just begun."""
    start: FloatArray
    """(n,) s of the clock."""
    deadline: FloatArray
    """(n,) s of the clock."""
    together: NDArray[np.intp] | None = None
    """Index of the first transfer of each transmission that several receive; None without such."""
    level: FloatArray | None = None
    """(n,) share of its power that each may use; None where all may use all."""
    share: FloatArray | None = None
    """(n,) share of the band that a policy has given, NaN where none; None where it gave none."""
    offset: FloatArray | None = None
    """(n,) dB that an outer loop has learned to back off from what is known."""

    @property
    def transmissions(self) -> int:
        """Number of transmissions that compete."""
        return len(self.first) if self.together is None else len(self.together)

    def beginnings(self, which: NDArray[np.intp]) -> NDArray[np.intp] | None:
        """Where transmissions begin among some of the transfers; None without any to several."""
        if self.together is None:
            return None
        number = np.searchsorted(self.together, which, side="right")
        return np.flatnonzero(np.diff(number, prepend=0))

    @property
    def unicast(self) -> bool:
        """Whether every transfer has one link."""
        return len(self.links) == len(self.first)


@dataclass(frozen=True)
class RatePlan:
    """What a medium grants from a time on: s steps of constant rates for n transfers."""

    until: FloatArray
    """(s,) s, the end of each step; infinite where nothing changes by itself."""
    rate: FloatArray
    """(s, n) bit/s."""
    average_rate: FloatArray
    """(s, n) bit/s, the averages at the beginning of each step."""
    time_constant: float
    """Time constant in s of the averages; infinite where none are kept."""
    duty: float
    """Share of the time in which a transfer that holds something is on the air."""
    power: FloatArray
    """(s, n) W radiated on the air; 0 where a transfer holds nothing of the medium."""
    sinr_db: FloatArray
    """(s, n) mean over the blocks held, dB; NaN for a wired link."""
    offset: FloatArray | None = None
    """(s, n) dB of an outer loop at the beginning of each step; None without one."""
    samples: Sequence[LinkSamples] = ()
    """(s,) What the links have in each step, computed when asked for; empty unless recorded."""


class Medium(Protocol):
    """What sets the rates of transfers: a band of resource blocks, or wired links."""

    def plan(self, traffic: ActiveTransfers, now: float, steps: int) -> RatePlan:
        """Plan the rates from `now` on, as if no transfer came or went.

        A plan has at least one step and at most `steps`; their ends rise and lie after `now`.
        Steps after the one in which a transfer ends are not used.
        """
