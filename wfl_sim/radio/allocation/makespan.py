"""Minimum makespan: bandwidths with which all transfers end together, as early as possible.

With all power on the own band the rate b psi(G/b) rises with b, so a schedule in which one transfer
ends earlier can be improved. Hence ``T* = min T: sum_k b_k(T) <= B``, where b_k(T) is the bandwidth
that S_k bits need in time T; it falls with T. Below a block for part of the time, and where power
control binds, the SNR is that of the bandwidth where it begins.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

import channel_models as cm
from channel_models.elementary import rounded
from channel_models.validation import FloatArray
from wfl_sim.radio.allocation.allocator import ALLOCATORS, Demands
from wfl_sim.radio.channel.rate_curve import RateCurve, rate_curve

Knowledge = Literal["statistical", "instantaneous"]
_BEYOND = 700.0


@dataclass(frozen=True)
class Outlook:
    """The rates over bandwidth that n transfers can expect."""

    curve: RateCurve
    reach: FloatArray
    """(n,) G in Hz: a band of b Hz with all power has SNR G / b."""
    narrow: FloatArray
    """(n,) Hz below which the SNR rises no more."""

    def rate(self, bandwidth: FloatArray) -> FloatArray:
        """bit/s with all power on so many Hz each."""
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = bandwidth * self.curve(self.reach / np.maximum(bandwidth, self.narrow))
        return np.where(bandwidth > 0, rate, 0.0)

    def needed(self, rate: FloatArray) -> FloatArray:
        """Hz for a rate in bit/s with all power; infinite where no bandwidth is enough."""
        part = rate / self._dense
        return np.where(part < self.narrow, part, self.curve.bandwidth(rate, self.reach))

    @cached_property
    def _dense(self) -> FloatArray:
        """(n,) bit/s/Hz where the band is so narrow that the SNR rises no more."""
        return self.curve(self.reach / self.narrow)

    def some(self, which: NDArray[np.bool_]) -> "Outlook":
        """Return those of some of the transfers."""
        return Outlook(self.curve, self.reach[which], self.narrow[which])


def outlook(demands: Demands, knowledge: Knowledge) -> Outlook:
    """Return what is known of the rates of an uplink.

    Statistical: mean gains, and the rate averaged over fading. Instantaneous: the efficiency at an
    even split of the band in the sample that is known, continued by Shannon's formula.
    """
    known = demands.statistics if knowledge == "statistical" else None
    if known is not None:
        with np.errstate(all="ignore"):
            narrow = np.maximum(demands.least_bandwidth, known.reach / known.most_snr)
        return Outlook(known.curve, known.reach, narrow)
    reach = demands.reach
    narrow = np.full(len(reach), demands.least_bandwidth)
    return Outlook(rate_curve(cm.Shannon(), cm.Static()), reach, narrow)


@ALLOCATORS("minimum-makespan")
@dataclass(frozen=True, kw_only=True)
class MinimumMakespan:
    """Frequency-flat shares with which all present transfers would end at one time.

    They are computed anew at every step for the bits left, by default from mean gains and the rate
    averaged over fading: an optimum on the momentary channel spends the band on who is in a fade.
    The power of a device is spread over its share (uplink) or over the band (downlink).
    """

    knowledge: Knowledge = "statistical"
    """Mean gains and rates averaged over fading, or the sample of the channel that is known."""

    def shares(self, demands: Demands) -> FloatArray:
        """Return (n, blocks) shares, alike on all blocks."""
        bits = demands.bits_left
        if demands.spreads:
            share = makespan(bits, outlook(demands, self.knowledge), demands.bandwidth)[1]
        else:
            known = demands.statistics if self.knowledge == "statistical" else None
            efficiency = demands.efficiency.mean(axis=1)
            if known is not None:
                efficiency = known.curve(known.most_snr)
            with np.errstate(all="ignore"):
                share = np.where(efficiency > 1e-9, bits / efficiency, 0.0)
        total = float(share.sum())
        if not (total > 0 and np.isfinite(total)):
            share, total = np.ones(len(bits)), float(len(bits))
        share = rounded(share)
        return demands.flat(share / share.sum())


def makespan(bits: FloatArray, rates: Outlook, bandwidth: float) -> tuple[float, FloatArray]:
    """Return the least common finish time in s and bandwidths in Hz, whose sum is `bandwidth`.

    A transfer without bits or reach gets nothing. If none is left, or the numbers are beyond
    floating point, the band is split evenly and the time is zero.
    """
    count = len(bits)
    divided, even = np.zeros(count), np.full(count, bandwidth / count)
    with np.errstate(all="ignore"):
        shortest = bits / rates.reach
        served = (bits > 0) & (shortest > 0) & np.isfinite(shortest)
        some, left = rates.some(served), bits[served]
        guess = float((left / some.curve(some.reach / even[served])).sum()) / bandwidth
        if served.any() and 0 < guess < math.inf:

            def spent(time: float) -> float:
                return float(some.needed(left / time).sum()) / bandwidth

            time = root_of_falling(spent, guess)
            divided[served] = some.needed(left / time)
            total = float(divided.sum())
            if np.isfinite([time, total]).all() and total > 0:
                return time, divided * (bandwidth / total)
    return 0.0, even


def root_of_falling(value: Callable[[float], float], guess: float) -> float:
    """Return the x > 0 with value(x) = 1 of a function that falls about as a power of x.

    Secants of the logarithms, kept in a bracket; 100 steps are never exceeded. Where the function
    jumps past 1, to infinity say, it is the least x found with value(x) below 1.
    """
    low, high, x, before = 0.0, math.inf, guess, (math.nan, math.nan)
    for _ in range(100):
        found = value(x)
        known = 0 < found < math.inf
        y = math.log(found) if known else _BEYOND if found > 0 else -_BEYOND
        if abs(y) <= 1e-10:
            return x
        low, high = (x, high) if y > 0 else (low, x)
        at = math.log(x)
        slope = (y - before[1]) / (at - before[0]) if at != before[0] else -1.0
        before = (at, y) if known else (math.nan, math.nan)
        step = -y / slope if slope < -1e-3 else y
        following = x * math.exp(min(max(step, -3.0), 3.0))
        if not low < following < high:
            following = math.sqrt(low) * math.sqrt(high)
        if not 0 < following < math.inf or following in (low, high):
            break
        x = following
    return high if high < math.inf else x
