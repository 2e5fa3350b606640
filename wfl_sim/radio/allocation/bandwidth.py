"""Bandwidth that a rate needs when all of a device's power is spread over it.

``r(b) = b log2(1 + G/b)`` with ``G = P g / N0`` in Hz rises with b, is concave, and stays below
``G / ln 2``. Its inverse is closed: with ``kappa = r ln 2 / G < 1``,
``b = G kappa / (u - kappa)`` where ``u = -W_{-1}(-kappa exp(-kappa))`` and W is Lambert's function.
"""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def rate(bandwidth: FloatArray, reach: FloatArray) -> FloatArray:
    """``b log2(1 + G/b)`` in bit/s; `reach` is G in Hz."""
    with np.errstate(divide="ignore", invalid="ignore"):
        value = bandwidth * np.log1p(reach / bandwidth) / np.log(2)
    return np.where(bandwidth > 0, value, 0.0)


def needed(wanted: FloatArray, reach: FloatArray) -> FloatArray:
    """Bandwidth in Hz for a rate in bit/s; infinite where no bandwidth is enough."""
    with np.errstate(divide="ignore", invalid="ignore"):
        kappa = wanted * np.log(2) / reach
        possible = kappa < 1
        kappa = np.where(possible, kappa, 0.5)
        excess = _excess(kappa)
        bandwidth = reach * kappa / (lambert(excess) - kappa)
    return np.where(possible, np.where(wanted > 0, bandwidth, 0.0), np.inf)


def _excess(kappa: FloatArray) -> FloatArray:
    """``kappa - 1 - ln kappa`` without cancellation near one."""
    below = 1 - kappa
    series = below**2 * (1 / 2 + below * (1 / 3 + below * (1 / 4 + below / 5)))
    return np.where(below < 1e-3, series, kappa - 1 - np.log(kappa))


def lambert(excess: FloatArray) -> FloatArray:
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
