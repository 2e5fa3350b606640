"""The fast path: sums of sinusoids on a regular time grid, in absolute blocks.

A block is `GRID_BLOCK` consecutive cells of the grid, always the same ones, of four runs of 64. The
phasors of a block come from absolute time; rotations computed once a step carry them to the centre
of every run and from there to its samples, symmetric in time: with ``C = sum_m z_m cos(w_m s)`` and
``S = sum_m z_m sin(w_m s)`` a tap is ``C + jS`` at ``s`` after the centre and ``C - jS`` before.
The sums over sinusoids, and the one over taps that gives the frequency response (symmetric too),
are real matrix products in double precision.

Every product has one shape, whatever is asked for, and the elementwise steps are single IEEE
operations: a sample has the same bits whatever is computed beside it.
"""

from typing import Final

import numpy as np

from channel_models.fading.links import LinkIndices
from channel_models.validation import FloatArray

GRID_BLOCK: Final = 256
"""Cells in one absolute block: chunks that begin and end on its multiples waste nothing."""

_RUN: Final = 64
_HALF: Final = _RUN // 2
_RUNS: Final = GRID_BLOCK // _RUN
_LINKS_AT_ONCE: Final = 4


class GridRotations:
    """Rotations of every sinusoid for one grid step, filled in for a link when first asked for.

    ``frequencies`` (links, rows, sinusoids) in Hz; ``step`` in s. ``within`` holds cosine and sine
    from the centre of a run to its later samples, (links, rows, 2, 32, sinusoids); ``between`` from
    the centre of a block to those of its runs, (links, 2, 4, rows, sinusoids).
    """

    def __init__(self, frequencies: FloatArray, step: float) -> None:
        links, rows, sinusoids = frequencies.shape
        self.step = step
        self._frequencies = frequencies
        self._known = np.zeros(links, dtype=bool)
        self.within = np.empty((links, rows, 2, _HALF, sinusoids))
        self.between = np.empty((links, 2, _RUNS, rows, sinusoids))

    def fill(self, links: LinkIndices) -> None:
        """Compute what is missing for ``links``."""
        samples = np.arange(_HALF) + 0.5
        centres = (np.arange(_RUNS) - (_RUNS - 1) / 2.0) * _RUN
        for link in links[~self._known[links]]:
            turns = self._frequencies[link] * self.step
            angles = _wrapped(turns[:, None, :] * samples[:, None])
            self.within[link, :, 0], self.within[link, :, 1] = np.cos(angles), np.sin(angles)
            angles = _wrapped(turns * centres[:, None, None])
            self.between[link, 0], self.between[link, 1] = np.cos(angles), np.sin(angles)
            self._known[link] = True


class ResponseTransform:
    """From taps to the power at the ``offsets``, using the symmetry of a regular frequency grid.

    With ``c = sum_l h_l cos(2 pi f tau_l)`` and ``s`` likewise, the response is ``c - js`` at f and
    ``c + js`` at -f. Offsets that are not symmetric about their middle are all computed as the
    first kind.
    """

    def __init__(self, delays: FloatArray, offsets: FloatArray) -> None:
        self.middle = 0.5 * (offsets[0] + offsets[-1])
        self.size = offsets.size
        centred = offsets - self.middle
        scale = max(float(np.abs(centred).max()), 1.0)
        self.mirrored = bool(np.abs(centred + centred[::-1]).max() <= 1e-9 * scale)
        first = (self.size // 2) if self.mirrored else 0
        self.half = self.size - first
        turns = centred[first:, None] * delays
        angles = _wrapped(turns)
        self._matrix = np.concatenate([np.cos(angles), np.sin(angles)])

    def power(self, taps: FloatArray, out: FloatArray) -> None:
        """Write the power into ``out`` (n, runs, F, 64), from taps (n, runs, rows, 2, 64)."""
        links, runs, rows = taps.shape[:3]
        parts = (self._matrix @ taps.reshape(links, runs, rows, 2 * _RUN)).reshape(
            links, runs, 2, self.half, 2, _RUN
        )
        cos_real, cos_imag = parts[:, :, 0, :, 0], parts[:, :, 0, :, 1]
        sin_real, sin_imag = parts[:, :, 1, :, 0], parts[:, :, 1, :, 1]
        real, imaginary = cos_real + sin_imag, cos_imag - sin_real
        _add_squares(real, imaginary, out[:, :, self.size - self.half :])
        if self.mirrored:
            np.subtract(cos_real, sin_imag, out=real)
            np.add(cos_imag, sin_real, out=imaginary)
            _add_squares(real, imaginary, out[:, :, : self.half][:, :, ::-1])


def _add_squares(real: FloatArray, imaginary: FloatArray, out: FloatArray) -> None:
    np.square(real, out=real)
    np.square(imaginary, out=imaginary)
    np.add(real, imaginary, out=out)


def _wrapped(turns: FloatArray) -> FloatArray:
    return np.asarray(2.0 * np.pi * (turns - np.rint(turns)), dtype=float)


def power_blocks(
    rotations: GridRotations,
    amplitudes: FloatArray,
    frequencies: FloatArray,
    phases: FloatArray,
    transform: ResponseTransform,
    links: LinkIndices,
    first: int,
    count: int,
) -> FloatArray:
    """``|H|^2`` at the midpoints of the grid cells ``first .. first + count - 1``.

    ``amplitudes`` (rows, sinusoids); ``frequencies`` (Hz) and ``phases`` (turns) of shape (links,
    rows, sinusoids), the phases those at the middle of the band. Result (n, count, F).
    """
    if count == 0 or links.size == 0:
        return np.empty((links.size, count, transform.size))
    first_run, last_run = first // _RUN, (first + count - 1) // _RUN
    power = np.empty((links.size, transform.size, last_run - first_run + 1, _RUN))
    rotations.fill(links)
    for group in range(0, links.size, _LINKS_AT_ONCE):
        chosen = _as_slice(links[group : group + _LINKS_AT_ONCE])
        frequency, phase = frequencies[chosen], phases[chosen]
        within, between = rotations.within[chosen], rotations.between[chosen]
        for block in range(first_run // _RUNS, last_run // _RUNS + 1):
            centre = (block * GRID_BLOCK + GRID_BLOCK // 2) * rotations.step
            low = max(first_run - block * _RUNS, 0)
            high = min(last_run - block * _RUNS + 1, _RUNS)
            taps = _block_taps(
                *_phasors(amplitudes, frequency * centre + phase), within, between, low, high
            )
            here = block * _RUNS - first_run
            transform.power(
                taps,
                power[group : group + _LINKS_AT_ONCE, :, here + low : here + high].transpose(
                    0, 2, 1, 3
                ),
            )
    cells = power.reshape(links.size, transform.size, -1)
    skipped = first - first_run * _RUN
    return cells[:, :, skipped : skipped + count].transpose(0, 2, 1)


def _as_slice(links: LinkIndices) -> LinkIndices | slice:
    start, stop = int(links[0]), int(links[0]) + links.size
    return slice(start, stop) if np.array_equal(links, np.arange(start, stop)) else links


def _phasors(amplitudes: FloatArray, turns: FloatArray) -> tuple[FloatArray, FloatArray]:
    # tan(x/2) gives sine and cosine in one call, several times faster than NumPy's two
    tangent = np.tan(np.pi * (turns - np.rint(turns)))
    square = np.square(tangent)
    scale = amplitudes / (1.0 + square)
    return scale * (1.0 - square), 2.0 * (scale * tangent)


def _block_taps(
    real: FloatArray,
    imaginary: FloatArray,
    within: FloatArray,
    between: FloatArray,
    low: int,
    high: int,
) -> FloatArray:
    links, rows, sinusoids = real.shape
    real, imaginary = real[:, None], imaginary[:, None]
    # (links, real or imaginary, runs, rows, sinusoids)
    started = np.empty((links, 2, _RUNS, rows, sinusoids))
    cosine, sine = between[:, 0], between[:, 1]
    np.subtract(real * cosine, imaginary * sine, out=started[:, 0])
    np.add(real * sine, imaginary * cosine, out=started[:, 1])
    starts = started.reshape(links, 2 * _RUNS, rows, sinusoids).transpose(0, 2, 1, 3)
    # (links, rows, 1, 2 runs, sinusoids) x (links, rows, 2, sinusoids, 32)
    sums = (starts[:, :, None] @ within.swapaxes(-1, -2)).reshape(links, rows, 2, 2, _RUNS, _HALF)
    sums = sums[:, :, :, :, low:high]
    cos_real, cos_imag = sums[:, :, 0, 0], sums[:, :, 0, 1]
    sin_real, sin_imag = sums[:, :, 1, 0], sums[:, :, 1, 1]
    taps = np.empty((links, high - low, rows, 2, _RUN))
    later = taps[..., _HALF:].transpose(3, 0, 2, 1, 4)
    earlier = taps[..., _HALF - 1 :: -1].transpose(3, 0, 2, 1, 4)
    np.subtract(cos_real, sin_imag, out=later[0])
    np.add(cos_imag, sin_real, out=later[1])
    np.add(cos_real, sin_imag, out=earlier[0])
    np.subtract(cos_imag, sin_real, out=earlier[1])
    return taps
