"""The loops that numba compiles: the same IEEE operations as in NumPy, in the same order.

Neither reordering nor fused multiply-add is allowed, so results do not depend on the processor.
Only `channel_models.compiled` imports this module.
"""

from typing import Any, Final

import numba
import numpy as np
from numpy.typing import NDArray

from channel_models import elementary

compiled: Final = numba.njit(cache=True, nogil=True, error_model="numpy")
"""Compile a function when it is first called; machine code is kept beside the source file."""

_f = np.float32
_ATANH: Final = elementary.ATANH
_COSINE: Final = tuple(_f(c) for c in elementary.COSINE[4:])
_SINE: Final = tuple(_f(c) for c in elementary.SINE[3:])
_LN2_HIGH: Final = elementary.LN2_HIGH
_LN2_LOW: Final = elementary.LN2_LOW
_PER_LN2: Final = elementary.PER_LN2
_ROOT_HALF: Final = elementary.ROOT_HALF
_TURN: Final = 4.0 * elementary.HALF_PI
_EFFICIENCIES: Final = elementary.MULTIPLES
_FACTORS: Final = 1.5 * 2.0**28
_TAPS: Final = 1.5 * 2.0**29
_RUN: Final = 64
_HALF: Final = 32
_LINKS: Final = 8
"""Links at once, whose power fits into a cache of half a megabyte."""


@compiled
def _log1p(x: float) -> float:
    """``log(1 + x)`` of a number that is finite and not negative, as `elementary.log1p`."""
    total = 1.0 + x
    bits = np.float64(total).view(np.int64)
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
    log = exponent * _LN2_HIGH + (2.0 * z * series + exponent * _LN2_LOW)
    return log + (x - (total - 1.0)) / total


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
def _cosine_and_sine(turns: float) -> tuple[Any, Any]:
    """Cosine and sine in single precision, as `elementary.cosine_and_sine`."""
    quarters = np.rint(4.0 * turns)
    angle = _f((turns - 0.25 * quarters) * _TURN)
    quadrant = _f(quarters - 4.0 * np.floor(0.25 * quarters))
    square = angle * angle
    cosine = square * _COSINE[0] + _COSINE[1]
    for k in range(2, len(_COSINE)):
        cosine = cosine * square + _COSINE[k]
    sine = square * _SINE[0] + _SINE[1]
    for k in range(2, len(_SINE)):
        sine = sine * square + _SINE[k]
    sine = sine * angle
    across = abs(quadrant - _f(2.0)) - _f(1.0)
    up = _f(1.0) - abs(quadrant - _f(1.0))
    return cosine * across - sine * up, cosine * up + sine * across


@compiled
def cosines(
    points: NDArray[np.float64],
    waves: NDArray[np.float64],
    phases: NDArray[np.float64],
    out: NDArray[np.float64],
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


@compiled
def _multiple(x: float, magic: float) -> float:
    return (x + magic) - magic


@compiled
def rotate(
    turns: NDArray[np.float64], within: NDArray[np.float32], between: NDArray[np.float32]
) -> None:
    """Write the rotations of one link, see `GridRotations`, from its turns in a step."""
    rows, sinusoids = turns.shape
    for row in range(rows):
        for m in range(sinusoids):
            turn = turns[row, m]
            for s in range(_HALF):
                cosine, sine = _cosine_and_sine(turn * (s + 0.5))
                within[0, row, m, s] = _multiple(np.float64(cosine), _FACTORS)
                within[1, row, m, s] = _multiple(np.float64(sine), _FACTORS)
            for run in range(between.shape[2]):
                cosine, sine = _cosine_and_sine(turn * ((run - 1.5) * _RUN))
                between[0, row, run, m] = cosine
                between[1, row, run, m] = sine


@compiled
def block_power(
    centre: float,
    amplitudes: NDArray[np.float32],
    frequencies: NDArray[np.float64],
    phases: NDArray[np.float64],
    within: NDArray[np.float32],
    between: NDArray[np.float32],
    links: NDArray[np.intp],
    matrix: NDArray[np.float64],
    mirrored: bool,
    first_run: int,
    skipped: int,
    out: NDArray[np.float32],
) -> None:
    """Write the power (cells, F, n) of some runs of a block with its centre at a time in s.

    Of a run that is not wanted whole, so many cells are `skipped`.
    """
    rows, sinusoids = amplitudes.shape
    cells, size, half = out.shape[0], out.shape[1], matrix.shape[0] // 2
    width, runs = min(cells, _RUN), max(cells // _RUN, 1)
    real = np.empty((rows, sinusoids), dtype=np.float32)
    imaginary = np.empty_like(real)
    taps, parts = np.empty((runs, rows, 2 * width)), np.empty((2 * half, 2 * width))
    tile = np.empty((_LINKS, size, cells), dtype=np.float32)
    for first in range(0, links.size, _LINKS):
        few = min(_LINKS, links.size - first)
        for i in range(few):
            link = links[first + i]
            for row in range(rows):
                for m in range(sinusoids):
                    turns = frequencies[link, row, m] * centre + phases[link, row, m]
                    cosine, sine = _cosine_and_sine(turns)
                    real[row, m] = cosine * amplitudes[row, m]
                    imaginary[row, m] = sine * amplitudes[row, m]
            turned = between[link, :, :, first_run : first_run + runs]
            _taps(real, imaginary, within[link], turned, skipped, taps)
            for run in range(runs):
                np.dot(matrix, taps[run], parts)
                _powers(parts, mirrored, tile[i], run * width)
        for k in range(cells):
            for f in range(size):
                for i in range(few):
                    out[k, f, first + i] = tile[i, f, k]


@compiled
def _powers(
    parts: NDArray[np.float64], mirrored: bool, power: NDArray[np.float32], first: int
) -> None:
    """Write the power (F, cells) of one link in the run that begins at a cell."""
    half, size, width = parts.shape[0] // 2, power.shape[0], parts.shape[1] // 2
    for f in range(half):
        # One row is written by a loop: the compiler then takes many cells in one instruction.
        cosine_real, cosine_imaginary = parts[f, :width], parts[f, width:]
        sine_real, sine_imaginary = parts[half + f, :width], parts[half + f, width:]
        above = power[size - half + f, first : first + width]
        for k in range(width):
            x = _f(cosine_real[k]) + _f(sine_imaginary[k])
            y = _f(cosine_imaginary[k]) - _f(sine_real[k])
            above[k] = x * x + y * y
        if mirrored:
            below = power[half - 1 - f, first : first + width]
            for k in range(width):
                x = _f(cosine_real[k]) - _f(sine_imaginary[k])
                y = _f(cosine_imaginary[k]) + _f(sine_real[k])
                below[k] = x * x + y * y


@compiled
def _taps(
    real: NDArray[np.float32],
    imaginary: NDArray[np.float32],
    within: NDArray[np.float32],
    between: NDArray[np.float32],
    skipped: int,
    taps: NDArray[np.float64],
) -> None:
    """Write the taps (runs, rows, real and imaginary part) of a link from its central phasors."""
    rows, sinusoids = real.shape
    runs, width = between.shape[2], taps.shape[2] // 2
    starts, sums = np.empty((2 * runs, sinusoids)), np.empty((2 * runs, _RUN))
    rotation, whole = np.empty((sinusoids, _RUN)), np.empty((2, _RUN))
    for row in range(rows):
        for run in range(runs):
            for m in range(sinusoids):
                re, im = real[row, m], imaginary[row, m]
                cosine, sine = between[0, row, run, m], between[1, row, run, m]
                starts[run, m] = _multiple(np.float64(re * cosine - im * sine), _FACTORS)
                starts[runs + run, m] = _multiple(np.float64(re * sine + im * cosine), _FACTORS)
        for m in range(sinusoids):
            for s in range(_HALF):
                rotation[m, s] = within[0, row, m, s]
            for s in range(_HALF):
                rotation[m, _HALF + s] = within[1, row, m, s]
        np.dot(starts, rotation, sums)
        for run in range(runs):
            for s in range(_HALF):
                even_real, odd_real = sums[run, s], sums[runs + run, _HALF + s]
                even_imaginary, odd_imaginary = sums[runs + run, s], sums[run, _HALF + s]
                whole[0, _HALF + s] = _multiple(even_real - odd_real, _TAPS)
                whole[1, _HALF + s] = _multiple(even_imaginary + odd_imaginary, _TAPS)
                whole[0, _HALF - 1 - s] = _multiple(even_real + odd_real, _TAPS)
                whole[1, _HALF - 1 - s] = _multiple(even_imaginary - odd_imaginary, _TAPS)
            for k in range(width):
                taps[run, row, k] = whole[0, skipped + k]
                taps[run, row, width + k] = whole[1, skipped + k]
