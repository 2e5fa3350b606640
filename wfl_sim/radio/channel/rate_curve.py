"""What a block carries at a mean SNR, on average over fading: a table, and its inverses."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

import channel_models as cm
from channel_models.elementary import LN2
from channel_models.validation import FloatArray
from wfl_sim.radio.channel.fading_average import mean_efficiency

_GRID_DB = np.arange(-2500, 6501) / 50.0


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


def rate_curve(rate: cm.RateMap, fading: cm.Fading) -> RateCurve:
    """Return the curve of a rate map, over the law of the fading's power, or else Rayleigh's."""
    hashed: Any = (rate, fading)
    try:
        return _cached(*hashed)
    except TypeError:  # a kind of a user's own that has no hash
        return _made(rate, fading)


def _made(rate: cm.RateMap, fading: cm.Fading) -> RateCurve:
    snr = np.asarray(cm.db_to_linear(_GRID_DB))
    mean = mean_efficiency(rate, fading, snr)
    return RateCurve(np.append(0.0, snr), np.maximum.accumulate(np.append(0.0, mean)))


_cached = lru_cache(maxsize=32)(_made)
