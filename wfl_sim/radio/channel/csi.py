"""Channel state information with estimation errors."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from channel_models.elementary import cosine_and_sine, log
from channel_models.fading.counter import draw_key, uniforms
from channel_models.validation import FloatArray
from wfl_sim.radio.channel.lazy_fading import GridFading


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
