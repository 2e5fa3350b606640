"""The loops of `channel_models.fading.grid` that numba compiles, bit for bit the same as NumPy's.

See `channel_models.kernels`.
"""

from typing import Any, Final

import numba
import numpy as np
from numpy.typing import NDArray

from channel_models import elementary
from channel_models.kernels import compiled
from channel_models.validation import FloatArray

_f = np.float32
_COSINE: Final = tuple(_f(c) for c in elementary.COSINE[4:])
_SINE: Final = tuple(_f(c) for c in elementary.SINE[3:])
_TURN: Final = 4.0 * elementary.HALF_PI
_FACTORS: Final = 1.5 * 2.0**28
_TAPS: Final = 1.5 * 2.0**29
_RUN: Final = 64
_HALF: Final = 32
_PADDING: Final = 16
"""Values beyond a row, so that columns do not meet in the same lines of the cache."""
_LINKS: Final = 8
"""Links at once, whose power fits into a cache of half a megabyte."""


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
def _multiple(x: float, magic: float) -> float:
    return (x + magic) - magic


@compiled
def rotate(turns: FloatArray, within: NDArray[np.float32], between: NDArray[np.float32]) -> None:
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
    frequencies: FloatArray,
    phases: FloatArray,
    within: NDArray[np.float32],
    between: NDArray[np.float32],
    links: NDArray[np.intp],
    matrix: FloatArray,
    mirrored: bool,
    first_run: int,
    skipped: int,
    out: NDArray[np.float32],
) -> None:
    """Write the power (cells, F, n) of some runs of a block with its centre at a time in s.

    Of a run that is not wanted whole, so many cells are `skipped`.
    """
    rows = len(amplitudes)
    cells, size, half = out.shape[0], out.shape[1], matrix.shape[0] // 2
    width, runs = min(cells, _RUN), max(cells // _RUN, 1)
    taps, parts = np.empty((runs, rows, 2 * width)), np.empty((2 * half, 2 * width))
    tile = np.empty((_LINKS, size, cells + _PADDING), dtype=np.float32)
    for first in range(0, links.size, _LINKS):
        few = min(_LINKS, links.size - first)
        for i in range(few):
            link = links[first + i]
            turned = between[link, :, :, first_run : first_run + runs]
            waves = amplitudes, frequencies[link], phases[link]
            _taps(centre, waves, within[link], turned, skipped, taps)
            for run in range(runs):
                np.dot(matrix, taps[run], parts)
                _powers(parts, mirrored, tile[i], run * width)
        for k in range(cells):
            for f in range(size):
                for i in range(few):
                    out[k, f, first + i] = tile[i, f, k]


@compiled
def _powers(parts: FloatArray, mirrored: bool, power: NDArray[np.float32], first: int) -> None:
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
    centre: float,
    waves: tuple[NDArray[np.float32], FloatArray, FloatArray],
    within: NDArray[np.float32],
    between: NDArray[np.float32],
    skipped: int,
    taps: FloatArray,
) -> None:
    """Write the taps (runs, rows, real and imaginary part) of a link.

    `waves` are amplitudes, frequencies in Hz and phases in turns, (rows, sinusoids) each.
    """
    amplitudes, frequencies, phases = waves
    rows, sinusoids = amplitudes.shape
    real, imaginary = np.empty((2, rows, sinusoids), dtype=np.float32)
    for row in range(rows):
        for m in range(sinusoids):
            cosine, sine = _cosine_and_sine(frequencies[row, m] * centre + phases[row, m])
            real[row, m] = cosine * amplitudes[row, m]
            imaginary[row, m] = sine * amplitudes[row, m]
    runs, width = between.shape[2], taps.shape[2] // 2
    starts, whole = np.empty((2 * runs, sinusoids)), np.empty(2 * _RUN)
    even, odd = np.empty((2 * runs, _HALF)), np.empty((2 * runs, _HALF))
    for row in range(rows):
        for run in range(runs):
            for m in range(sinusoids):
                re, im = real[row, m], imaginary[row, m]
                cosine, sine = between[0, row, run, m], between[1, row, run, m]
                starts[run, m] = _multiple(np.float64(re * cosine - im * sine), _FACTORS)
                starts[runs + run, m] = _multiple(np.float64(re * sine + im * cosine), _FACTORS)
        _product(starts, within[0, row], even)
        _product(starts, within[1, row], odd)
        for run in range(runs):
            both = taps[run, row] if width == _RUN else whole
            re, im = both[:_RUN], both[_RUN:]
            for s in range(_HALF):
                re[_HALF + s] = _multiple(even[run, s] - odd[runs + run, s], _TAPS)
                im[_HALF + s] = _multiple(even[runs + run, s] + odd[run, s], _TAPS)
            for s in range(_HALF):
                re[_HALF - 1 - s] = _multiple(even[run, s] + odd[runs + run, s], _TAPS)
                im[_HALF - 1 - s] = _multiple(even[runs + run, s] - odd[run, s], _TAPS)
            if width < _RUN:
                taps[run, row, :width] = re[skipped : skipped + width]
                taps[run, row, width:] = im[skipped : skipped + width]


# An exact sum is the same in any order, and with fused multiply-add.
@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz", "reassoc"})
def _product(left: FloatArray, right: NDArray[np.float32], out: FloatArray) -> None:
    """Write the product of matrices (n, m) and (m, 32), four of m at once."""
    count, inner = left.shape
    fours = inner - inner % 4
    for n in range(count):
        a, row = left[n], out[n]
        for s in range(_HALF):
            row[s] = 0.0
        for m in range(fours, inner):
            for s in range(_HALF):
                row[s] += a[m] * right[m, s]
    for m in range(0, fours, 4):
        w, x, y, z = right[m], right[m + 1], right[m + 2], right[m + 3]
        for n in range(count):
            a, b, c, d = left[n, m], left[n, m + 1], left[n, m + 2], left[n, m + 3]
            row = out[n]
            for s in range(_HALF):
                row[s] += a * w[s] + b * x[s] + c * y[s] + d * z[s]
