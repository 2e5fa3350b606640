"""The channel of one cell in one direction: gains of all links on an absolute time grid.

The fading process is a pure function of time. It is sampled at the midpoints of grid cells
[k step, (k+1) step); inside a grid cell the gain is constant. Samples are made in blocks, for the
links that are on the air.
"""

import numpy as np
from numpy.typing import NDArray

import channel_models as cm

_BLOCK = 64
_KEPT = 3


class Channel:
    """Power gains of `links` links on `blocks` resource blocks."""

    def __init__(
        self,
        mean_gain: NDArray[np.float64],
        fading: cm.FadingProcess,
        offsets: NDArray[np.float64],
        step: float,
    ) -> None:
        """Take the large-scale gains and the fading.

        Args:
            mean_gain: (links,) linear power gain of path loss and shadowing.
            fading: small-scale fading of the same links, of mean power one.
            offsets: (blocks,) Hz, centres of the resource blocks relative to the carrier.
            step: s, of the time grid.
        """
        self.step = step
        self._mean_gain = mean_gain
        self._fading = fading
        self._offsets = offsets
        self._samples: dict[int, _Samples] = {}

    def __repr__(self) -> str:
        return f"Channel({len(self._mean_gain)} links, {len(self._offsets)} blocks)"

    def index(self, time: float) -> int:
        """Return the k of the grid cell that `time` lies in."""
        k = int(time // self.step)
        while (k + 1) * self.step <= time:
            k += 1
        return k

    def gain(self, links: NDArray[np.intp], k: int) -> NDArray[np.float64]:
        """Return (m, blocks) power gains of the links in grid cell `k`."""
        number, within = divmod(k, _BLOCK)
        samples = self._samples.get(number)
        if samples is None:
            samples = self._samples[number] = _Samples(len(self._mean_gain))
            for old in sorted(self._samples)[:-_KEPT]:
                del self._samples[old]
        missing = np.unique(links[samples.row[links] < 0])
        if len(missing):
            power = self._fading.power_grid(
                number * _BLOCK, _BLOCK, self.step, self._offsets, missing
            )
            samples.extend(missing, self._mean_gain[missing, None, None] * power)
        gains: NDArray[np.float64] = samples.values[samples.row[links], within]
        return gains


class _Samples:
    """One block of samples, for the links that asked so far."""

    def __init__(self, links: int) -> None:
        self.row = np.full(links, -1, dtype=np.intp)
        self.values = np.empty((0, _BLOCK, 0))

    def extend(self, links: NDArray[np.intp], values: NDArray[np.float64]) -> None:
        known = len(self.values)
        self.row[links] = known + np.arange(len(links))
        self.values = np.concatenate((self.values, values)) if known else values
