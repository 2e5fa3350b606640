"""The loops of `McsRate` that numba compiles, bit for bit the same as NumPy's.

See `channel_models.kernels`.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from channel_models import elementary
from channel_models.kernels import compiled, log
from channel_models.validation import FloatArray

Schemes = tuple[FloatArray, FloatArray, FloatArray]
"""Beta of every MCS, a grid in dB, and the goodput (MCS, grid), see `McsForm`."""

_EXPM1: Final = elementary.EXPM1
_LN2_HIGH: Final = elementary.LN2_HIGH
_LN2_LOW: Final = elementary.LN2_LOW
_PER_LN2: Final = elementary.PER_LN2
_PER_LN10: Final = elementary.PER_LN10
_WHOLE: Final = 1023.0 + 2.0**52


@compiled
def _exp(x: float) -> float:
    """``e**x``, as `elementary.exp` of an array."""
    bounded = min(max(x, -746.0), 710.0)
    times = np.rint(bounded * _PER_LN2)
    rest = (bounded - times * _LN2_HIGH) - times * _LN2_LOW
    series = rest * _EXPM1[0] + _EXPM1[1]
    for k in range(2, len(_EXPM1)):
        series = series * rest + _EXPM1[k]
    half = np.floor(0.5 * times)
    first = np.int64(np.float64(half + _WHOLE).view(np.int64) << 52).view(np.float64)
    second = np.int64(np.float64((times - half) + _WHOLE).view(np.int64) << 52).view(np.float64)
    return float((1.0 + rest * series) * first * second)


@compiled
def _decibels(x: float) -> float:
    """``10 log10(x)`` of a number that is a regular double or 0."""
    decibels = 10.0 * (log(x) * _PER_LN10)
    return decibels if x > 0.0 else -np.inf


@compiled
def read_curve(
    fading: NDArray[np.float32], scale: NDArray[np.float32], curve: FloatArray, out: FloatArray
) -> None:
    """Write bit/s/Hz (k, n) at a SINR of fading (k, n) times scale (n,), see `McsRate`.

    `curve` (points, 3) has an even grid in dB, the values, and the slopes from point to point.
    """
    last = len(curve) - 2
    lowest, highest, per_cell = curve[0, 0], curve[last + 1, 0], 1.0 / (curve[1, 0] - curve[0, 0])
    for k in range(fading.shape[0]):
        row = out[k]
        for i in range(len(row)):
            row[i] = min(max(_decibels(np.float64(fading[k, i] * scale[i])), lowest), highest)
        for i in range(len(row)):
            place = row[i]
            cell = min(int((place - lowest) * per_cell), last)
            # The product may be rounded into the next cell.
            cell -= place < curve[cell, 0]
            cell += cell < last and place >= curve[cell + 1, 0]
            value = curve[cell, 2] * (place - curve[cell, 0]) + curve[cell, 1]
            row[i] = value if fading[k, i] * scale[i] > 0.0 else 0.0


@compiled
def transported(
    known: FloatArray, sinr: FloatArray, weight: FloatArray, total: float, schemes: Schemes
) -> float:
    """bit/s/Hz of one transport block of (entries,), as `McsRate.transport_efficiency`.

    `total` is the sum of weights by `total_of`.
    """
    betas, grid, goodput = schemes
    decay = np.empty(len(known))
    best, chosen = -1.0, 0
    for mcs in range(len(betas)):
        seen = _effective_decibels(known, weight, total, betas[mcs], decay)
        carried = _goodput_at(seen, grid, goodput[mcs])
        if carried > best:
            best, chosen = carried, mcs
    found = _effective_decibels(sinr, weight, total, betas[chosen], decay)
    return float(_goodput_at(found, grid, goodput[chosen]))


@compiled
def _effective_decibels(
    values: FloatArray, weight: FloatArray, total: float, beta: float, decay: FloatArray
) -> float:
    least = values.min()
    for i in range(len(values)):
        decay[i] = weight[i] * _exp((least - values[i]) / beta)
    return float(_decibels(least - beta * log(total_of(decay) / total)))


@compiled
def _goodput_at(sinr_db: float, grid: FloatArray, goodput: FloatArray) -> Any:
    place = min(max((sinr_db - grid[0]) / (grid[1] - grid[0]), 0.0), len(grid) - 1.0)
    low = min(int(place), len(grid) - 2)
    return goodput[low] + (place - low) * (goodput[low + 1] - goodput[low])


@compiled
def total_of(values: FloatArray) -> float:
    """Return the sum in the order of NumPy's ``add.reduceat``."""
    return float(values[0] + in_pairs(values[1:]) if len(values) > 1 else values[0])


@compiled
def in_pairs(values: FloatArray) -> float:
    """Return the sum in the order of NumPy's ``add.reduce``, see Higham 1993."""
    count = len(values)
    if count < 8:
        total = -0.0
        for i in range(count):
            total += values[i]
        return float(total)
    if count > 128:
        half = count // 2 - count // 2 % 8
        return float(in_pairs(values[:half]) + in_pairs(values[half:]))
    part = values[:8].copy()
    for i in range(8, count - count % 8):
        part[i % 8] += values[i]
    total = ((part[0] + part[1]) + (part[2] + part[3])) + (
        (part[4] + part[5]) + (part[6] + part[7])
    )
    for i in range(count - count % 8, count):
        total += values[i]
    return float(total)
