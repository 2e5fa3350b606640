"""Interference by average load: the approximation for large networks.

Cells plan on their own. Each receives its neighbours with their mean gain, the same on all blocks,
times their recent load: an exponential average over time of the share in which they sent, or
without memory the load of the moment.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from channel_models.elementary import decay
from channel_models.validation import FloatArray
from wfl_sim.radio.cell import Direction
from wfl_sim.radio.power.transmit_power import PowerRule


class AverageLoadInterference:
    """Interference between co-channel cells in one direction, averaged over the recent past.

    Args:
        direction: uplink or downlink.
        cells: numbers of the cells on one band.
        gains: (all cells, devices) linear large-scale gains, which may change.
        powers: the power rule of each of the cells.
        blocks: number of resource blocks of the band.
        memory: s, time constant of the average; 0 for the load of the moment.
        clock: returns the present time in s.
        beams: (cells,) linear gains that only devices of a cell itself have, in its `gains`.
    """

    def __init__(
        self,
        direction: Direction,
        cells: Sequence[int],
        gains: FloatArray,
        powers: Sequence[PowerRule],
        blocks: int,
        memory: float,
        clock: Callable[[], float],
        beams: FloatArray | float = 1.0,
    ) -> None:
        self._up = direction == "uplink"
        self._cells = np.array(cells, dtype=np.intp)
        self._gains = gains
        self._powers = powers
        self._blocks = blocks
        self._memory = memory
        self._clock = clock
        self._beams = beams
        self._active: list[list[int]] = [[] for _ in powers]
        shape = (len(powers), len(powers)) if self._up else (len(powers), 1)
        self._now, self._average = np.zeros(shape), np.zeros(shape)
        """For each cell: W on a block at each cell (uplink), or whether it sends (downlink)."""
        self._since = np.zeros(len(powers))
        numbers = np.arange(len(powers))
        self._others = [np.delete(numbers, cell) for cell in numbers]
        self._sent = np.ones((len(powers), 1))
        """W on a block of a cell that sends; only for the downlink."""
        if not self._up:
            one = np.zeros(1, dtype=np.intp), np.ones(1)
            self._sent = (np.array([rule.per_block(*one) for rule in powers]).T / beams).T

    def __repr__(self) -> str:
        active = sum(map(len, self._active))
        return f"AverageLoadInterference({len(self._powers)} cells, {active} on the air)"

    def changed(self, cell: int, device: int, begins: bool) -> None:
        """Note that a device begins or ends to send in a cell, or the cell to send to it.

        `cell`, here and below, is an index into `cells`.
        """
        self._average[cell] = self._averaged(cell, self._clock())
        self._since[cell] = self._clock()
        (self._active[cell].append if begins else self._active[cell].remove)(device)
        self._now[cell] = self._level(cell)

    def interference(self, cell: int, links: NDArray[np.intp], now: float) -> FloatArray:
        """Return the interference in W on a block, for the links (m,) of a cell."""
        others = self._others[cell]
        loads = self._averaged(others, now)
        if self._up:
            return np.full(len(links), float(loads[:, cell].sum()))
        gains = self._gains[self._cells[others, None], links]
        return np.asarray((loads * self._sent[others] * gains).sum(axis=0))

    def _averaged(self, cells: int | NDArray[np.intp], now: float) -> FloatArray:
        if not self._memory:
            return self._now[cells]
        keep = decay(np.asarray((now - self._since[cells]) / self._memory))[..., None]
        return np.asarray(self._now[cells] + keep * (self._average[cells] - self._now[cells]))

    def _level(self, cell: int) -> FloatArray:
        active = np.array(self._active[cell], dtype=np.intp)
        if not active.size:
            return np.zeros_like(self._now[cell])
        if not self._up:
            return np.ones(1)
        held = np.full(len(active), self._blocks / len(active))
        power = self._powers[cell].per_block(active, held)
        received = (self._gains[self._cells[:, None], active] * (power * held)).sum(axis=1)
        return np.asarray(received / self._blocks / self._beams)
