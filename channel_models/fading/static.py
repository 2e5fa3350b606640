"""No fading: the gain is one at all times and frequencies."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from channel_models.fading.links import LinkIndices, check_doppler
from channel_models.fading.response import ComplexArray
from channel_models.fading.tap_function import TapFunction
from channel_models.laws import ConstantPower
from channel_models.validation import FloatArray


@dataclass(frozen=True, kw_only=True)
class Static:
    """A channel without small-scale fading."""

    @property
    def law(self) -> ConstantPower:
        """The power is one."""
        return ConstantPower()

    def realise(self, streams: Sequence[np.random.Generator], doppler: ArrayLike) -> TapFunction:
        """A gain of one for every stream; nothing is drawn."""
        return TapFunction(check_doppler(doppler, streams).size, np.zeros(1), _ones)


def _ones(time: FloatArray, links: LinkIndices) -> ComplexArray:
    return np.ones((links.size, time.size, 1), dtype=np.complex128)
