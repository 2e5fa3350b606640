"""Fading behind people and vehicles that pass by: blockage model A of 3GPP TR 38.901."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from channel_models.elementary import arctan2, cosine_and_sine, log10
from channel_models.fading.blocked_process import BlockedProcess, knife_edge, law_behind
from channel_models.fading.process import check_doppler
from channel_models.fading.profiles import delay_profile
from channel_models.fading.sum_of_sinusoids import SumOfSinusoids, draw_sinusoids
from channel_models.laws.power import EmpiricalPower
from channel_models.protocols import Fading, FadingProcess
from channel_models.units import Elevation, MetresPerSecond, PositiveMetres
from channel_models.validation import FloatArray, PositiveInteger, Validated


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
_OWN: Final = {"portrait": (120.0, 100.0, 80.0), "landscape": (160.0, 110.0, 75.0)}
"""Width, centre in zenith and height in degrees of the own body's region (table 7.6.4.1-1)."""
_OWN_LOSS: Final = 30.0
"""dB behind the own body."""
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
    total = np.zeros(())
    for away in (half - angle, half + angle):
        cosine = cosine_and_sine(np.minimum(np.abs(away), 89.0) / 360.0)[0]
        total = total + knife_edge(waves * np.maximum(1.0 / cosine - 1.0, 0.0), away)
    return np.asarray(total)


@dataclass(frozen=True, kw_only=True)
class Blocked(Validated):
    """``fading`` behind ``blockers`` at random azimuths, K = 4 in TR 38.901 section 7.6.4.1.

    Azimuths are uniform, the phases of Gaussian processes with correlation ``exp(-v t / d)``: v is
    the ``speed`` of blockers and terminal, d 10 m outdoors and 5 m indoors. Their spans are drawn
    once a link. The whole link is behind them, as if it were the direct path, which rises by
    ``elevation`` (rad) from the terminal. With ``self_blocking`` a terminal is held upright or
    across, and links in the direction of the body, a uniform one, lose 30 dB for good. The mean
    power is below one.
    """

    fading: Fading
    wavelength: PositiveMetres
    surroundings: Literal["outdoor", "indoor"] = "outdoor"
    blockers: PositiveInteger = 4
    speed: MetresPerSecond = 3 / 3.6
    elevation: Elevation = 0.0
    self_blocking: Literal["portrait", "landscape"] | None = None

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

    @property
    def own_share(self) -> float:
        """Share of the links that are behind the terminal's own body."""
        if self.self_blocking is None:
            return 0.0
        width, centre, height = _OWN[self.self_blocking]
        zenith = 90.0 - np.rad2deg(self.elevation)
        return width / 360.0 if abs(zenith - centre) < height / 2.0 else 0.0

    @cached_property
    def law(self) -> EmpiricalPower:
        """Law of the power; see `law_behind`."""
        middle = (np.arange(16) + 0.5) / 16
        spans = [low + (high - low) * middle for low, high in self._region[:2]]
        widest = self._region.width[1]
        azimuth = widest * (np.arange(160) + 0.5) / 160
        loss = self.loss_db(azimuth[:, None, None], spans[0][:, None], spans[1])
        own = np.zeros(int(10.0 * _OWN_LOSS) + 1)
        own[[0, -1]] = 1.0 - self.own_share, self.own_share
        return law_behind(self.fading, loss, widest / 180.0, self.blockers, own)

    def realise(self, streams: Sequence[np.random.Generator], doppler: ArrayLike) -> FadingProcess:
        """Draw links: their fading first, then azimuths and spans of their blockers."""
        shifts = check_doppler(doppler, streams)
        fading = self.fading.realise(streams, shifts)
        each = [stream for stream in streams for _ in range(self.blockers)]
        centres = self._centres(each, np.repeat(shifts, self.blockers))
        spans = np.array([stream.uniform(*np.transpose(self._region[:2])) for stream in each])
        own = np.zeros(len(streams))
        if self.own_share:
            turned = np.array([stream.uniform() for stream in streams])
            own = np.where(turned < self.own_share, _OWN_LOSS, 0.0)

        def loss(moments: FloatArray, links: NDArray[np.intp]) -> FloatArray:
            numbers = (links[:, None] * self.blockers + np.arange(self.blockers)).ravel()
            taps = centres.taps(moments, numbers)[..., 0]
            azimuth = np.rad2deg(arctan2(taps.imag, taps.real))
            width, height = spans[numbers].T[..., None]
            found = self.loss_db(azimuth, width, height)
            total = found.reshape(links.size, self.blockers, -1).sum(axis=1)
            return np.asarray(total + own[links, None])

        return BlockedProcess(self, fading, loss, len(streams))

    def _centres(
        self, streams: Sequence[np.random.Generator], shifts: FloatArray
    ) -> SumOfSinusoids:
        """Draw Gaussian processes whose phases are the azimuths of blockers."""

        def lorentzian(rank: FloatArray, rate: FloatArray) -> FloatArray:
            cosine, sine = cosine_and_sine((rank - 0.5) / 2.0)
            return np.asarray(sine / cosine * rate / (2.0 * np.pi))

        rates = (self.speed + shifts * self.wavelength) / self._region.apart
        flat = delay_profile("flat")
        return draw_sinusoids(flat, 0.0, _SINUSOIDS, streams, rates, lorentzian, 0.0)
