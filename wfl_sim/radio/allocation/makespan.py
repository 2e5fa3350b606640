"""Minimum makespan: bandwidths with which all uploads end together, as early as possible.

With all power on the own band the rate ``b log2(1 + G/b)`` rises with b, so a schedule in which
one upload ends earlier can be improved. Hence ``T* = min T: sum_k b_k(T) <= B``, where b_k(T) is
the bandwidth that S_k bits need from the ready time t_k until T; it falls with T.

Bandwidth for a rate: ``r(b) = b log2(1 + G/b)`` with ``G = P g / N0`` in Hz is concave and stays
below ``G / ln 2``. Its inverse is closed: with ``kappa = r ln 2 / G < 1``,
``b = G kappa / (u - kappa)`` where ``u = -W_{-1}(-kappa exp(-kappa))`` and W is Lambert's function.
Below one resource block it is ``r(b) = b log2(1 + G/block)``: a block for part of the time.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from channel_models.elementary import rounded
from wfl_sim.radio.allocation.allocator import ALLOCATORS, Demands


@ALLOCATORS("minimum-makespan")
@dataclass(frozen=True)
class MinimumMakespan:
    """Frequency-flat shares with which all present transfers would end at one time.

    It is solved anew at every step for the bits left and the channel known then. The power of a
    device is spread over its share (uplink) or over the band (downlink). The rate map enters with
    its efficiency at an even split of the band, continued by Shannon's formula.
    """

    def shares(self, demands: Demands) -> NDArray[np.float64]:
        """Return (n, blocks) shares, alike on all blocks."""
        usable = demands.usable
        if not usable.any():
            return demands.flat(np.full(len(usable), 1 / len(usable)))
        # A transfer without a usable channel would take the whole band without effect.
        bits, share = demands.bits_left[usable], np.zeros(len(usable))
        if demands.spreads:
            reach, ready = demands.reach[usable], np.zeros(len(bits))
            _, bandwidth = makespan(bits, reach, ready, demands.bandwidth, demands.least_bandwidth)
            bandwidth = rounded(bandwidth)
        else:
            bandwidth = bits / demands.efficiency.mean(axis=1)[usable]
        total = bandwidth.sum()
        share[usable] = bandwidth / total if total > 0 else 1 / len(bits)
        return demands.flat(share)


def makespan(
    bits: NDArray[np.float64],
    reach: NDArray[np.float64],
    ready: NDArray[np.float64],
    bandwidth: float,
    block: float = 0.0,
) -> tuple[float, NDArray[np.float64]]:
    """Return the least common finish time in s and the bandwidths in Hz, whose sum is `bandwidth`.

    A transfer without bits or reach is left out and gets nothing. If none is left, or the numbers
    are beyond floating point, the band is split evenly and the time is the latest `ready`.

    Args:
        bits: (n,) to be sent.
        reach: (n,) ``P g / N0`` in Hz.
        ready: (n,) s, when each may begin; a band is reserved until then.
        bandwidth: Hz to be divided.
        block: Hz over which a power is spread at least.
    """
    divided = np.zeros(len(bits))
    with np.errstate(all="ignore"):
        shortest = bits * np.log(2) / reach
        served = (bits > 0) & (shortest > 0) & np.isfinite(shortest)
        if served.any():
            time, divided[served] = _of_served(
                bits[served], reach[served], ready[served], bandwidth, block
            )
            total = float(divided.sum())
            if np.isfinite([time, total]).all() and total > 0:
                return time, divided * (bandwidth / total)
    return float(ready.max()), np.full(len(bits), bandwidth / len(bits))


def _of_served(
    bits: NDArray[np.float64],
    reach: NDArray[np.float64],
    ready: NDArray[np.float64],
    bandwidth: float,
    block: float,
) -> tuple[float, NDArray[np.float64]]:
    shortest = bits * np.log(2) / reach
    low = float((ready + shortest).max())

    def spent(log_time: float) -> tuple[float, float]:
        later = np.exp(log_time)
        time = low + later - ready
        wanted = bits / time
        width = needed(wanted, reach, block)
        slope = wanted / (time * _marginal_rate(width, reach, block))
        return float(width.sum()) / bandwidth, -float(slope.sum() * later) / bandwidth

    guess = float(np.log(shortest.max() + bits.sum() / bandwidth))
    later = np.exp(root_of_falling(spent, guess))
    # Where the clock cannot show it, the time after the shortest is still more than none.
    time = max(low + float(later), float(np.nextafter(low, np.inf)))
    width = needed(bits / (time - ready), reach, block)
    return time, np.where(np.isfinite(width), width, bandwidth)


def root_of_falling(value_and_slope: Callable[[float], tuple[float, float]], guess: float) -> float:
    """Return x with f(x) = 1 for a falling f > 0: Newton's method on log f, kept in a bracket.

    The functions of this room are near powers of exp(x), so log f is near a straight line and a
    few steps are enough; 100 are never exceeded.
    """
    low, high, x = -np.inf, np.inf, guess
    for _ in range(100):
        with np.errstate(all="ignore"):
            value, slope = value_and_slope(x)
            newton = float(x - np.log(value) * value / np.float64(slope))
        if value > 1:
            low = x
        else:
            high = x
        if value == 1 or abs(newton - x) <= 1e-12 * max(abs(x), 1.0):
            return newton
        if not low < newton < high or abs(newton - x) > 50:
            # Where the slope is of no use: one step of e outwards, or the middle.
            middle = (low + high) / 2
            newton = middle if np.isfinite(middle) else x + (1.0 if value > 1 else -1.0)
        if newton == x:
            return x
        x = newton
    return high if np.isfinite(high) else x


def _marginal_rate(
    bandwidth: NDArray[np.float64], reach: NDArray[np.float64], block: float
) -> NDArray[np.float64]:
    """Derivative of `rate` by bandwidth in bit/s/Hz."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = reach / np.maximum(bandwidth, block)
        lost = np.where(bandwidth < block, 0.0, ratio / (1 + ratio))
        return np.asarray((np.log1p(ratio) - lost) / np.log(2))


def rate(
    bandwidth: NDArray[np.float64], reach: NDArray[np.float64], block: float = 0.0
) -> NDArray[np.float64]:
    """``b log2(1 + G/max(b, block))`` in bit/s; `reach` is G in Hz."""
    with np.errstate(divide="ignore", invalid="ignore"):
        value = bandwidth * np.log1p(reach / np.maximum(bandwidth, block)) / np.log(2)
    return np.where(bandwidth > 0, value, 0.0)


def needed(
    wanted: NDArray[np.float64], reach: NDArray[np.float64], block: float = 0.0
) -> NDArray[np.float64]:
    """Bandwidth in Hz for a `rate` in bit/s; infinite where no bandwidth is enough."""
    with np.errstate(divide="ignore", invalid="ignore"):
        part = wanted * np.log(2) / np.log1p(reach / np.float64(block))
        kappa = wanted * np.log(2) / reach
        possible = kappa < 1
        kappa = np.where(possible, kappa, 0.5)
        excess = _excess(kappa)
        bandwidth = reach * kappa / (lambert(excess) - kappa)
        bandwidth = np.where(part < block, part, bandwidth)
    return np.where(possible, np.where(wanted > 0, bandwidth, 0.0), np.inf)


def _excess(kappa: NDArray[np.float64]) -> NDArray[np.float64]:
    """``kappa - 1 - ln kappa`` without cancellation near one."""
    below = 1 - kappa
    series = below**2 * (1 / 2 + below * (1 / 3 + below * (1 / 4 + below / 5)))
    return np.where(below < 1e-3, series, kappa - 1 - np.log(kappa))


def lambert(excess: NDArray[np.float64]) -> NDArray[np.float64]:
    """``-W_{-1}(-exp(-1 - x))`` for x >= 0: ``1 + d`` with ``d - ln(1 + d) = x``, d >= 0.

    Halley's method from the upper bound ``d = x + ln(1 + sqrt(2x) + x)``, one step of the fixed
    point from ``sqrt(2x) + x`` (I. Chatzigeorgiou, Bounds on the Lambert function, 2013). Nothing
    underflows.
    """
    above = excess + np.log1p(np.sqrt(2 * excess) + excess)
    tiny = above < 1e-8
    safe = np.where(tiny, 1.0, above)
    for _ in range(3):
        miss = (safe - np.log1p(safe) - excess) * (1 + safe)
        safe = safe - 2 * miss * safe / (2 * safe**2 - miss / (1 + safe))
    return 1 + np.where(tiny, above, safe)
