"""Nakagami fading: a Rayleigh process whose power goes through the inverse of its law."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike

from channel_models.elementary import exp, log1p, rounded
from channel_models.fading.process import (
    ComplexArray,
    FunctionProcess,
    LinkIndices,
    squared_magnitude,
)
from channel_models.fading.rayleigh import Rayleigh, Sinusoids
from channel_models.laws.power import GammaPower
from channel_models.laws.rician import level_crossing_rate
from channel_models.units import Unit
from channel_models.validation import FloatArray, Validated, check_array


@dataclass(frozen=True, kw_only=True)
class Nakagami(Validated):
    """Nakagami fading with parameter ``m`` >= 1/2: power Gamma(m) of mean one.

    A Rayleigh process z(t) by sum of sinusoids keeps its phase, and its power goes through the
    inverse of the distribution (Beaulieu, Cheng 2005): ``|h|^2 = Q_m(1 - exp(-|z|^2))``. The law of
    the power is exact for every m (in the limit of many sinusoids); the autocorrelation is not J0
    and has no closed form here; level crossings are those of z at the matching level, exactly.
    """

    m: Annotated[float, Unit("1", minimum=0.5)] = 2.0
    sinusoids: Sinusoids = 32

    @property
    def law(self) -> GammaPower:
        """Law of the power."""
        return GammaPower(shape=self.m)

    def level_crossing_rate(self, level: ArrayLike, doppler: ArrayLike) -> Any:
        """Upward crossings a second of an amplitude ``level`` times the rms."""
        rho = check_array("level", level, minimum=0.0)
        matching = np.sqrt(-log1p(-np.asarray(self.law.cdf(rho**2))))
        return level_crossing_rate(matching, doppler)

    def average_fade_duration(self, level: ArrayLike, doppler: ArrayLike) -> Any:
        """Mean duration in s of a fade below an amplitude ``level`` times the rms."""
        rho = check_array("level", level, minimum=0.0, exclusive=True)
        return (np.asarray(self.law.cdf(rho**2)) / self.level_crossing_rate(rho, doppler))[()]

    def realise(
        self, streams: Sequence[np.random.Generator], doppler: ArrayLike
    ) -> FunctionProcess:
        """Draw the process of one link a stream; ``doppler`` in Hz, shape (links,)."""
        from scipy.special import gammainccinv

        scattered = Rayleigh(sinusoids=self.sinusoids).realise(streams, doppler)

        def taps_at(time: FloatArray, links: LinkIndices) -> ComplexArray:
            taps = scattered.taps(time, links)
            power = squared_magnitude(taps)
            target = rounded(gammainccinv(self.m, exp(-power))) / self.m
            return np.asarray(taps * np.sqrt(target / np.maximum(power, 1e-300)))

        return FunctionProcess(scattered.links, scattered.delays, taps_at)
