"""Minimum makespan: bandwidths with which all uploads end together, as early as can be.

With all power on the own band the rate ``b log2(1 + G/b)`` rises with b, so a schedule in which
someone ends earlier can be bettered. Hence ``T* = min T: sum_k b_k(T) <= B``, where b_k(T) is the
bandwidth that S_k bits need from the ready time t_k until T; it falls with T.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfl_sim.radio.allocation.allocator import ALLOCATORS, Demands
from wfl_sim.radio.allocation.bandwidth import needed


@ALLOCATORS("minimum-makespan")
@dataclass(frozen=True)
class MinimumMakespan:
    """Frequency-flat shares with which what is under way would end at one time.

    It is solved anew at every step for the bits left and the channel known then. The power of a
    device is spread over its share (uplink) or over the band (downlink). The rate map enters with
    its efficiency at an even split of the band, continued by Shannon's formula.
    """

    def shares(self, demands: Demands) -> NDArray[np.float64]:
        """Return (n, blocks) shares, alike on all blocks."""
        heard = demands.heard
        if not heard.any():
            return demands.flat(np.full(len(heard), 1 / len(heard)))
        # Who hears nothing would take everything, in vain.
        bits, share = demands.bits_left[heard], np.zeros(len(heard))
        if demands.spreads:
            _, bandwidth = makespan(
                bits, demands.reach[heard], np.zeros(len(bits)), demands.bandwidth
            )
        else:
            bandwidth = bits / demands.efficiency.mean(axis=1)[heard]
        share[heard] = bandwidth / bandwidth.sum()
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
