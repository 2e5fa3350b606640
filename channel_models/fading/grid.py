"""The fast path: sums of sinusoids on a regular time grid, in absolute blocks.

A block is `GRID_BLOCK` consecutive cells of the grid, always the same ones, of four runs of 64. The
phasors of a block come from absolute time; rotations computed once a step carry them to the centre
of every run and from there to its samples, symmetric in time: with ``C = sum_m z_m cos(w_m s)`` and
``S = sum_m z_m sin(w_m s)`` a tap is ``C + jS`` at ``s`` after the centre and ``C - jS`` before.
The sums over sinusoids, and the one over taps that gives the frequency response (symmetric too),
are real matrix products. The amplitude of the response is within 2e-6 of the exact one.

A sample has the same bits on every processor, whatever is computed beside it: elementwise steps are
single IEEE operations, and the matrix products are exact. Their factors are multiples of 2**-24 or
2**-23 of about one at most, so that the sum over up to about 1000 sinusoids still fits into the 53
bits of a double. No order of summation and no fused multiply-add of a library then changes it.
"""

from collections.abc import Iterator
from threading import RLock
from types import ModuleType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from channel_models.compiled import kernels
from channel_models.elementary import cosine_and_sine
from channel_models.fading.process import LinkIndices
from channel_models.validation import FloatArray

SingleArray = NDArray[np.float32]

GRID_BLOCK: Final = 256
"""Cells in one absolute block: chunks that begin and end on its multiples waste nothing."""

_RUN: Final = 64
_HALF: Final = _RUN // 2
_RUNS: Final = GRID_BLOCK // _RUN
_LINKS_AT_ONCE: Final = 4
"""so that what is made of them stays in the cache, and its memory with the process"""
_FACTORS: Final = 1.5 * 2.0**28
"""Doubles of this size are multiples of 2**-24."""
_TAPS: Final = 1.5 * 2.0**29
"""Doubles of this size are multiples of 2**-23."""


class GridRotations:
    """Rotations of every sinusoid for one grid step, filled in for a link when first asked for.

    ``frequencies`` (links, rows, sinusoids) in Hz; ``step`` in s. ``within`` holds cosine and sine
    from the centre of a run to its later samples, (links, 2, rows, sinusoids, 32), in multiples of
    2**-24; ``between`` from the centre of a block to those of its runs, (links, 2, rows, 4,
    sinusoids).
    """

    def __init__(self, frequencies: FloatArray) -> None:
        self.step = 0.0
        self._frequencies = frequencies
        self._lock = RLock()
        self.forget()

    def forget(self) -> None:
        """Free the memory; what is asked for again is computed anew."""
        with self._lock:
            self._known = np.zeros(len(self._frequencies), dtype=bool)
            self.step = 0.0
            self.within = self.between = np.empty(0, dtype=np.float32)

    def of(self, links: LinkIndices, step: float) -> tuple[SingleArray, SingleArray]:
        """Return `within` and `between` after computing what is missing for ``links``."""
        with self._lock:
            if step != self.step:
                count, rows, sinusoids = self._frequencies.shape
                self.forget()
                self.within = np.empty((count, 2, rows, sinusoids, _HALF), dtype=np.float32)
                self.between = np.empty((count, 2, rows, _RUNS, sinusoids), dtype=np.float32)
                self.step = step
            self._fill(links)
            return self.within, self.between

    def _fill(self, links: LinkIndices) -> None:
        samples = np.arange(_HALF) + 0.5
        centres = (np.arange(_RUNS) - (_RUNS - 1) / 2.0) * _RUN
        loops = _loops()
        for link in links[~self._known[links]]:
            turns, within = self._frequencies[link] * self.step, self.within[link]
            if loops is not None:
                loops.rotate(turns, within, self.between[link])
            else:
                exact = np.array(cosine_and_sine(turns[:, :, None] * samples, single=True), float)
                within[:] = _multiples(exact, _FACTORS)
                self.between[link] = cosine_and_sine(turns[:, None] * centres[:, None], single=True)
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
        matrix = np.array(cosine_and_sine(centred[first:, None] * delays))
        self.matrix = _multiples(matrix, _FACTORS).reshape(2 * self.half, delays.size)

    def power(self, taps: FloatArray, out: SingleArray) -> None:
        """Write the power into ``out`` (n, F, cells), from taps (n, rows, 2, cells)."""
        count, rows, _, cells = taps.shape
        parts = (self.matrix @ taps.reshape(count, rows, 2 * cells)).astype(np.float32)
        parts = parts.reshape(count, 2, self.half, 2, cells)
        cosine, sine = parts[:, 0], parts[:, 1]
        real = cosine[:, :, 0] + sine[:, :, 1]
        imaginary = cosine[:, :, 1] - sine[:, :, 0]
        _add_squares(real, imaginary, out[:, self.size - self.half :])
        if self.mirrored:
            np.subtract(cosine[:, :, 0], sine[:, :, 1], out=real)
            np.add(cosine[:, :, 1], sine[:, :, 0], out=imaginary)
            _add_squares(real, imaginary, out[:, : self.half][:, ::-1])


def _add_squares(real: SingleArray, imaginary: SingleArray, out: SingleArray) -> None:
    np.square(real, out=real)
    np.square(imaginary, out=imaginary)
    np.add(real, imaginary, out=out)


def _multiples(values: FloatArray, magic: float) -> FloatArray:
    """Round to multiples of the distance between doubles about `magic`, in place."""
    values += magic
    values -= magic
    return values


def power_blocks(
    rotations: GridRotations,
    amplitudes: FloatArray,
    frequencies: FloatArray,
    phases: FloatArray,
    transform: ResponseTransform,
    links: LinkIndices,
    first: int,
    count: int,
    step: float,
) -> SingleArray:
    """``|H|^2`` at the midpoints of the grid cells ``first .. first + count - 1``.

    ``amplitudes`` (rows, sinusoids); ``frequencies`` (Hz) and ``phases`` (turns) of shape (links,
    rows, sinusoids), the phases those at the middle of the band. Result (n, count, F).
    """
    if count == 0 or links.size == 0:
        return np.empty((links.size, count, transform.size), dtype=np.float32)
    begin, end = first // _RUN, -(-(first + count) // _RUN)
    used = slice(first - begin * _RUN, first - begin * _RUN + count)
    part = _part_of_run(used)
    length = (end - begin) * _RUN if part is None else count
    single = amplitudes.astype(np.float32)
    every_within, every_between = rotations.of(links, step)
    loops = _loops()
    if loops is not None:
        cells = np.empty((length, transform.size, links.size), dtype=np.float32)
        tables = single, frequencies, phases, every_within, every_between
        for centre, runs, out in _blocks(begin, end, step):
            skipped = 0 if part is None else used.start
            place = transform.matrix, transform.mirrored, runs.start, skipped, cells[out]
            loops.block_power(centre, *tables, links, *place)
        return (cells[used] if part is None else cells).transpose(2, 0, 1)
    power = np.empty((links.size, transform.size, length), dtype=np.float32)
    everyone = _as_slice(links)
    frequency, phase = frequencies[everyone], phases[everyone]
    for centre, runs, out in _blocks(begin, end, step):
        cosine, sine = cosine_and_sine(frequency * centre + phase, single=True)
        cosine *= single
        sine *= single
        for group in range(0, links.size, _LINKS_AT_ONCE):
            few = slice(group, group + _LINKS_AT_ONCE)
            chosen = _as_slice(links[few])
            within, between = every_within[chosen], every_between[chosen, :, :, runs]
            taps = _block_taps(cosine[few], sine[few], within, between, part)
            transform.power(taps, power[few, :, out])
    return (power[:, :, used] if part is None else power).transpose(0, 2, 1)


def _loops() -> ModuleType | None:
    if kernels() is None:
        return None
    from channel_models.fading import kernels as loops

    return loops


def _part_of_run(used: slice) -> slice | None:
    """Return the cells wanted, from the centre of the run on: few, all of one half; or None."""
    if used.stop <= _HALF or (used.start >= _HALF and used.stop <= _RUN):
        return slice(used.start - _HALF, used.stop - _HALF)
    return None


def _blocks(begin: int, end: int, step: float) -> Iterator[tuple[float, slice, slice]]:
    """Cut runs ``begin .. end - 1`` into blocks.

    Yields the centre of a block in s, its runs that are wanted, and where their cells belong among
    those of all runs.
    """
    for block in range(begin // _RUNS, -(-end // _RUNS)):
        first, last = max(begin, block * _RUNS), min(end, (block + 1) * _RUNS)
        runs = slice(first - block * _RUNS, last - block * _RUNS)
        cells = slice((first - begin) * _RUN, (last - begin) * _RUN)
        yield (block * GRID_BLOCK + GRID_BLOCK // 2) * step, runs, cells


def _as_slice(links: LinkIndices) -> LinkIndices | slice:
    start, stop = int(links[0]), int(links[0]) + links.size
    return slice(start, stop) if np.array_equal(links, np.arange(start, stop)) else links


def _block_taps(
    real: SingleArray,
    imaginary: SingleArray,
    within: SingleArray,
    between: SingleArray,
    part: slice | None,
) -> FloatArray:
    """Taps (links, rows, real or imaginary, cells) from phasors at the centre of a block.

    The cells are all of some runs, or a `part` of one.
    """
    links, rows, sinusoids = real.shape
    runs = between.shape[3]
    real, imaginary = real[:, :, None], imaginary[:, :, None]
    cosine, sine = between[:, 0], between[:, 1]
    # Factors of cosine and of sine: (links, 2, rows, real or imaginary, runs, sinusoids).
    starts = np.empty((links, 2, rows, 2, runs, sinusoids))
    even, odd = starts[:, 0], starts[:, 1]
    np.subtract(real * cosine, imaginary * sine, out=even[:, :, 0])
    np.add(real * sine, imaginary * cosine, out=even[:, :, 1])
    _multiples(even, _FACTORS)
    np.negative(even[:, :, 1], out=odd[:, :, 0])
    odd[:, :, 1] = even[:, :, 0]
    starts = starts.reshape(links, 2, rows, 2 * runs, sinusoids)
    if part is not None:
        before = part.start < 0
        near = slice(-part.stop, -part.start) if before else part
        sums = starts @ within[..., near].astype(float)
        taps = (sums[:, 0] - sums[:, 1])[..., ::-1] if before else sums[:, 0] + sums[:, 1]
        return _multiples(taps, _TAPS)
    sums = starts @ within.astype(float)
    taps = np.empty((links, rows, 2 * runs, _RUN))
    np.add(sums[:, 0], sums[:, 1], out=taps[..., _HALF:])
    np.subtract(sums[:, 0], sums[:, 1], out=taps[..., _HALF - 1 :: -1])
    return _multiples(taps, _TAPS).reshape(links, rows, 2, runs * _RUN)
