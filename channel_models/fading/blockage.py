"""Fading behind people and vehicles that pass by: blockage model A of 3GPP TR 38.901."""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from channel_models.elementary import arctan2, cosine_and_sine, log10, power_of_ten
from channel_models.fading.process import (
    ComplexArray,
    DelayedProcess,
    check_doppler,
    check_grid,
    grid_midpoints,
    select_links,
)
from channel_models.fading.profiles import delay_profile
from channel_models.fading.sum_of_sinusoids import SumOfSinusoids, draw_sinusoids
from channel_models.laws.power import EmpiricalPower, ExponentialPower
from channel_models.protocols import Fading, FadingProcess
from channel_models.units import MetresPerSecond, PositiveMetres, Radians
from channel_models.validation import FloatArray, check_positive_integer, validate_fields


class _Region(NamedTuple):
    """Angles in degrees that a blocker spans, its distance and the decorrelation distance in m."""

    width: tuple[float, float]
    height: tuple[float, float]
    distance: float
    apart: float


_REGIONS: Final = {
    "outdoor": _Region((5.0, 15.0), (5.0, 5.0), 10.0, 10.0),
    "indoor": _Region((15.0, 45.0), (5.0, 15.0), 2.0, 5.0),
}
"""Tables 7.6.4.1-2 and 7.6.4.1-4, as ns-3 and a transcription of ETSI TR 138 901 have them."""
_SINUSOIDS: Final = 32


def blockage_loss_db(
    azimuth: ArrayLike,
    elevation: ArrayLike,
    width: ArrayLike,
    height: ArrayLike,
    *,
    distance: float,
    wavelength: float,
) -> Any:
    """Loss in dB of one blocker, by knife edges at its four sides (section 7.6.4.1).

    ``-20 log10(1 - (F_A1 + F_A2)(F_Z1 + F_Z2))`` with ``F = +-arctan(pi/2 sqrt(pi r (1/cos A - 1) /
    lambda)) / pi`` and A the angle to a side, where the path is less than a width and a height away
    from the centre, and 0 elsewhere. Angles of the path from the centre, and those that the blocker
    spans, in degrees; r is ``distance`` in m.
    """
    across, up = np.abs(azimuth), np.abs(elevation)
    shadow = _edges(across, width, distance / wavelength) * _edges(
        up, height, distance / wavelength
    )
    behind = (across < np.asarray(width)) & (up < np.asarray(height))
    return np.where(behind, -20.0 * log10(1.0 - np.where(behind, shadow, 0.0)), 0.0)[()]


def _edges(angle: FloatArray, size: ArrayLike, waves: float) -> FloatArray:
    """Sum of F over two opposite sides; the near one counts negative beyond it."""
    half = np.asarray(size, dtype=float) / 2.0
    total = 0.0
    for away in (half - angle, half + angle):
        cosine = cosine_and_sine(np.minimum(np.abs(away), 89.0) / 360.0)[0]
        path = np.sqrt(np.pi * waves * np.maximum(1.0 / cosine - 1.0, 0.0))
        total = total + np.sign(away) * arctan2(np.pi / 2.0 * path, 1.0) / np.pi
    return np.asarray(total)


@dataclass(frozen=True, kw_only=True)
class Blocked:
    """``fading`` behind ``blockers`` at random azimuths, K = 4 in TR 38.901 section 7.6.4.1.

    Azimuths are uniform, the phases of Gaussian processes with correlation ``exp(-v t / d)``: v is
    the ``speed`` of blockers and terminal, d 10 m outdoors and 5 m indoors. Their spans are drawn
    once a link. The whole link is behind them, as if it were the direct path, which rises by
    ``elevation`` (rad) from the terminal. The mean power is below one. There is no self-blocking.
    """

    fading: Fading
    wavelength: PositiveMetres
    surroundings: Literal["outdoor", "indoor"] = "outdoor"
    blockers: int = 4
    speed: MetresPerSecond = 3 / 3.6
    elevation: Radians = 0.0

    def __post_init__(self) -> None:
        validate_fields(self)
        check_positive_integer("blockers", self.blockers)

    @property
    def _region(self) -> _Region:
        return _REGIONS[self.surroundings]

    def loss_db(self, azimuth: ArrayLike, width: ArrayLike, height: ArrayLike) -> Any:
        """Loss in dB of one blocker; see `blockage_loss_db`."""
        return blockage_loss_db(
            azimuth,
            np.rad2deg(self.elevation),
            width,
            height,
            distance=self._region.distance,
            wavelength=self.wavelength,
        )

    @cached_property
    def law(self) -> EmpiricalPower:
        """Law of the power, from 200 quantiles of the fading and of the loss each.

        The loss is that of independent blockers: its density is a convolution, in steps of 0.1 dB.
        """
        middle = (np.arange(16) + 0.5) / 16
        spans = [low + (high - low) * middle for low, high in self._region[:2]]
        widest = self._region.width[1]
        azimuth = widest * (np.arange(160) + 0.5) / 160
        loss = self.loss_db(azimuth[:, None, None], spans[0][:, None], spans[1])
        one = np.bincount(np.rint(10.0 * loss).astype(int).ravel()) / loss.size * widest / 180.0
        one[0] += 1.0 - widest / 180.0
        density = np.ones(1)
        for _ in range(self.blockers):
            density = np.convolve(density, one)
        chance = (np.arange(200) + 0.5) / 200
        behind = np.searchsorted(np.cumsum(density), chance * density.sum()) / 10.0
        law: Any = getattr(self.fading, "law", None) or ExponentialPower()
        return EmpiricalPower(np.outer(law.quantile(chance), power_of_ten(-behind / 10.0)))

    def realise(self, streams: Sequence[np.random.Generator], doppler: ArrayLike) -> FadingProcess:
        """Draw links: their fading first, then azimuths and spans of their blockers."""
        shifts = check_doppler(doppler, streams)
        fading = self.fading.realise(streams, shifts)
        each = [stream for stream in streams for _ in range(self.blockers)]
        rates = (self.speed + shifts * self.wavelength) / self._region.apart

        def lorentzian(rank: FloatArray, rate: float) -> FloatArray:
            cosine, sine = cosine_and_sine((rank - 0.5) / 2.0)
            return np.asarray(sine / cosine * rate / (2.0 * np.pi))

        centres = draw_sinusoids(
            delay_profile("flat"),
            0.0,
            _SINUSOIDS,
            each,
            np.repeat(rates, self.blockers),
            lorentzian,
            0.0,
        )
        spans = np.array([stream.uniform(*np.transpose(self._region[:2])) for stream in each])
        return _BlockedProcess(self, fading, centres, spans)


class _BlockedProcess:
    """A fading process times the power that passes the blockers of each link."""

    def __init__(
        self, law: Blocked, fading: FadingProcess, centres: SumOfSinusoids, spans: FloatArray
    ) -> None:
        self._law = law
        self._fading: Any = fading
        self._centres = centres
        self._spans = spans
        self._age = 0.0

    def __repr__(self) -> str:
        return f"{self._law!r} of {len(self._spans) // self._law.blockers} links"

    def passing(self, time: ArrayLike, links: ArrayLike | None = None) -> FloatArray:
        """Share of the power that passes the blockers, (links, *time.shape)."""
        count = self._law.blockers
        chosen = select_links(links, len(self._spans) // count)
        numbers = (chosen[:, None] * count + np.arange(count)).ravel()
        moments = np.asarray(time, dtype=float)
        taps = self._centres.taps(moments.ravel() - self._age, numbers)[..., 0]
        azimuth = np.rad2deg(arctan2(taps.imag, taps.real))
        width, height = self._spans[numbers].T[..., None]
        loss = self._law.loss_db(azimuth, width, height).reshape(chosen.size, count, -1).sum(axis=1)
        return np.asarray(power_of_ten(-loss / 10.0)).reshape(chosen.size, *moments.shape)

    def taps(self, time: ArrayLike, links: ArrayLike | None = None) -> ComplexArray:
        """Complex taps, shape (links, *time.shape, taps)."""
        amplitude = np.sqrt(self.passing(time, links))
        return np.asarray(self._fading.taps(time, links) * amplitude[..., None])

    def response(
        self, time: ArrayLike, offsets: ArrayLike, links: ArrayLike | None = None
    ) -> ComplexArray:
        """Response at ``offsets`` (Hz from the carrier), shape (links, *time.shape, F)."""
        amplitude = np.sqrt(self.passing(time, links))
        return np.asarray(self._fading.response(time, offsets, links) * amplitude[..., None])

    def power(self, time: ArrayLike, offsets: ArrayLike, links: ArrayLike | None = None) -> Any:
        """``|response|^2``, shape (links, *time.shape, F)."""
        return self._fading.power(time, offsets, links) * self.passing(time, links)[..., None]

    def power_grid(
        self,
        first: int,
        count: int,
        step: float,
        offsets: ArrayLike,
        links: ArrayLike | None = None,
    ) -> FloatArray:
        """`power` at the midpoints ``(first + i + 0.5) step``, shape (links, count, F)."""
        first, count, step = check_grid(first, count, step)
        passing = self.passing(grid_midpoints(first, count, step), links)[..., None]
        faded = self._fading.power_grid(first, count, step, offsets, links)
        return np.asarray(faded * passing.astype(faded.dtype))

    def forget(self) -> None:
        """Free what the fading keeps for the next call, if it keeps anything."""
        getattr(self._fading, "forget", lambda: None)()

    def delayed(self, seconds: float) -> "_BlockedProcess":
        """Return the same fading behind the same blockers, ``seconds`` earlier."""
        late = copy(self)
        own = getattr(self._fading, "delayed", None)
        late._fading = DelayedProcess(self._fading, seconds) if own is None else own(seconds)
        late._age = self._age + seconds
        return late
