"""The fast path: sums of sinusoids on a regular time grid, in absolute blocks.

A block is `GRID_BLOCK` consecutive cells of the grid, always the same ones. At its first sample the
phases come from absolute time in double precision. Within it sample ``8 a + b`` of a sinusoid is
``[rotation^(8 a)] [start rotation^b]``, so summing over the sinusoids of a tap is a product of an
(8 x sinusoids) and a (sinusoids x 8) matrix: the phasor recurrence in two levels, without an error
that grows. The frequency response is one more product. Complex products are written as real ones.

Every product has the same shape for every link and every block, and elementwise steps are single
IEEE operations: a sample has the same bits whatever else is computed with it. The sums run in
single precision; the result agrees with the double-precision pure function to 1e-6.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from channel_models.fading.links import LinkIndices
from channel_models.fading.response import delay_phasors
from channel_models.validation import FloatArray

GRID_BLOCK: Final = 64
"""Cells in one absolute block: chunks that begin and end on its multiples waste nothing."""

_COARSE: Final = 8
_FINE: Final = 8
_GROUP: Final = 16

SingleArray = NDArray[np.float32]


class GridRotations:
    """Rotations of every sinusoid over one grid step, filled in for a link when first asked for.

    ``frequencies`` (links, rows, sinusoids) in Hz; ``step`` in s.
    """

    def __init__(self, frequencies: FloatArray, step: float) -> None:
        links, rows, sinusoids = frequencies.shape
        self.step = step
        self._turns = frequencies
        self._known = np.zeros(links, dtype=bool)
        self._coarse = np.empty((links, rows, 2 * _COARSE, 2 * sinusoids), dtype=np.float32)
        self._fine = np.empty((links, rows, 2, sinusoids, _FINE), dtype=np.float32)

    def of(self, links: LinkIndices) -> tuple[SingleArray, SingleArray]:
        """Coarse factors (n, rows, 16, 2 sinusoids) and fine ones (n, rows, 2, sinusoids, 8)."""
        for link in links[~self._known[links]]:
            self._fill(int(link))
        if links.size and np.array_equal(links, np.arange(links[0], links[0] + links.size)):
            chosen = slice(int(links[0]), int(links[0]) + links.size)
            return self._coarse[chosen], self._fine[chosen]
        return self._coarse[links], self._fine[links]

    def _fill(self, link: int) -> None:
        per_step = self._turns[link] * self.step
        angles = _wrapped(per_step[:, None, :] * (np.arange(_COARSE) * _FINE)[:, None])
        cosine, sine = np.cos(angles), np.sin(angles)
        # rows of the product: real parts of the 8 coarse steps, then their imaginary parts
        self._coarse[link] = np.concatenate(
            [np.concatenate([cosine, -sine], axis=-1), np.concatenate([sine, cosine], axis=-1)],
            axis=1,
        )
        angles = _wrapped(per_step[:, :, None] * np.arange(_FINE))
        self._fine[link, :, 0], self._fine[link, :, 1] = np.cos(angles), np.sin(angles)
        self._known[link] = True


def _wrapped(turns: FloatArray) -> FloatArray:
    return 2.0 * np.pi * (turns - np.rint(turns))


def power_blocks(
    rotations: GridRotations,
    amplitudes: FloatArray,
    frequencies: FloatArray,
    phases: FloatArray,
    delays: FloatArray,
    offsets: FloatArray,
    links: LinkIndices,
    first: int,
    count: int,
) -> FloatArray:
    """``|H|^2`` at the midpoints of the grid cells ``first .. first + count - 1``.

    ``amplitudes`` (rows, sinusoids); ``frequencies`` (Hz) and ``phases`` (turns) of shape (links,
    rows, sinusoids); ``delays`` (rows,) in s; ``offsets`` (F,) in Hz. Result (n, count, F).
    """
    phasors = delay_phasors(delays, offsets)
    transform = np.concatenate(
        [
            np.concatenate([phasors.real.T[:, :, None], -phasors.imag.T[:, :, None]], axis=2),
            np.concatenate([phasors.imag.T[:, :, None], phasors.real.T[:, :, None]], axis=2),
        ]
    )
    # (2 F, rows, 2) -> (2 F, 2 rows), columns in the order the taps come in
    matrix = np.ascontiguousarray(transform.reshape(2 * offsets.size, -1), dtype=np.float32)
    result = np.empty((links.size, count, offsets.size))
    if count == 0:
        return result
    for group in range(0, links.size, _GROUP):
        chosen = links[group : group + _GROUP]
        coarse, fine = rotations.of(chosen)
        frequency, phase = frequencies[chosen], phases[chosen]
        for block in range(first // GRID_BLOCK, (first + count - 1) // GRID_BLOCK + 1):
            start = block * GRID_BLOCK
            turns = frequency * ((start + 0.5) * rotations.step) + phase
            angles = _wrapped(turns)
            power = _one_block(
                (amplitudes * np.cos(angles)).astype(np.float32),
                (amplitudes * np.sin(angles)).astype(np.float32),
                coarse,
                fine,
                matrix,
            )
            low, high = max(first, start), min(first + count, start + GRID_BLOCK)
            result[group : group + _GROUP, low - first : high - first] = power[
                :, :, low - start : high - start
            ].transpose(0, 2, 1)
    return result


def _one_block(
    real: SingleArray,
    imaginary: SingleArray,
    coarse: SingleArray,
    fine: SingleArray,
    matrix: SingleArray,
) -> SingleArray:
    links, rows, sinusoids = real.shape
    real, imaginary = real[..., None], imaginary[..., None]
    started = np.empty((links, rows, 2, sinusoids, _FINE), dtype=np.float32)
    cosine, sine = fine[:, :, 0], fine[:, :, 1]
    np.subtract(real * cosine, imaginary * sine, out=started[:, :, 0])
    np.add(real * sine, imaginary * cosine, out=started[:, :, 1])
    taps = coarse @ started.reshape(links, rows, 2 * sinusoids, _FINE)
    # (links, rows, 2 x 8, 8) is (links, rows x 2, 64): real and imaginary part of every row
    response = matrix @ taps.reshape(links, 2 * rows, GRID_BLOCK)
    squared = np.square(response, out=response)
    half = squared.shape[1] // 2
    return np.add(squared[:, :half], squared[:, half:])
