"""Antenna patterns: gain in dBi over the direction from the boresight."""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike

from channel_models.elementary import arctan2, cosine_and_sine, hypot
from channel_models.units import (
    Decibel,
    Elevation,
    NonNegativeDecibel,
    PositiveNumber,
    Radians,
    Unit,
    linear_to_db,
)
from channel_models.validation import (
    PositiveInteger,
    Validated,
    check_finite,
    check_points,
)

Beamwidth = Annotated[float, Unit("rad", minimum=0.0, exclusive=True)]


@dataclass(frozen=True, kw_only=True)
class Omni(Validated):
    """The same ``gain`` (dBi) in every direction."""

    gain: Decibel = 0.0

    def gain_db(self, azimuth: ArrayLike, zenith: ArrayLike = np.pi / 2.0) -> Any:
        """Gain in dBi; angles in radians, elementwise."""
        shape = np.broadcast_shapes(
            check_finite("azimuth", azimuth).shape, check_finite("zenith", zenith).shape
        )
        return np.full(shape, self.gain)[()]


@dataclass(frozen=True, kw_only=True)
class Sector(Validated):
    """The single-element pattern of 3GPP TR 38.901 Table 7.3-1.

    ``A_V = -min(12 ((zenith - 90 deg) / 65 deg)^2, SLA_V)``, ``A_H = -min(12 (azimuth / 65 deg)^2,
    A_max)``, ``A = peak_gain - min(-(A_V + A_H), A_max)``, with A_max = SLA_V = 30 dB and a peak of
    8 dBi. ``boresight`` is the azimuth of the maximum, counterclockwise from east; ``downtilt``
    lowers the maximum below the horizon.
    """

    boresight: Radians = 0.0
    downtilt: Elevation = 0.0
    beamwidth: Beamwidth = float(np.deg2rad(65.0))
    peak_gain: Decibel = 8.0
    front_to_back: NonNegativeDecibel = 30.0

    def gain_db(self, azimuth: ArrayLike, zenith: ArrayLike = np.pi / 2.0) -> Any:
        """Gain in dBi towards ``azimuth`` (rad from east) and ``zenith`` (rad from straight up)."""
        return self._element_db(azimuth, zenith, self.downtilt)

    def _element_db(self, azimuth: ArrayLike, zenith: ArrayLike, downtilt: float) -> Any:
        off = check_finite("azimuth", azimuth) - self.boresight
        off = (off + np.pi) % (2.0 * np.pi) - np.pi
        tilt = check_finite("zenith", zenith) - (np.pi / 2.0 + downtilt)
        horizontal = np.minimum(12.0 * np.square(off / self.beamwidth), self.front_to_back)
        vertical = np.minimum(12.0 * np.square(tilt / self.beamwidth), self.front_to_back)
        return (self.peak_gain - np.minimum(horizontal + vertical, self.front_to_back))[()]


@dataclass(frozen=True, kw_only=True)
class Panel(Sector):
    """An array of elements of TR 38.901 Table 7.3-1, uniform in ``rows`` and ``columns``.

    One port is a column, tilted electrically by ``downtilt``: the element's gain, plus the array
    factor ``|sum_m exp(2 pi i m d (cos zenith - cos zenith_0))|^2 / rows`` (TR 38.901 section
    7.3), not below -30 dB. Ports are combined by a rate of the kind `layers`.

    With ``misalignment`` it is one analogue beam over all elements that follows each terminal:
    ``10 log10(rows columns)`` above the element, less the mean of ``12 (error / width)^2`` dB over
    errors of that root mean square in both angles, at most 30 dB. Half-power widths are
    ``0.886 / (n d)`` rad (Balanis 2016, Antenna Theory, section 6.3). `gain_db` is that of the
    terminal which is served; others have it less `beam_gain_db`, the mean over orthogonal beams.
    """

    rows: PositiveInteger = 8
    """Elements of a column."""
    columns: PositiveInteger = 1
    """Columns; those of fixed beams are ports, and add nothing here."""
    spacing: PositiveNumber = 0.5
    """Between elements, in wavelengths."""
    misalignment: Annotated[float, Unit("rad", minimum=0.0, maximum=np.pi / 2)] | None = None
    """Root mean square error of a beam that follows each terminal; without it beams are fixed."""

    def gain_db(self, azimuth: ArrayLike, zenith: ArrayLike = np.pi / 2.0) -> Any:
        """Gain in dBi towards ``azimuth`` (rad from east) and ``zenith`` (rad from straight up)."""
        element = self._element_db(azimuth, zenith, 0.0)
        if self.misalignment is None:
            return element + self._column_db(zenith)
        array, loss = self._beam_db(self.misalignment)
        return element + array - loss

    @property
    def beam_gain_db(self) -> float:
        """What a beam that follows its terminal adds to an element, dB; 0 with fixed beams."""
        if self.misalignment is None:
            return 0.0
        array, loss = self._beam_db(self.misalignment)
        return array - loss

    def _beam_db(self, misalignment: float) -> tuple[float, float]:
        error = misalignment * self.spacing / 0.886
        loss = sum(12.0 * (n * error) ** 2 for n in (self.rows, self.columns) if n > 1)
        return float(linear_to_db(self.rows * self.columns)), min(loss, 30.0)

    def _column_db(self, zenith: ArrayLike) -> Any:
        towards = cosine_and_sine(check_finite("zenith", zenith) / (2 * np.pi))[0]
        tilted = cosine_and_sine(0.25 + self.downtilt / (2 * np.pi))[0]
        turns = np.multiply.outer(np.arange(self.rows), self.spacing * (towards - tilted))
        real, imaginary = (part.sum(axis=0) for part in cosine_and_sine(turns))
        return linear_to_db(np.maximum((real**2 + imaginary**2) / self.rows, 1e-3))


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
