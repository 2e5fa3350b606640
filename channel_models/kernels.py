"""The loops that numba compiles: the same IEEE operations as in NumPy, in the same order.

Neither reordering nor fused multiply-add is allowed, so results do not depend on the processor.
Modules of compiled loops are imported where `channel_models.compiled.kernels` says so.
"""

from typing import Any, Final

import numba
import numpy as np
from numpy.typing import NDArray

from channel_models import elementary
from channel_models.validation import FloatArray

compiled: Final = numba.njit(cache=True, nogil=True, error_model="numpy")
"""Compile a function when it is first called; machine code is kept beside the source file."""

_f = np.float32
_ATANH: Final = elementary.ATANH
_LN2_HIGH: Final = elementary.LN2_HIGH
_LN2_LOW: Final = elementary.LN2_LOW
_PER_LN2: Final = elementary.PER_LN2
_ROOT_HALF: Final = elementary.ROOT_HALF
_TURN: Final = 4.0 * elementary.HALF_PI
_EFFICIENCIES: Final = elementary.MULTIPLES


@compiled
def log(x: float) -> float:
    """Natural logarithm of a regular double, as `elementary.log`."""
    bits = np.float64(x).view(np.int64)
    # A double of this size has the exponent in its last bits.
    exponent = np.int64((bits >> 52) | 0x4330000000000000).view(np.float64) - (2.0**52 + 1022.0)
    fraction = np.int64((bits & 0x000FFFFFFFFFFFFF) | 0x3FE0000000000000).view(np.float64)
    below = fraction < _ROOT_HALF
    fraction = 2.0 * fraction if below else fraction
    exponent = exponent - 1.0 if below else exponent
    z = (fraction - 1.0) / (fraction + 1.0)
    square = z * z
    series = square * _ATANH[0] + _ATANH[1]
    for k in range(2, 11):
        series = series * square + _ATANH[k]
    return exponent * _LN2_HIGH + (2.0 * z * series + exponent * _LN2_LOW)


@compiled
def _log1p(x: float) -> float:
    """``log(1 + x)`` of a number that is finite and not negative, as `elementary.log1p`."""
    total = 1.0 + x
    return float(log(total) + (x - (total - 1.0)) / total)


@compiled
def single_efficiency(
    fading: NDArray[np.float32],
    scale: NDArray[np.float32],
    shannon: tuple[float, float, float, float],
    out: NDArray[np.float32],
) -> None:
    """Write bit/s/Hz (k, n) at a SINR of fading (k, n) times scale (n,), see `ShannonForm`."""
    margin, attenuation = _f(shannon[0]), _f(shannon[1])
    cap, floor = _f(shannon[2]), _f(shannon[3])
    for k in range(fading.shape[0]):
        for i in range(fading.shape[1]):
            sinr = fading[k, i] * scale[i]
            bits = attenuation * _f(_log1p(np.float64(sinr * margin)) * _PER_LN2)
            bits = bits if bits < cap else cap
            out[k, i] = _f(0.0) if sinr < floor else bits


@compiled
def capacity(sinr: float) -> float:
    """Return ``log2(1 + sinr)`` bit as a multiple of 2**-33, as `elementary.capacity`."""
    return (_log1p(sinr) * _PER_LN2 + _EFFICIENCIES) - _EFFICIENCIES


# The largest of numbers is the same in any order.
@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"nnan", "nsz", "reassoc"})
def largest(values: NDArray[np.floating[Any]]) -> tuple[int, int]:
    """Return the index of the largest of values (n,), none of them NaN, and how many are as large.

    The index is that of the largest if there is one, and has no meaning if there are several.
    """
    best = values[0]
    for i in range(1, len(values)):
        best = max(best, values[i])
    index = alike = 0
    for i in range(len(values)):
        same = values[i] == best
        index += i * same
        alike += same
    return index, alike


@compiled
def cosines(
    points: FloatArray,
    waves: FloatArray,
    phases: FloatArray,
    out: FloatArray,
) -> None:
    """Write the cosines (n, m) of plane waves (m, 2) at points (n, 2), see `ShadowField`."""
    east, north = waves[:, 0].copy(), waves[:, 1].copy()
    for p in range(len(points)):
        x, y = points[p]
        row = out[p]
        for m in range(phases.size):
            turns = x * east[m] + y * north[m] + phases[m]
            quarters = np.rint(4.0 * turns)
            angle = (turns - 0.25 * quarters) * _TURN
            quadrant = quarters - 4.0 * np.floor(0.25 * quarters)
            square = angle * angle
            cosine = square * elementary.COSINE[0] + elementary.COSINE[1]
            for k in range(2, len(elementary.COSINE)):
                cosine = cosine * square + elementary.COSINE[k]
            sine = square * elementary.SINE[0] + elementary.SINE[1]
            for k in range(2, len(elementary.SINE)):
                sine = sine * square + elementary.SINE[k]
            across, up = abs(quadrant - 2.0) - 1.0, 1.0 - abs(quadrant - 1.0)
            row[m] = cosine * across - sine * angle * up
