"""Antenna patterns: gain in dBi over the direction from the boresight."""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike

from channel_models.elementary import arctan2, hypot
from channel_models.units import Decibel, NonNegativeDecibel, Radians, Unit
from channel_models.validation import check_finite, check_points, validate_fields

Beamwidth = Annotated[float, Unit("rad", minimum=0.0, exclusive=True)]


@dataclass(frozen=True, kw_only=True)
class Omni:
    """The same ``gain`` (dBi) in every direction."""

    gain: Decibel = 0.0

    def __post_init__(self) -> None:
        validate_fields(self)

    def gain_db(self, azimuth: ArrayLike, zenith: ArrayLike = np.pi / 2.0) -> Any:
        """Gain in dBi; angles in radians, elementwise."""
        shape = np.broadcast_shapes(
            check_finite("azimuth", azimuth).shape, check_finite("zenith", zenith).shape
        )
        return np.full(shape, self.gain)[()]


@dataclass(frozen=True, kw_only=True)
class Sector:
    """The single-element pattern of 3GPP TR 38.901 Table 7.3-1.

    ``A_V = -min(12 ((zenith - 90 deg) / 65 deg)^2, SLA_V)``, ``A_H = -min(12 (azimuth / 65 deg)^2,
    A_max)``, ``A = peak_gain - min(-(A_V + A_H), A_max)``, with A_max = SLA_V = 30 dB and a peak of
    8 dBi. ``boresight`` is the azimuth of the maximum, counterclockwise from east; ``downtilt``
    lowers the maximum below the horizon.
    """

    boresight: Radians = 0.0
    downtilt: Radians = 0.0
    beamwidth: Beamwidth = float(np.deg2rad(65.0))
    peak_gain: Decibel = 8.0
    front_to_back: NonNegativeDecibel = 30.0

    def __post_init__(self) -> None:
        validate_fields(self)

    def gain_db(self, azimuth: ArrayLike, zenith: ArrayLike = np.pi / 2.0) -> Any:
        """Gain in dBi towards ``azimuth`` (rad from east) and ``zenith`` (rad from straight up)."""
        off = check_finite("azimuth", azimuth) - self.boresight
        off = (off + np.pi) % (2.0 * np.pi) - np.pi
        tilt = check_finite("zenith", zenith) - (np.pi / 2.0 + self.downtilt)
        horizontal = np.minimum(12.0 * np.square(off / self.beamwidth), self.front_to_back)
        vertical = np.minimum(12.0 * np.square(tilt / self.beamwidth), self.front_to_back)
        return (self.peak_gain - np.minimum(horizontal + vertical, self.front_to_back))[()]


def direction(
    origin: ArrayLike,
    target: ArrayLike,
    origin_height: ArrayLike = 0.0,
    target_height: ArrayLike = 0.0,
) -> tuple[Any, Any]:
    """Azimuth (from east) and zenith angle (from straight up) in rad of a target.

    Positions have shape (..., 2) in m, heights broadcast with (...). Raises ValueError for another
    shape.
    """
    offset = check_points("target", target) - check_points("origin", origin)
    azimuth = arctan2(offset[..., 1], offset[..., 0])
    rise = np.asarray(target_height, dtype=float) - np.asarray(origin_height, dtype=float)
    zenith = arctan2(hypot(offset[..., 0], offset[..., 1]), rise)
    return azimuth[()], zenith[()]
