"""The channel of one cell in one direction: power gains of all links on an absolute time grid.

The fading process is a pure function of time. It is sampled at the midpoints of grid cells
[k step, (k+1) step); inside a grid cell the gain is constant. Samples are made in blocks, for the
links that are on the air; the last two blocks are kept. Where another core is free, a thread makes
the next block once a quarter of the present one is used.
"""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from copy import copy
from threading import Lock
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

import channel_models as cm
from channel_models.compiled import kernels

_KEPT: Final = 2
_NARROW: Final = 64
"""Resource blocks up to which a block of samples is long: 65 kB a link."""
_LINKS_AT_ONCE: Final = 16
"""Links in one call of the fading, so that its result stays in the processor's cache."""


class GridFading(Protocol):
    """Small-scale fading on a time grid: what `channel_models.FadingProcess` has, and more."""

    def power_grid(
        self,
        first: int,
        count: int,
        step: float,
        offsets: NDArray[np.float64],
        links: NDArray[np.intp],
    ) -> NDArray[np.floating[Any]]:
        """Power of mean one at the midpoints of grid cells, (links, count, offsets)."""


class SampledChannel:
    """Power gains of `links` links on `blocks` resource blocks.

    Args:
        mean_gain: (links,) linear power gain of path loss and shadowing.
        fading: small-scale fading of the same links, of mean power one.
        offsets: (blocks,) Hz, centres of the resource blocks relative to the carrier.
        step: s, of the time grid.
        ahead: threads that make samples ahead; the fading then serves this channel alone.
    """

    def __init__(
        self,
        mean_gain: NDArray[np.float64],
        fading: GridFading,
        offsets: NDArray[np.float64],
        step: float,
        ahead: Executor | None = None,
    ) -> None:
        self.step = step
        self.mean_gain = mean_gain
        self._fading = fading
        self._offsets = offsets
        self._cells = cm.GRID_BLOCK if len(offsets) <= _NARROW else cm.GRID_BLOCK // 4
        """Cells of the time grid in one block of samples."""
        self._samples: dict[int, _Samples] = {}
        self._free_blocks: list[_Samples] = []
        self._ahead = ahead
        self._pending: tuple[int, _Samples, Future[None]] | None = None

    def __repr__(self) -> str:
        return f"SampledChannel({len(self.mean_gain)} links, {len(self._offsets)} blocks)"

    def index(self, time: float) -> int:
        """Return the k of the grid cell that `time` lies in."""
        k = int(time // self.step)
        while (k + 1) * self.step <= time:
            k += 1
        return k

    def gain(self, links: NDArray[np.intp], first: int, count: int) -> NDArray[np.float64]:
        """Return (count, blocks, m) power gains of the links in grid cells from `first` on."""
        return self.fading(links, first, count) * self.mean_gain[links]

    def fading(self, links: NDArray[np.intp], first: int, count: int) -> NDArray[np.float32]:
        """Return (count, blocks, m) fading, without the large-scale gains; do not write into it."""
        pieces = []
        for number in [each for each in self._samples if each < first // self._cells]:
            # Time goes on: the memory of what is over serves the next block.
            self._free_blocks.append(self._samples.pop(number))
        while count > 0:
            number, within = divmod(first, self._cells)
            pieces.append(self._block(number, links).of(links, within, count))
            if self._ahead is not None and within + len(pieces[-1]) > self._cells // 4:
                self._read_ahead(self._ahead, number + 1, links)
            first += len(pieces[-1])
            count -= len(pieces[-1])
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def _block(self, number: int, links: NDArray[np.intp]) -> "_Samples":
        samples = self._samples.get(number)
        if samples is not None and not samples.missing(links).size:
            return samples
        self._await_pending()
        if number not in self._samples:
            self._drop_oldest()
            self._samples[number] = self._empty_block()
        self._make(self._samples[number], number, links)
        return self._samples[number]

    def _make(self, samples: "_Samples", number: int, links: NDArray[np.intp]) -> None:
        """Make the missing links of a block."""
        missing = samples.missing(links)
        samples.reserve(missing.size)
        # Compiled loops look after the cache themselves.
        at_once = _LINKS_AT_ONCE if kernels() is None else max(missing.size, 1)
        for begin in range(0, missing.size, at_once):
            few = missing[begin : begin + at_once]
            power = self._fading.power_grid(
                number * self._cells, self._cells, self.step, self._offsets, few
            )
            samples.add(few, power)

    def _read_ahead(self, threads: Executor, number: int, links: NDArray[np.intp]) -> None:
        """Start making a block for the links on the air now, unless one is pending or there."""
        if self._pending is None and number not in self._samples:
            samples = self._empty_block()
            work = threads.submit(self._make, samples, number, links)
            self._pending = number, samples, work

    def _await_pending(self) -> None:
        """Wait for the pending block, and keep it."""
        if self._pending is not None:
            number, samples, work = self._pending
            self._pending = None
            work.result()
            self._drop_oldest()
            self._samples[number] = samples

    def _drop_oldest(self) -> None:
        """Free the oldest block if the limit is reached."""
        if len(self._samples) == _KEPT:
            self._free_blocks.append(self._samples.pop(min(self._samples)))

    def _empty_block(self) -> "_Samples":
        """Return an empty block, in the memory of a freed one if there is one."""
        if not self._free_blocks:
            return _Samples(len(self.mean_gain), self._cells, len(self._offsets))
        samples = self._free_blocks.pop()
        samples.clear()
        return samples


class _Samples:
    """One block of samples, for the links asked for so far; its memory is reused."""

    def __init__(self, links: int, cells: int, blocks: int) -> None:
        self._column = np.full(links, -1, dtype=np.intp)
        self._values = np.empty((cells, blocks, _LINKS_AT_ONCE), dtype=np.float32)
        """(cells of the grid, resource blocks, columns): links that compete are neighbours."""
        self._used = 0

    def clear(self) -> None:
        """Forget all links."""
        self._column[:] = -1
        self._used = 0

    def missing(self, links: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the links that have no samples yet."""
        return np.unique(links[self._column[links] < 0])

    def reserve(self, more: int) -> None:
        """Reserve memory for so many more links."""
        needed = self._used + more
        if needed > self._values.shape[2]:
            shape = (*self._values.shape[:2], max(needed, 2 * self._used))
            values = np.empty(shape, dtype=np.float32)
            values[..., : self._used] = self._values[..., : self._used]
            self._values = values

    def add(self, links: NDArray[np.intp], power: NDArray[np.floating[Any]]) -> None:
        """Add samples (links, cells, blocks) of new links; call `reserve` before."""
        first, self._used = self._used, self._used + len(links)
        self._column[links] = np.arange(first, self._used)
        values = power.transpose(1, 2, 0)
        fits = values.shape == self._values.shape and values.dtype == np.float32
        if fits and values.flags.c_contiguous:
            self._values = values
        else:
            self._values[..., first : self._used] = values

    def of(self, links: NDArray[np.intp], within: int, count: int) -> NDArray[np.float32]:
        """Return (cells, blocks, links) of at most `count` cells from `within` on."""
        values, columns = self._values[within : within + count], self._column[links]
        if np.array_equal(columns, np.arange(values.shape[2])):
            return values
        # No index is out of range; mode="clip" spares NumPy the buffer that mode="raise" needs.
        return values.take(columns, axis=2, mode="clip")


class LazyFading:
    """Fading whose links are drawn when they are first asked for.

    Args:
        model: the law.
        stream: the random stream of each link; a new one, at its beginning, in every call.
        doppler: (links,) Hz.
    """

    def __init__(
        self,
        model: cm.Fading,
        stream: Callable[[int], np.random.Generator],
        doppler: NDArray[np.float64],
    ) -> None:
        self._age = 0.0
        self._model = model
        self._stream = stream
        self._doppler = doppler
        self._lock = Lock()
        self._processes: list[cm.FadingProcess] = []
        self._late: dict[int, GridFading] = {}
        self._asked: dict[int, int] = {}
        """The last sample that each process was asked for."""
        self._swept = [0]
        self._process = np.full(len(doppler), -1, dtype=np.intp)
        self._index = np.zeros(len(doppler), dtype=np.intp)

    def __repr__(self) -> str:
        known = int((self._process >= 0).sum())
        return f"LazyFading({known} of {len(self._doppler)} links drawn)"

    def delayed(self, age: float) -> "LazyFading":
        """Return the same fading as it was `age` s before; what is drawn serves both."""
        late = copy(self)
        late._age, late._late = age, {}
        return late

    def power_grid(
        self,
        first: int,
        count: int,
        step: float,
        offsets: NDArray[np.float64],
        links: NDArray[np.intp],
    ) -> NDArray[np.floating[Any]]:
        """Power at the midpoints of `count` grid cells from `first` on, (links, count, offsets)."""
        with self._lock:
            self._draw(np.unique(links[self._process[links] < 0]))
            numbers = np.unique(self._process[links])
            self._forget_old(numbers, first, count)
        if len(numbers) == 1:
            process = self._at_age(int(numbers[0]))
            return process.power_grid(first, count, step, offsets, self._index[links])
        power = np.empty((count, len(offsets), len(links)), dtype=np.float32).transpose(2, 0, 1)
        for number in numbers:
            here = self._process[links] == number
            power[here] = self._at_age(int(number)).power_grid(
                first, count, step, offsets, self._index[links[here]]
            )
        return power

    def _draw(self, links: NDArray[np.intp]) -> None:
        if links.size:
            streams = [self._stream(int(link)) for link in links]
            self._processes.append(self._model.realise(streams, self._doppler[links]))
            self._index[links] = np.arange(len(links))
            self._process[links] = len(self._processes) - 1

    def _forget_old(self, numbers: NDArray[np.intp], first: int, count: int) -> None:
        """Free what processes keep that have been off the air for some blocks of samples."""
        for number in numbers.tolist():
            self._asked[number] = first
        if first > self._swept[0]:
            self._swept[0] = first
            for number in [each for each, last in self._asked.items() if last + 4 * count < first]:
                forget = getattr(self._processes[number], "forget", None)
                if forget is not None:
                    forget()
                del self._asked[number]

    def _at_age(self, number: int) -> GridFading:
        if number not in self._late:
            self._late[number] = delayed(self._processes[number], self._age)
        return self._late[number]


def delayed(process: cm.FadingProcess, seconds: float) -> GridFading:
    """Return the fading as it was `seconds` earlier."""
    if not seconds:
        return process
    own: Callable[[float], GridFading] | None = getattr(process, "delayed", None)
    late: GridFading = cm.DelayedProcess(process, seconds) if own is None else own(seconds)
    return late
