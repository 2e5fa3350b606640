"""No fading: the gain is one at all times and frequencies."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from channel_models.fading.links import check_doppler, check_grid, select_links
from channel_models.fading.response import ComplexArray, check_offsets
from channel_models.validation import FloatArray, check_finite


class Constant:
    """A process whose taps are one, for several links."""

    def __init__(self, links: int) -> None:
        self.links = links
        self.delays = np.zeros(1)

    def __repr__(self) -> str:
        return f"Constant(links={self.links})"

    def taps(self, time: ArrayLike, links: ArrayLike | None = None) -> ComplexArray:
        """Ones of shape (links, *time.shape, 1)."""
        shape = check_finite("time", time).shape
        return np.ones((select_links(links, self.links).size, *shape, 1), dtype=np.complex128)

    def response(
        self, time: ArrayLike, offsets: ArrayLike, links: ArrayLike | None = None
    ) -> ComplexArray:
        """Ones of shape (links, *time.shape, F)."""
        return np.repeat(self.taps(time, links), check_offsets(offsets).size, axis=-1)

    def power(self, time: ArrayLike, offsets: ArrayLike, links: ArrayLike | None = None) -> Any:
        """Ones of shape (links, *time.shape, F)."""
        return self.response(time, offsets, links).real

    def power_grid(
        self,
        first: int,
        count: int,
        step: float,
        offsets: ArrayLike,
        links: ArrayLike | None = None,
    ) -> FloatArray:
        """Ones of shape (links, count, F)."""
        _, count, _ = check_grid(first, count, step)
        chosen = select_links(links, self.links)
        return np.ones((chosen.size, count, check_offsets(offsets).size))


@dataclass(frozen=True, kw_only=True)
class Static:
    """A channel without small-scale fading."""

    def realise(self, streams: Sequence[np.random.Generator], doppler: ArrayLike) -> Constant:
        """A gain of one for every stream; nothing is drawn."""
        return Constant(check_doppler(doppler, streams).size)
