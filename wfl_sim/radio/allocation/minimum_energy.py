"""Minimum energy under deadlines: as slow, as wide and as quiet as the time allows and pays.

S bits at SNR s over bandwidth b take ``t = S / (b psi(s))`` and draw ``t (C + A s b / G)``: C of
the circuits, A of the amplifier at full power, at which the SNR is G / b. For a price of bandwidth
the best s has, with ``c(s) = psi/psi' - s``, one of the conditions

- the deadline D binds: ``c(s) = price G / (D A)``, ``b = S / (D psi(s))``;
- nothing binds: ``c(s)^2 / psi(s) = price C G^2 / (S A^2)``, ``b = C G / (A c(s))``;
- the power binds: ``s^2 c / (psi (c + s)) = price G^2 / (S (C + A))``, ``b = G / s``.

The price is the one at which the sum of the bandwidths is the band. With C = 0 the deadlines bind
and it is the problem of Yang et al., arXiv 1911.02417, without computing. Otherwise it is the least
for shares that stay to the end of each: what others leave when they end early is not foreseen, and
turns on the whole band, such as those of max C/I, draw C for a shorter time.
"""

import warnings
from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray

from channel_models.elementary import rounded
from channel_models.units import Unit
from channel_models.validation import FloatArray
from wfl_sim.config.fields import BelowOne, Bounded
from wfl_sim.radio.allocation.allocator import ALLOCATORS, Demands
from wfl_sim.radio.allocation.makespan import (
    Knowledge,
    MinimumMakespan,
    Outlook,
    outlook,
    root_of_falling,
)

_LATE: Final = (
    "minimum-energy: transfers that cannot meet a deadline beside the others have an even share of "
    "the band, at full power, and end later"
)
_LEAST_PRICE: Final = 1e-300
"""J/Hz, where a search may begin: times can underflow."""


@ALLOCATORS("minimum-energy")
@dataclass(frozen=True, kw_only=True)
class MinimumEnergy(Bounded):
    """Least energy drawn within deadlines by frequency-flat shares that stay, and power levels.

    A deadline is the transfer's own or `within` of its beginning. It is solved anew at every step,
    from mean gains and the rate averaged over fading unless `knowledge` says otherwise. Who cannot
    meet a deadline beside the others (the fewest, those that need most) has an even share at full
    power. On a downlink, whose power density is fixed, shares are those of minimum makespan.
    """

    within: Annotated[float, Unit("s", minimum=0.0, maximum=3600.0, exclusive=True)]
    """s; an upload takes all of it, and so does the run of the host, sample by sample."""
    reserve: BelowOne = 0.05
    """Share of the time from the beginning to the deadline that is left for fading and wires."""
    knowledge: Knowledge = "statistical"
    """Mean gains and rates averaged over fading, or the sample of the channel that is known."""

    def shares(self, demands: Demands) -> FloatArray:
        """Return (n, blocks) shares, alike on all blocks."""
        return self.shares_and_levels(demands)[0]

    def shares_and_levels(self, demands: Demands) -> tuple[FloatArray, FloatArray]:
        """Return shares, and (n,) the part of its power that each transfer uses."""
        until, bits = demands.time_left(self.within), demands.bits_left
        time = until - self.reserve * (until + demands.age)
        level, band = np.ones(len(time)), demands.bandwidth
        if not demands.spreads:
            return MinimumMakespan(knowledge=self.knowledge).shares(demands), level
        # Times and rests that underflow have no answer.
        with np.errstate(all="ignore"):
            rates = outlook(demands, self.knowledge)
            needed = np.where((time > 0) & (bits > 0), rates.needed(bits / time), np.inf)
            late, left = late_ones(needed, band)
            if late.any():  # of the time without the reserve
                hurried = np.where(until > 0, rates.needed(bits / until), np.inf)
                if late_ones(np.where(bits > 0, hurried, 0.0), band)[0].any():
                    warnings.warn(_LATE, stacklevel=2)
            meets = ~late
            drawn = (
                (np.zeros(len(time)), level)
                if demands.statistics is None
                else (demands.statistics.circuit, demands.statistics.amplifier)
            )
            width = np.where(late, band / len(time), 0.0)
            if meets.any():
                some = Cheapest(
                    bits[meets], time[meets], rates.some(meets), drawn[0][meets], drawn[1][meets]
                )
                width[meets] = rounded(some.bandwidths(left))
                level[meets] = some.levels(width[meets], demands.least_bandwidth)
            share = width / width.sum()
        if late.all() or not np.isfinite([share, level]).all():
            fast = MinimumMakespan(knowledge=self.knowledge)
            return fast.shares(demands), np.ones(len(time))
        return demands.flat(share), np.clip(level, 0.0, 1.0)


def late_ones(needed: FloatArray, band: float) -> tuple[NDArray[np.bool_], float]:
    """Return who cannot meet a deadline, and the Hz that are left for the others.

    The fewest, with an even share each, so that what the others need fits into the rest.
    """
    order = np.argsort(-needed, kind="stable")
    others = np.append(np.cumsum(needed[order][::-1])[::-1], 0.0)
    left = band * (1 - np.arange(len(others)) / len(order))
    number = int(np.argmax(others <= left * (1 + 1e-9)))
    late = np.zeros(len(order), dtype=bool)
    late[order[:number]] = True
    return late, float(left[number])


@dataclass(frozen=True)
class Cheapest:
    """Transfers that have `time` s at most for their bits, and what sending draws."""

    bits: FloatArray
    time: FloatArray
    rates: Outlook
    circuit: FloatArray
    """(n,) W while sending."""
    amplifier: FloatArray
    """(n,) W more at full power; greater than 0."""

    def bandwidths(self, band: float) -> FloatArray:
        """Return the Hz of each that need the least energy; their sum is `band`.

        What each needs at full power must fit into the band.
        """
        least = self.rates.needed(self.bits / self.time)

        def divided(price: float) -> FloatArray:
            return np.asarray(np.maximum(self.at_price(price), least))

        guess = max(float((self.time * self.amplifier / self.rates.reach).mean()), _LEAST_PRICE)
        price = root_of_falling(lambda price: float(divided(price).sum()) / band, guess)
        width = divided(price)
        return np.asarray(width * (band / width.sum()))

    def at_price(self, price: float) -> FloatArray:
        """Return the Hz of each at a price of bandwidth in J/Hz; too little where power binds."""
        curve, reach, bits = self.rates.curve, self.rates.reach, self.bits
        snr = curve.snr_at_cost(price * reach / (self.time * self.amplifier))
        width = bits / (self.time * curve(snr))
        if not self.circuit.any():
            return width
        free = curve.snr_at_price(price * self.circuit * (reach / self.amplifier) ** 2 / bits)
        wide = self.circuit * reach / (self.amplifier * curve.cost_at(free))
        full = curve.snr_at_full_price(price * reach**2 / (bits * (self.circuit + self.amplifier)))
        loud = free * wide > reach
        free, wide = np.where(loud, full, free), np.where(loud, reach / full, wide)
        early = bits < wide * curve(free) * self.time
        return np.where(early, wide, width)

    def levels(self, width: FloatArray, block: float) -> FloatArray:
        """Return the part of its power that each uses on so many Hz."""
        curve, spread = self.rates.curve, np.maximum(width, block)
        least = curve.snr_for(self.bits / self.time / width)
        best = curve.snr_at_cost(self.circuit * self.rates.reach / (self.amplifier * spread))
        return np.asarray(np.maximum(least, best) * spread / self.rates.reach)
