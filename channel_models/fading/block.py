"""Block fading, a new independent channel every block of time, and no fading at all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from channel_models.elementary import cosine_and_sine, log
from channel_models.fading.counter import draw_key, uniforms
from channel_models.fading.process import ComplexArray, FunctionProcess, LinkIndices, check_doppler
from channel_models.fading.profiles import TappedFading
from channel_models.laws.power import ConstantPower
from channel_models.units import PositiveSeconds
from channel_models.validation import FloatArray


@dataclass(frozen=True, kw_only=True)
class Block(TappedFading):
    """Independent complex Gaussian taps, constant within blocks of ``duration`` (s).

    ``profile`` and ``delay_spread`` as in `Rayleigh`. Any block can be asked for, in any order. The
    Doppler shift is not used: choose a duration near the coherence time, ``0.423 / f_D``. A block
    must be much shorter than a transfer: with a single Rayleigh gain for a whole transfer the mean
    transfer time is infinite, as ``P(T > t)`` falls like 1/t.
    """

    duration: PositiveSeconds = 10e-3

    @property
    def sampling_step(self) -> float:
        """A quarter of a block, s: for most of it a scheduler knows the channel as it is."""
        return self.duration / 4.0

    def autocorrelation(self, lag: ArrayLike, doppler: ArrayLike = 0.0) -> Any:
        """``max(0, 1 - |lag| / duration)`` of the scattered part, at a random time."""
        tau = np.abs(np.asarray(lag, dtype=float))
        return np.maximum(0.0, 1.0 - tau / self.duration)[()]

    def realise(
        self, streams: Sequence[np.random.Generator], doppler: ArrayLike
    ) -> FunctionProcess:
        """Draw a key a stream; the taps of a block follow from key and block number."""
        profile = self.delay_profile
        links = check_doppler(doppler, streams).size
        keys = np.array([draw_key(stream) for stream in streams], dtype=np.uint64)

        def taps_at(time: FloatArray, chosen: LinkIndices) -> ComplexArray:
            block = np.floor(time / self.duration).astype(np.int64)
            numbers, inverse = np.unique(block, return_inverse=True)
            size = profile.delays.size
            uniform = uniforms(keys[chosen][:, None], numbers[None, :], 2 * size + 1)
            radius = np.sqrt(-profile.powers * log(uniform[..., :size]))
            cosine, sine = cosine_and_sine(uniform[..., size : 2 * size])
            taps = np.empty(radius.shape, dtype=np.complex128)
            taps.real, taps.imag = radius * cosine, radius * sine
            if profile.specular:
                cosine, sine = cosine_and_sine(uniform[..., -1])
                taps.real[..., 0] += np.sqrt(profile.specular) * cosine
                taps.imag[..., 0] += np.sqrt(profile.specular) * sine
            return taps[:, inverse]

        return FunctionProcess(links, profile.delays * self.delay_spread, taps_at)


@dataclass(frozen=True, kw_only=True)
class Static:
    """A channel without small-scale fading."""

    @property
    def law(self) -> ConstantPower:
        """The power is one."""
        return ConstantPower()

    def realise(
        self, streams: Sequence[np.random.Generator], doppler: ArrayLike
    ) -> FunctionProcess:
        """A gain of one for every stream; nothing is drawn."""
        return FunctionProcess(check_doppler(doppler, streams).size, np.zeros(1), _ones)


def _ones(time: FloatArray, links: LinkIndices) -> ComplexArray:
    return np.ones((links.size, time.size, 1), dtype=np.complex128)
