"""Small-scale fading of links: drawn when they are first on the air, and as it is estimated."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from threading import Lock
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

import channel_models as cm
from channel_models.elementary import cosine_and_sine, log
from channel_models.fading.counter import draw_key, uniforms
from channel_models.validation import FloatArray
from wfl_sim.config.answers import AnswerError
from wfl_sim.config.plugin_code import code_of

KEPT_LINKS: Final = 2048
"""Links whose processes keep about 0.1 MB each, in one direction, so that samples are made faster
(wfl_sim's default)."""


class GridFading(Protocol):
    """Small-scale fading on a time grid: what `channel_models.FadingProcess` has, and more."""

    def power_grid(
        self,
        first: int,
        count: int,
        step: float,
        offsets: FloatArray,
        links: NDArray[np.intp],
    ) -> NDArray[np.floating[Any]]:
        """Power of mean one at the midpoints of grid cells, (links, count, offsets)."""


class LazyFading:
    """Fading whose links are drawn when they are first asked for.

    Args:
        models: the law, or the laws without and with line of sight.
        stream: the random stream of each link; a new one, at its beginning, in every call.
        doppler: (links,) Hz.
        sight: (links,) whether each has line of sight; none has unless given.
        kept: links on the air for which processes keep what they need again; for more they keep
            nothing.
    """

    def __init__(
        self,
        models: cm.Fading | tuple[cm.Fading, cm.Fading],
        stream: Callable[[int], np.random.Generator],
        doppler: FloatArray,
        sight: NDArray[np.bool_] | None = None,
        kept: int = KEPT_LINKS,
    ) -> None:
        self._age = 0.0
        self._kept = kept
        self._models = models if isinstance(models, tuple) else (models, models)
        both = self._models[0] is not self._models[1] and sight is not None
        self._sight = sight if both else None
        self._stream = stream
        self._doppler = doppler
        self._lock = Lock()
        # Code of users need not expect two threads at once.
        self._alone: AbstractContextManager[Any] = (
            Lock() if code_of(*self._models) else nullcontext()
        )
        self._processes: list[cm.FadingProcess] = []
        self._laws: list[cm.Fading] = []
        """Of each process, what it was drawn from."""
        self._sizes: list[int] = []
        self._late: dict[int, GridFading] = {}
        self._asked: dict[int, int] = {}
        """The last sample that each process was asked for."""
        self._swept = [0]
        """The newest sample at which what is old was forgotten, also by delayed copies."""
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
        offsets: FloatArray,
        links: NDArray[np.intp],
    ) -> NDArray[np.floating[Any]]:
        """Power at the midpoints of `count` grid cells from `first` on, (links, count, offsets)."""
        with self._lock:
            self._draw(links)
            numbers = np.unique(self._process[links])
            self._forget_old(numbers, first)
        grid = first, count, step, offsets
        power: NDArray[np.floating[Any]]
        if len(numbers) == 1:
            # In single precision however links are grouped: estimates are made from these values.
            power = self._power(int(numbers[0]), *grid, links).astype(np.float32, copy=False)
        else:
            power = np.empty((count, len(offsets), len(links)), dtype=np.float32).transpose(2, 0, 1)
            for number in numbers:
                here = self._process[links] == number
                power[here] = self._power(int(number), *grid, links[here])
        self.forget_many(self._kept)
        return power

    def _power(
        self,
        number: int,
        first: int,
        count: int,
        step: float,
        offsets: FloatArray,
        links: NDArray[np.intp],
    ) -> NDArray[np.floating[Any]]:
        """Return the samples of one process, which must be powers."""
        with self._alone:
            fading = self._at_age(number)
            power = fading.power_grid(first, count, step, offsets, self._index[links])
        shape = len(links), count, len(offsets)
        if getattr(power, "shape", None) != shape or not power.min() >= 0:
            what = f"powers of shape {shape} (links, cells, offsets)"
            raise AnswerError.of(self._laws[number], "realise(...).power_grid", what, power)
        return power

    def forget_many(self, links: int) -> None:
        """Free what processes keep, if they are of more than so many links."""
        with self._lock:
            if sum(self._sizes[number] for number in self._asked) > links:
                self._free(list(self._asked))

    def _free(self, numbers: list[int]) -> None:
        for number in numbers:
            forget = getattr(self._processes[number], "forget", None)
            if forget is not None:
                forget()
            del self._asked[number]

    def draw(self, links: NDArray[np.intp]) -> None:
        """Draw links together: what is asked of one lot is computed at once."""
        with self._lock:
            self._draw(links)

    def _draw(self, links: NDArray[np.intp]) -> None:
        links = np.unique(links[self._process[links] < 0])
        for with_sight in (False, True):
            if self._sight is None:
                chosen = links[: 0 if with_sight else None]
            else:
                chosen = links[self._sight[links] == with_sight]
            self._realise(self._models[with_sight], chosen)

    def _realise(self, model: cm.Fading, links: NDArray[np.intp]) -> None:
        if links.size:
            streams = [self._stream(int(link)) for link in links]
            self._sizes.append(len(links))
            own = getattr(model, "of_links", None)
            drawn = model.realise(streams, self._doppler[links]) if own is None else own(links)
            if not hasattr(drawn, "power_grid"):
                raise AnswerError.of(model, "realise", "a FadingProcess", drawn)
            self._processes.append(drawn)
            self._laws.append(model)
            self._index[links] = np.arange(len(links))
            self._process[links] = len(self._processes) - 1

    def _forget_old(self, numbers: NDArray[np.intp], first: int) -> None:
        """Free what processes keep that have been off the air for some blocks of samples."""
        for number in numbers.tolist():
            self._asked[number] = first
        if first > self._swept[0]:
            self._swept[0] = first
            age = 4 * cm.GRID_BLOCK
            self._free([each for each, last in self._asked.items() if last + age < first])

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


class EstimatedFading:
    """Fading as estimated with mean square error e, independently on every resource block.

    ``h^ = sqrt(1 - e) h + sqrt(e) n`` with n complex normal of power one, independent of h and from
    sample to sample (Yoo and Goldsmith, Capacity and power allocation for fading MIMO channels with
    channel estimation error, 2006). Given the true power g, that of h^ has mean ``(1 - e) g + e``
    and variance ``e^2 + 2 e (1 - e) g``; under Rayleigh fading it is exponential with mean one, and
    correlated with g by 1 - e.

    Args:
        fading: the true fading.
        error: mean square error of the estimate, as a share of the mean power.
        stream: the stream of each link's errors; a new one, at its beginning, in every call.
        links: number of links.
    """

    def __init__(
        self,
        fading: GridFading,
        error: float,
        stream: Callable[[int], np.random.Generator],
        links: int,
    ) -> None:
        self._fading = fading
        self._error = error
        self._stream = stream
        self._keys = np.zeros(links, dtype=np.uint64)
        self._drawn = np.zeros(links, dtype=bool)

    def __repr__(self) -> str:
        return f"EstimatedFading({self._fading!r}, error {self._error:g})"

    def power_grid(
        self,
        first: int,
        count: int,
        step: float,
        offsets: FloatArray,
        links: NDArray[np.intp],
    ) -> NDArray[np.floating[Any]]:
        """Power of the estimates at the midpoints of grid cells, (links, count, offsets)."""
        for link in links[~self._drawn[links]]:
            self._keys[link] = draw_key(self._stream(int(link)))
            self._drawn[link] = True
        cells = np.arange(first, first + count, dtype=np.int64)
        numbers = uniforms(self._keys[links][:, None], cells[None], 2 * len(offsets))
        radius, turn = np.split(numbers, 2, axis=-1)
        size, (cosine, sine) = np.sqrt(-self._error * log(radius)), cosine_and_sine(turn)
        true = self._fading.power_grid(first, count, step, offsets, links)
        # The phase of h does not matter: that of n is uniform.
        real, imaginary = np.sqrt((1 - self._error) * true) + size * cosine, size * sine
        return np.asarray(real**2 + imaginary**2)
