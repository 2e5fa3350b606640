"""The channel of one cell in one direction: power gains of all links on an absolute time grid.

The fading process is a pure function of time. It is sampled at the midpoints of grid cells
[k step, (k+1) step); inside a grid cell the gain is constant. Samples are made in blocks, for the
links that are on the air. They are short where many links are on the air, or the band is wide.
Where another core is free, a thread makes the next block once a quarter of the present one is used;
who needs the block before it is complete makes parts of it, too.
"""

from collections import deque
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import channel_models as cm
from channel_models.compiled import kernels
from channel_models.validation import FloatArray
from wfl_sim.radio.channel.lazy_fading import GridFading, LazyFading

_KEPT: Final = 2
_NARROW: Final = 64
"""Resource blocks up to which a block of samples is long: 65 kB a link."""
_LEAST: Final = 16
"""Cells of the time grid in the shortest block of samples; four times as many on few blocks."""
BLOCK_MEMORY: Final = 2**25
"""Bytes of a block of samples of all cells in one direction (wfl_sim's default)."""
_PLAN_MEMORY: Final = 2**24
"""Bytes of the samples that a plan asks for."""
_MANY: Final = 256
"""Links of one direction whose fading is forgotten when nobody is on the air."""
_LINKS_AT_ONCE: Final = 16
"""Links in one call of the fading, so that its result stays in the processor's cache."""
_WORTH_A_THREAD: Final = 2**17
"""Values of a block from which a thread is quicker than its beginning: a millisecond of work."""
_COMPILED_AT_ONCE: Final = 4096
"""Links in one call of compiled loops, which look after the cache themselves."""
_SHARED_AT_ONCE: Final = 32
"""The same where two threads share the work."""


class SampledChannel:
    """Power gains of `links` links on `blocks` resource blocks.

    Args:
        mean_gain: (links,) linear power gain of path loss and shadowing.
        fading: small-scale fading of the same links, of mean power one.
        offsets: (blocks,) Hz, centres of the resource blocks relative to the carrier.
        step: s, of the time grid.
        ahead: a thread that makes samples ahead; the fading then serves this channel alone.
        memory: bytes of a block of samples, unless it is as short as can be.
    """

    def __init__(
        self,
        mean_gain: FloatArray,
        fading: GridFading,
        offsets: FloatArray,
        step: float,
        ahead: Executor | None = None,
        memory: int = BLOCK_MEMORY,
    ) -> None:
        self.step = step
        self.mean_gain = mean_gain
        self._fading = fading
        self._offsets = offsets
        narrow = len(offsets) <= _NARROW
        self._longest, self._shortest = (
            (cm.GRID_BLOCK, 4 * _LEAST) if narrow else (cm.GRID_BLOCK // 4, _LEAST)
        )
        self._memory = memory
        self._cells = self._longest
        """Cells of the time grid in one block of samples."""
        self._samples: dict[int, _Samples] = {}
        self._free_blocks: list[_Samples] = []
        self._ahead = ahead
        self._pending: _Work | None = None

    def __repr__(self) -> str:
        return f"SampledChannel({len(self.mean_gain)} links, {len(self._offsets)} blocks)"

    def index(self, time: float) -> int:
        """Return the k of the grid cell that `time` lies in."""
        k = int(time // self.step)
        while (k + 1) * self.step <= time:
            k += 1
        return k

    def gain(self, links: NDArray[np.intp], first: int, count: int) -> FloatArray:
        """Return (count, blocks, m) power gains of the links in grid cells from `first` on."""
        return self.fading(links, first, count) * self.mean_gain[links]

    def fading(self, links: NDArray[np.intp], first: int, count: int) -> NDArray[np.float32]:
        """Return (count, blocks, m) fading, without the large-scale gains; do not write into it."""
        self._size_blocks(len(links))
        pieces = []
        for number in [each for each in self._samples if each < first // self._cells]:
            # Time goes on: the memory of what is over serves the next block.
            self._free_blocks = [self._samples.pop(number)]
        while count > 0:
            number, within = divmod(first, self._cells)
            piece = self._block(number, links).of(links, within, count)
            # The memory of a block may serve the block after the next.
            pieces.append(piece.copy() if len(piece) < count else piece)
            if self._ahead is not None and within + len(pieces[-1]) > self._cells // 4:
                self._read_ahead(number + 1, links)
            first += len(pieces[-1])
            count -= len(pieces[-1])
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def most_steps(self, links: int) -> int:
        """Return how many samples of so many links are to be asked for at once."""
        return max(1, _PLAN_MEMORY // (4 * len(self._offsets) * max(links, 1)))

    def forget(self) -> None:
        """Free the memory of what many links had on the air; it comes back the same."""
        if any(samples.links > _MANY for samples in self._samples.values()):
            self._clear()
        if isinstance(self._fading, LazyFading):
            self._fading.forget_many(_MANY)

    def _size_blocks(self, links: int) -> None:
        """Make blocks shorter, or a good deal longer, to keep to the memory."""
        shorter = self._fitting(links)
        if self._cells <= shorter < 4 * self._cells:
            return
        # Who asks for few links between two who ask for many must not cost them their samples.
        held = max((samples.links for samples in self._samples.values()), default=0)
        longer = self._fitting(max(links, held))
        if shorter < self._cells or longer >= 4 * self._cells:
            self._clear()
            self._cells = longer

    def _fitting(self, links: int) -> int:
        """Return the cells of a block of so many links: a power of two."""
        most = self._memory // (4 * len(self._offsets) * max(links, 1))
        power_of_two = 1 << (max(most, 1).bit_length() - 1)
        return min(max(power_of_two, self._shortest), self._longest)

    def _clear(self) -> None:
        self._await_pending()
        self._samples.clear()
        self._free_blocks.clear()

    def _block(self, number: int, links: NDArray[np.intp]) -> "_Samples":
        samples = self._samples.get(number)
        if samples is not None and not samples.missing(links).size:
            return samples
        self._await_pending()
        if number not in self._samples:
            self._drop_oldest()
            self._samples[number] = self._empty_block()
        self._finish(self._begin(self._samples[number], number, links))
        return self._samples[number]

    def _begin(self, samples: "_Samples", number: int, links: NDArray[np.intp]) -> "_Work":
        """Begin to make the missing links of a block, by a thread where that is worth it."""
        missing = samples.missing(links)
        if isinstance(self._fading, LazyFading):
            self._fading.draw(missing)  # in one lot, before they are cut into parts
        at_once = _COMPILED_AT_ONCE if self._ahead is None else _SHARED_AT_ONCE
        if kernels() is None:
            at_once = _LINKS_AT_ONCE
        work = _Work(number, samples, deque(samples.extend(missing, at_once)))
        values = len(missing) * self._cells * len(self._offsets)
        if self._ahead is not None and values >= _WORTH_A_THREAD:
            work.thread = self._ahead.submit(self._make, work)
        return work

    def _make(self, work: "_Work") -> None:
        """Make the parts of a block that nobody else makes."""
        grid = work.number * self._cells, self._cells, self.step, self._offsets
        while True:
            try:
                first, links = work.parts.popleft()
            except IndexError:
                return
            work.samples.write(first, self._fading.power_grid(*grid, links))

    def _finish(self, work: "_Work") -> None:
        """Make the parts that are left, and wait for those that a thread makes."""
        self._make(work)
        if work.thread is not None and not work.thread.cancel():
            work.thread.result()

    def _read_ahead(self, number: int, links: NDArray[np.intp]) -> None:
        """Begin a block for the links on the air now, unless one is pending or there."""
        worth = len(links) * self._cells * len(self._offsets) >= _WORTH_A_THREAD
        if worth and self._pending is None and number not in self._samples:
            self._pending = self._begin(self._empty_block(), number, links)

    def _await_pending(self) -> None:
        """Finish the pending block, and keep it."""
        if self._pending is not None:
            work, self._pending = self._pending, None
            self._finish(work)
            self._drop_oldest()
            self._samples[work.number] = work.samples

    def _drop_oldest(self) -> None:
        """Free the oldest block if the limit is reached."""
        if len(self._samples) == _KEPT:
            self._free_blocks = [self._samples.pop(min(self._samples))]

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
        self._added: list[NDArray[np.intp]] = []
        self._used = 0

    @property
    def links(self) -> int:
        """Number of links that have samples."""
        return self._used

    def clear(self) -> None:
        """Forget all links."""
        for links in self._added:
            self._column[links] = -1
        self._added.clear()
        self._used = 0

    def missing(self, links: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the links that have no samples yet."""
        new = links[self._column[links] < 0]
        return np.unique(new) if new.size else new

    def extend(self, links: NDArray[np.intp], at_once: int) -> list["_Part"]:
        """Give new links columns, and return them in parts of so many, to `write` in any order."""
        first, self._used = self._used, self._used + len(links)
        columns = self._values.shape[2]
        # What is made for few links alone is then taken as it is.
        alone = not first and columns <= _LINKS_AT_ONCE and self._used != columns
        if self._used > columns or alone:
            room = self._used if alone else max(self._used, 2 * first, _LINKS_AT_ONCE)
            values = np.empty((*self._values.shape[:2], room), dtype=np.float32)
            values[..., :first] = self._values[..., :first]
            self._values = values
        self._column[links] = np.arange(first, self._used)
        self._added.append(links)
        return [(first + k, links[k : k + at_once]) for k in range(0, len(links), at_once)]

    def write(self, first: int, power: NDArray[np.floating[Any]]) -> None:
        """Write samples (links, cells, blocks) of the links whose columns begin at `first`."""
        values = power.transpose(1, 2, 0)
        fits = values.shape == self._values.shape and values.dtype == np.float32
        if fits and values.flags.c_contiguous:
            self._values = values
        else:
            self._values[..., first : first + len(power)] = values

    def of(self, links: NDArray[np.intp], within: int, count: int) -> NDArray[np.float32]:
        """Return (cells, blocks, links) of at most `count` cells from `within` on."""
        values, columns = self._values[within : within + count], self._column[links]
        if len(columns) == values.shape[2] and (np.diff(columns, prepend=-1) == 1).all():
            return values
        # No index is out of range; mode="clip" spares NumPy the buffer that mode="raise" needs.
        return values.take(columns, axis=2, mode="clip")


_Part = tuple[int, NDArray[np.intp]]
"""The first column of some links, and the links."""


@dataclass
class _Work:
    """A block of samples in the making; whoever makes a part takes it out."""

    number: int
    samples: _Samples
    parts: deque[_Part]
    thread: Future[None] | None = None
