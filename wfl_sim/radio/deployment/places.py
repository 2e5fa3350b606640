"""Given places of devices and sites: lists, CSV files in metres, and points of GeoJSON."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
from annotated_types import Ge, Le

from channel_models.elementary import cosine_and_sine
from channel_models.units import Metres, Unit
from channel_models.validation import FloatArray
from wfl_sim.config.csv_tables import opened, read_rows
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.fields import FilePath

Point = tuple[float, float]
Geographic = tuple[Annotated[float, Ge(-180), Le(180)], Annotated[float, Ge(-90), Le(90)]]
"""Longitude and latitude in degrees, in the order of GeoJSON."""

_EQUATOR: Final = 6378137.0
"""m; semi-major axis of the ellipsoid of WGS84."""
_FLATTENING: Final = 1 / 298.257223563
_SQUARED_ECCENTRICITY: Final = _FLATTENING * (2 - _FLATTENING)

_FARTHEST: Final = 1e5
"""m from the origin. There the plane shows a distance too short by 4 m."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """A list of places, a CSV file with columns x (m) and y (m), or points of GeoJSON (RFC 7946).

    Longitudes and latitudes (WGS84) become m east and north of `origin`, on the plane that touches
    the ellipsoid there. At d m from the origin a distance is short by about d^3 / (6 R^2) m, with
    the Earth's radius R: 4 mm at 10 km. Heights in a file are left out.
    """

    at: tuple[tuple[Metres, Metres], ...] = ()
    """x and y of each place."""
    path: Annotated[str, FilePath()] | None = None
    """CSV file, or GeoJSON where the name ends with `.geojson` or `.json`."""
    origin: Geographic | None = None
    """Longitude and latitude in degrees of x = y = 0, for GeoJSON."""
    metres: bool = False
    """Whether the coordinates of GeoJSON are m already, which RFC 7946 does not foresee."""

    def __post_init__(self) -> None:
        if bool(self.at) == (self.path is not None):
            raise LocatedError("must have one of `at` (a list) and `path` (a file)")
        geojson = self.path is not None and Path(self.path).suffix in (".geojson", ".json")
        if not geojson and (self.origin is not None or self.metres):
            key = "metres" if self.metres else "origin"
            raise LocatedError("is of GeoJSON alone: lists and tables are in m", key)
        if geojson and (self.origin is None) != self.metres:
            raise LocatedError(
                "GeoJSON needs `origin: [longitude, latitude]`, or `metres: true` for coordinates "
                "in m, not both"
            )
        _ = self.places

    @cached_property
    def places(self) -> Sequence[Point]:
        """x and y in m."""
        if self.path is None:
            return self.at
        file = Path(self.path)
        if self.origin is not None or self.metres:
            return _points(file, self.origin)
        metres = Unit("m")
        return [(row["x"], row["y"]) for _, row in read_rows(file, {"x": metres, "y": metres})]


def _points(file: Path, origin: Geographic | None) -> list[Point]:
    """Read a FeatureCollection of points.

    Raises:
        ValueError: one line with file and feature for all else, and for points far from `origin`.
    """
    with opened(file) as stream:
        text = stream.read()
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file.name}: is no JSON: {error}") from None
    features = found.get("features") if isinstance(found, dict) else None
    if not isinstance(features, list) or found.get("type") != "FeatureCollection":
        raise ValueError(f"{file.name}: must be a FeatureCollection of points")
    if not features:
        raise ValueError(f"{file.name}: must have at least one feature, has none")
    points = []
    for number, feature in enumerate(features):
        try:
            points.append(_coordinates(feature, degrees=origin is not None))
        except ValueError as error:
            raise ValueError(f"{file.name}: features[{number}]: {error}") from None
    if origin is None:
        return points
    east, north, away = _projected(np.array(points), origin)
    if away.max() > _FARTHEST:
        raise ValueError(
            f"{file.name}: features[{away.argmax()}]: is {away.max() / 1e3:,.0f} km from the "
            f"origin, must be within {_FARTHEST / 1e3:g} km (longitude comes before latitude)"
        )
    return list(zip(east.tolist(), north.tolist(), strict=True))


def _coordinates(feature: Any, *, degrees: bool) -> Point:
    """Return the first two coordinates of a feature that is a point; ValueError for any other."""
    geometry = feature.get("geometry") if isinstance(feature, dict) else None
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if not isinstance(geometry, dict) or kind != "Point":
        raise ValueError(f"geometry must be a Point, got {kind or 'none'}")
    values = geometry.get("coordinates")
    if (
        not isinstance(values, list)
        or len(values) < 2
        or not all(type(value) in (int, float) and math.isfinite(value) for value in values)
    ):
        raise ValueError(f"coordinates must be two or three numbers, got {json.dumps(values)}")
    for value, name, most in zip(values, ("longitude", "latitude"), (180, 90), strict=False):
        if degrees and abs(value) > most:
            raise ValueError(
                f"{name} must be {-most} to {most} degrees, got {value:g} (`metres: true` where "
                "coordinates are m)"
            )
    return float(values[0]), float(values[1])


def _projected(
    degrees: FloatArray, origin: Geographic
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return m east and north of the origin (n,), and the distances from it through the Earth.

    Args:
        degrees: longitudes and latitudes (n, 2).
        origin: where the plane touches the ellipsoid.
    """
    x, y, z = _geocentric(degrees) - _geocentric(np.array([origin]))
    (cos_longitude, cos_latitude), (sin_longitude, sin_latitude) = cosine_and_sine(
        np.array(origin) / 360.0
    )
    east = cos_longitude * y - sin_longitude * x
    north = cos_latitude * z - sin_latitude * (cos_longitude * x + sin_longitude * y)
    return east, north, np.sqrt(x * x + y * y + z * z)


def _geocentric(degrees: FloatArray) -> FloatArray:
    """Return x, y and z in m (3, n) of points on the ellipsoid, from the centre of the Earth."""
    cosines, sines = cosine_and_sine(degrees.T / 360.0)
    radius = _EQUATOR / np.sqrt(1.0 - _SQUARED_ECCENTRICITY * sines[1] * sines[1])
    return np.array(
        [
            radius * cosines[1] * cosines[0],
            radius * cosines[1] * sines[0],
            radius * (1.0 - _SQUARED_ECCENTRICITY) * sines[1],
        ]
    )
