"""Rate maps averaged over fading: what a block carries at a mean SNR, and the SNRs that follow."""

from functools import cache, lru_cache
from typing import Any, Final

import numpy as np

import channel_models as cm
from channel_models.elementary import cubed, exp, expm1, rounded
from channel_models.validation import FloatArray
from wfl_sim.config.answers import AnswerError, numbers

_GRID: Final = np.asarray(cm.db_to_linear(np.arange(-300, 401) / 10.0))
_NOTHING: Final = 1e-4
"""bit/s/Hz: on a block of 360 kHz less than 36 bit/s."""


@cache
def _quadrature() -> tuple[FloatArray, FloatArray]:
    """-ln of the probability of more, (192,), and weights.

    They are dense near zero, where a logarithm has its pole, and many, since rate maps have floors
    (3 % beside one of Shannon's formula at -10 dB).
    """
    # What LAPACK and the C library leave unlike from processor to processor is rounded away.
    nodes, weights = map(rounded, np.polynomial.legendre.leggauss(192))
    tail = 30.0 * cubed((1 + nodes) / 2)
    weight = weights * (1 + nodes) ** 2 * exp(-tail)
    return tail, weight / weight.sum()


def mean_efficiency(rate: cm.RateMap, fading: cm.Fading, snr: FloatArray) -> FloatArray:
    """bit/s/Hz at linear mean SNRs (n,), over the law of the fading's power, or else Rayleigh's."""
    law: Any = getattr(fading, "law", None) or cm.ExponentialPower()
    tail, weight = _quadrature()
    power = rounded(law.quantile(-expm1(-tail)))
    if power.min() == power.max():
        power, weight = power[:1], np.ones(1)
    mean = np.zeros(len(snr))
    for each, share in zip(power.tolist(), weight.tolist(), strict=True):
        mean += share * np.asarray(rate.spectral_efficiency(snr * each), dtype=float)
    return mean


def best_snr(rate: cm.RateMap, fading: cm.Fading) -> float:
    """Linear mean SNR at which a block carries the most for its power.

    It is 0 where more blocks at less power each always carry more, as with Shannon's formula; rate
    maps whose lowest scheme needs some SNR have one.
    """
    worth = _over_grid(rate, fading) / _GRID
    best = int(worth.argmax())
    return float(_GRID[best]) if worth[best] > worth[0] * (1 + 1e-6) else 0.0


def least_snr(rate: cm.RateMap, fading: cm.Fading) -> float:
    """Linear mean SNR below which a block carries nothing, on a grid of 0.1 dB; 0 without one."""
    carries = _over_grid(rate, fading) > _NOTHING
    if carries[0]:
        return 0.0
    return float(_GRID[carries.argmax()]) if carries.any() else np.inf


def _over_grid(rate: cm.RateMap, fading: cm.Fading) -> FloatArray:
    hashed: Any = (rate, fading)
    try:
        return _cached(*hashed)
    except TypeError:  # a kind of a user's own that has no hash
        return _averaged(rate, fading)


def _averaged(rate: cm.RateMap, fading: cm.Fading) -> FloatArray:
    said = rate.spectral_efficiency(_GRID)
    numbers(rate, "spectral_efficiency", said, _GRID.shape, least=0, broadcast=False)
    if not isinstance(said, np.ndarray):
        raise AnswerError.of(rate, "spectral_efficiency", "an array of NumPy", said)
    return mean_efficiency(rate, fading, _GRID)


_cached = lru_cache(maxsize=32)(_averaged)
