"""Rate maps averaged over fading: what a block carries at a mean SNR, and the SNRs that follow."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import channel_models as cm

_GRID_DB: Final = np.arange(-300, 401) / 10.0
_TAIL: Final = (np.arange(128) + 0.5) / 8
"""-ln of the probability of more: peaks count where a rate map has a floor."""
_WEIGHT: Final = np.exp(-_TAIL) / np.exp(-_TAIL).sum()
_NOTHING: Final = 1e-4
"""bit/s/Hz: on a block of 360 kHz less than 36 bit/s."""


def mean_efficiency(rate: cm.RateMap, fading: cm.Fading, snr: Any) -> NDArray[np.float64]:
    """bit/s/Hz at linear mean SNRs, over the law of the fading's power, or else Rayleigh's."""
    law: Any = getattr(fading, "law", None) or cm.ExponentialPower()
    power = np.asarray(law.quantile(-np.expm1(-_TAIL)), dtype=float)
    return np.asarray(rate.spectral_efficiency(np.multiply.outer(snr, power)) @ _WEIGHT)


def best_snr(rate: cm.RateMap, fading: cm.Fading) -> float:
    """Linear mean SNR at which a block carries the most for its power.

    It is 0 where more blocks at less power each always carry more, as with Shannon's formula; rate
    maps whose lowest scheme needs some SNR have one.
    """
    snr = np.asarray(cm.db_to_linear(_GRID_DB))
    worth = mean_efficiency(rate, fading, snr) / snr
    best = int(worth.argmax())
    return float(snr[best]) if worth[best] > worth[0] * (1 + 1e-6) else 0.0


def least_snr(rate: cm.RateMap, fading: cm.Fading) -> float:
    """Linear mean SNR below which a block carries nothing, on a grid of 0.1 dB; 0 without one."""
    snr = np.asarray(cm.db_to_linear(_GRID_DB))
    carries = mean_efficiency(rate, fading, snr) > _NOTHING
    if carries[0]:
        return 0.0
    return float(snr[carries.argmax()]) if carries.any() else np.inf
