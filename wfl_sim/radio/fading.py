"""Fading of many links, each realised when it is first asked for.

A link's process depends on its own stream alone, so it does not matter when it is drawn, nor with
whom: a cell may know ten thousand devices of which a hundred are ever on the air.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import channel_models as cm


class FadingOnDemand:
    """The part of a fading process that a `Channel` needs."""

    def __init__(
        self,
        model: cm.Fading,
        stream: Callable[[int], np.random.Generator],
        doppler: NDArray[np.float64],
    ) -> None:
        """Draw nothing yet.

        Args:
            model: the law.
            stream: the random stream of each link; a new one, at its beginning, in every call.
            doppler: (links,) Hz.
        """
        self._model = model
        self._stream = stream
        self._doppler = doppler
        self._processes: list[cm.FadingProcess] = []
        self._process = np.full(len(doppler), -1, dtype=np.intp)
        self._index = np.zeros(len(doppler), dtype=np.intp)

    def __repr__(self) -> str:
        known = int((self._process >= 0).sum())
        return f"FadingOnDemand({known} of {len(self._doppler)} links drawn)"

    def power_grid(
        self,
        first: int,
        count: int,
        step: float,
        offsets: NDArray[np.float64],
        links: NDArray[np.intp],
    ) -> NDArray[np.floating[Any]]:
        """Power at the midpoints of `count` grid cells from `first` on, (links, count, offsets)."""
        self._draw(links[self._process[links] < 0])
        numbers = np.unique(self._process[links])
        if len(numbers) == 1:
            process: cm.FadingProcess = self._processes[numbers[0]]
            return process.power_grid(first, count, step, offsets, self._index[links])
        power = np.empty((len(links), count, len(offsets)), dtype=np.float32)
        for number in numbers:
            here = self._process[links] == number
            power[here] = self._processes[number].power_grid(
                first, count, step, offsets, self._index[links[here]]
            )
        return power

    def _draw(self, links: NDArray[np.intp]) -> None:
        if links.size:
            streams = [self._stream(int(link)) for link in links]
            self._process[links] = len(self._processes)
            self._index[links] = np.arange(len(links))
            self._processes.append(self._model.realise(streams, self._doppler[links]))
