"""Minimum makespan: bandwidths with which all uploads end together, as early as possible.

With all power on the own band the rate ``b log2(1 + G/b)`` rises with b, so a schedule in which
one upload ends earlier can be improved. Hence ``T* = min T: sum_k b_k(T) <= B``, where b_k(T) is
the bandwidth that S_k bits need from the ready time t_k until T; it falls with T.

Bandwidth for a rate: ``r(b) = b log2(1 + G/b)`` with ``G = P g / N0`` in Hz is concave and stays
below ``G / ln 2``. Its inverse is closed: with ``kappa = r ln 2 / G < 1``,
``b = G kappa / (u - kappa)`` where ``u = -W_{-1}(-kappa exp(-kappa))`` and W is Lambert's function.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
            _, bandwidth = makespan(
                bits, demands.reach[usable], np.zeros(len(bits)), demands.bandwidth
            )
        else:
            bandwidth = bits / demands.efficiency.mean(axis=1)[usable]
        share[usable] = bandwidth / bandwidth.sum()
        return demands.flat(share)


def makespan(
    bits: NDArray[np.float64],
    reach: NDArray[np.float64],
    ready: NDArray[np.float64],
    bandwidth: float,
) -> tuple[float, NDArray[np.float64]]:
    """Return the least common finish time in s and the bandwidths in Hz, whose sum is `bandwidth`.

    Args:
        bits: (n,) to be sent.
        reach: (n,) ``P g / N0`` in Hz.
        ready: (n,) s, when each may begin; a band is reserved until then.
        bandwidth: Hz to be divided.
    """
    from scipy.optimize import brentq

    low = float((ready + bits * np.log(2) / reach).max())
    guess = np.log(float((bits / reach).max() + bits.sum() / bandwidth))

    def surplus(log_time: float) -> float:
        time = low + np.exp(log_time)
        return min(float(needed(bits / (time - ready), reach).sum()) / bandwidth - 1, 1e6)

    left = right = guess
    while surplus(right) > 0:
        right += 1.0
    while surplus(left) <= 0:
        left -= 1.0
    time = low + float(np.exp(brentq(surplus, left, right, xtol=1e-13, rtol=1e-14)))
    return time, needed(bits / (time - ready), reach)


def rate(bandwidth: NDArray[np.float64], reach: NDArray[np.float64]) -> NDArray[np.float64]:
    """``b log2(1 + G/b)`` in bit/s; `reach` is G in Hz."""
    with np.errstate(divide="ignore", invalid="ignore"):
        value = bandwidth * np.log1p(reach / bandwidth) / np.log(2)
    return np.where(bandwidth > 0, value, 0.0)


def needed(wanted: NDArray[np.float64], reach: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bandwidth in Hz for a rate in bit/s; infinite where no bandwidth is enough."""
    with np.errstate(divide="ignore", invalid="ignore"):
        kappa = wanted * np.log(2) / reach
        possible = kappa < 1
        kappa = np.where(possible, kappa, 0.5)
        excess = _excess(kappa)
        bandwidth = reach * kappa / (lambert(excess) - kappa)
    return np.where(possible, np.where(wanted > 0, bandwidth, 0.0), np.inf)


def _excess(kappa: NDArray[np.float64]) -> NDArray[np.float64]:
    """``kappa - 1 - ln kappa`` without cancellation near one."""
    below = 1 - kappa
    series = below**2 * (1 / 2 + below * (1 / 3 + below * (1 / 4 + below / 5)))
    return np.where(below < 1e-3, series, kappa - 1 - np.log(kappa))


def lambert(excess: NDArray[np.float64]) -> NDArray[np.float64]:
    """``-W_{-1}(-exp(-1 - x))`` for x >= 0: ``1 + d`` with ``d - ln(1 + d) = x``, d >= 0.

    Newton's method from the upper bound ``d = sqrt(2x) + x`` (I. Chatzigeorgiou, Bounds on the
    Lambert function, 2013); the function is convex, so it comes down to the root, and nothing
    underflows.
    """
    above = np.sqrt(2 * excess) + excess
    for _ in range(6):
        miss = above - np.log1p(above) - excess
        slope = above / (1 + above)
        above = above - np.divide(miss, slope, out=np.zeros_like(above), where=slope > 0)
    return 1 + above
