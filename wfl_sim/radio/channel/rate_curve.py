"""Rate maps averaged over fading: what a block carries at a mean SNR, and what follows from it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from typing import Any, Final, TypeVar

import numpy as np

import channel_models as cm
from channel_models.elementary import LN2, cubed, exp, expm1, rounded
from channel_models.validation import FloatArray
from wfl_sim.config.answers import AnswerError, numbers

_GRID: Final = np.asarray(cm.db_to_linear(np.arange(-300, 401) / 10.0))
_CURVE_DB: Final = np.arange(-2500, 6501) / 50.0
_NOTHING: Final = 1e-4
"""bit/s/Hz: on a block of 360 kHz less than 36 bit/s."""
T = TypeVar("T")
Averaged = Callable[[cm.RateMap, cm.Fading], T]


def _kept(average: Averaged[T]) -> Averaged[T]:
    """Keep the last 32 results, but of kinds of a user's own that have no hash."""
    cached: Callable[..., T] = lru_cache(maxsize=32)(average)

    def found(rate: cm.RateMap, fading: cm.Fading) -> T:
        try:
            return cached(rate, fading)
        except TypeError:
            return average(rate, fading)

    return found


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


@_kept
def _over_grid(rate: cm.RateMap, fading: cm.Fading) -> FloatArray:
    said = rate.spectral_efficiency(_GRID)
    numbers(rate, "spectral_efficiency", said, _GRID.shape, least=0, broadcast=False)
    if not isinstance(said, np.ndarray):
        raise AnswerError.of(rate, "spectral_efficiency", "an array of NumPy", said)
    return mean_efficiency(rate, fading, _GRID)


@dataclass(frozen=True, eq=False)
class RateCurve:
    """bit/s/Hz psi(s) at linear mean SNR s, from -50 to 130 dB in steps of 0.02 dB.

    A transfer whose SNR on bandwidth b is G / b carries ``b psi(G / b)``. That this rises with b is
    imposed: where a rate map has a floor, no more bandwidth counts than carries the most.
    """

    snr: FloatArray
    """(k,) ascending from 0."""
    efficiency: FloatArray
    """(k,) not falling."""

    def __call__(self, snr: FloatArray) -> FloatArray:
        """bit/s/Hz at linear mean SNRs."""
        return np.asarray(np.interp(snr, self.snr, self.efficiency))

    def snr_for(self, efficiency: FloatArray) -> FloatArray:
        """Linear mean SNR that carries so many bit/s/Hz; infinite where none does."""
        known, snr = self._inverse
        return np.asarray(np.interp(efficiency, known, snr, right=np.inf))

    def bandwidth(self, rate: FloatArray, reach: FloatArray) -> FloatArray:
        """Hz over which power of `reach` G carries a rate in bit/s; infinite where none does."""
        return np.asarray(reach * np.interp(rate / reach, *self._widths, right=np.inf))

    @property
    def margin(self) -> float:
        """SNR of Shannon's formula for each SNR, where a block carries the most for its power."""
        return float(self._widths[0][-1] * LN2)

    def cost_at(self, snr: FloatArray) -> FloatArray:
        """``c(s) = psi / psi' - s``, which rises: what more bandwidth saves, in units of SNR."""
        return np.asarray(np.interp(snr, self.snr, self._costs[0]))

    def snr_at_cost(self, cost: FloatArray) -> FloatArray:
        """SNR s with a given ``c(s)``."""
        return np.asarray(np.interp(cost, self._costs[0], self.snr))

    def snr_at_price(self, price: FloatArray) -> FloatArray:
        """SNR s with a given ``c(s)^2 / psi(s)``."""
        return np.asarray(np.interp(price, self._costs[1], self.snr))

    def snr_at_full_price(self, price: FloatArray) -> FloatArray:
        """SNR s with a given ``s^2 c / (psi (c + s))``."""
        return np.asarray(np.interp(price, self._costs[2], self.snr))

    @cached_property
    def _costs(self) -> list[FloatArray]:
        psi, snr = self.efficiency, self.snr
        with np.errstate(all="ignore"):
            cost = np.maximum(psi / np.gradient(psi, snr) - snr, 0.0)
            tables = (cost, cost**2 / psi, snr**2 * cost / (psi * (cost + snr)))
        return [np.maximum.accumulate(np.where(np.isfinite(table), table, 0.0)) for table in tables]

    @cached_property
    def _inverse(self) -> tuple[FloatArray, FloatArray]:
        rises = np.append(True, np.diff(np.maximum.accumulate(self.efficiency)) > 0)
        return self.efficiency[rises], self.snr[rises]

    @cached_property
    def _widths(self) -> tuple[FloatArray, FloatArray]:
        """Rate for each reach, ascending from 0, and the bandwidth for each reach."""
        snr = self.snr[:0:-1]
        per_reach = self.efficiency[:0:-1] / snr
        rises = np.append(per_reach[0] > 0, np.diff(np.maximum.accumulate(per_reach)) > 0)
        return np.append(0.0, per_reach[rises]), np.append(0.0, 1 / snr[rises])


@_kept
def rate_curve(rate: cm.RateMap, fading: cm.Fading) -> RateCurve:
    """Return the curve of a rate map, over the law of the fading's power, or else Rayleigh's."""
    snr = np.asarray(cm.db_to_linear(_CURVE_DB))
    mean = mean_efficiency(rate, fading, snr)
    return RateCurve(np.append(0.0, snr), np.maximum.accumulate(np.append(0.0, mean)))
