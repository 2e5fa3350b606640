"""Geometry: terminals in a disc, a hexagon, a Poisson field or from a file; hexagonal sites."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from channel_models.elementary import cosine_and_sine, hypot
from channel_models.units import NonNegativeMetres, PositiveMetres, Unit
from channel_models.validation import (
    FloatArray,
    Validated,
    check_points,
    check_positive_integer,
)

_RINGS = {1: 0, 7: 1, 19: 2, 37: 3}
Density = Annotated[float, Unit("1", minimum=0.0, exclusive=True)]


@dataclass(frozen=True, kw_only=True)
class Disc(Validated):
    """Uniform over the ring between ``minimum_distance`` and ``radius`` (m) around the origin."""

    radius: PositiveMetres = 250.0
    minimum_distance: NonNegativeMetres = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_ring(self.minimum_distance, self.radius, "radius")

    @property
    def mean_distance(self) -> float:
        """``2/3 (R^3 - r^3) / (R^2 - r^2)``, m."""
        outer, inner = self.radius, self.minimum_distance
        return 2.0 / 3.0 * (outer**3 - inner**3) / (outer**2 - inner**2)

    def drop(self, count: int, stream: np.random.Generator) -> FloatArray:
        """Positions (count, 2) in m."""
        number = check_positive_integer("count", count, minimum=0)
        uniform = stream.random((number, 2))
        inner = self.minimum_distance * self.minimum_distance
        distance = np.sqrt(inner + uniform[:, 0] * (self.radius * self.radius - inner))
        cosine, sine = cosine_and_sine(uniform[:, 1])
        return np.column_stack([distance * cosine, distance * sine])


@dataclass(frozen=True, kw_only=True)
class Hexagon(Validated):
    """Uniform over a hexagon around the origin, with corners at ``radius`` (m).

    The first corner lies to the east, as in `HexGrid`. Positions nearer than ``minimum_distance``
    are drawn again.
    """

    radius: PositiveMetres = 250.0
    minimum_distance: NonNegativeMetres = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_ring(self.minimum_distance, self.radius * np.sqrt(3.0) / 2.0, "inner radius")

    def drop(self, count: int, stream: np.random.Generator) -> FloatArray:
        """Positions (count, 2) in m."""
        number = check_positive_integer("count", count, minimum=0)
        kept = np.empty((number, 2))
        for position in kept:
            position[:] = self._one(stream)
        return kept

    def _one(self, stream: np.random.Generator) -> FloatArray:
        height = np.sqrt(3.0) / 2.0
        while True:
            # the hexagon is three rhombi around its centre
            along, up = self.radius * stream.random(2)
            x, y = along - 0.5 * up, height * up
            third = stream.integers(3)
            cosine, sine = (1.0, -0.5, -0.5)[third], (0.0, height, -height)[third]
            if hypot(x, y) >= self.minimum_distance:
                return np.array([x * cosine - y * sine, x * sine + y * cosine])


@dataclass(frozen=True, kw_only=True)
class PoissonField(Validated):
    """A homogeneous Poisson point process over a disc: ``density`` points a square metre.

    The number of points is Poisson with mean ``density pi (R^2 - r^2)``; given it they are uniform.
    """

    density: Density = 1e-4
    radius: PositiveMetres = 250.0
    minimum_distance: NonNegativeMetres = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_ring(self.minimum_distance, self.radius, "radius")

    @property
    def mean_count(self) -> float:
        """Expected number of points."""
        return float(self.density * np.pi * (self.radius**2 - self.minimum_distance**2))

    def drop(self, stream: np.random.Generator) -> FloatArray:
        """Positions (random number, 2) in m."""
        disc = Disc(radius=self.radius, minimum_distance=self.minimum_distance)
        return disc.drop(int(stream.poisson(self.mean_count)), stream)


def read_positions(path: str) -> FloatArray:
    """Positions (n, 2) in m from a ``.npy`` array or a ``.csv`` with the columns x and y.

    Its header is ``x,y`` or ``x (m),y (m)``. Raises ValueError for another header or shape, NaN, or
    another ending.
    """
    if Path(path).suffix == ".npy":
        table = np.load(path, allow_pickle=False)
    elif Path(path).suffix == ".csv":
        with Path(path).open(encoding="utf-8-sig") as file:
            header = file.readline().strip()
            names = [name.replace("(m)", "").strip() for name in header.split(",")]
            if names != ["x", "y"]:
                raise ValueError(f"{path}: the first line must be 'x,y', got {header!r}")
            table = np.loadtxt(file, delimiter=",", ndmin=2)
    else:
        raise ValueError(f"path must end in .npy or .csv, got {path!r}")
    points = check_points(f"{path}: positions", table)
    if points.ndim != 2:
        raise ValueError(f"{path}: positions must have shape (n, 2), got {points.shape}")
    return points


@dataclass(frozen=True, kw_only=True)
class HexGrid(Validated):
    """``sites`` base stations (1, 7, 19 or 37) at inter-site distance ``spacing`` (m).

    Ring n adds 6 n sites. A site has 1 sector, or 3 with boresights at 30, 150 and 270 degrees; a
    cell of one site is a hexagon with corners at ``spacing / sqrt 3``, the first to the east. With
    ``wrap_around`` the layout is repeated by six translations, and distances are to the nearest
    image, so that no site sees an edge.
    """

    sites: Literal[1, 7, 19, 37] = 7
    spacing: PositiveMetres = 500.0
    sectors: Literal[1, 3] = 1
    wrap_around: bool = True

    @property
    def rings(self) -> int:
        """Rings around the central site."""
        return _RINGS[self.sites]

    @property
    def cell_radius(self) -> float:
        """Centre to corner of a site's hexagon, m: ``spacing / sqrt 3``."""
        return float(self.spacing / np.sqrt(3.0))

    @cached_property
    def positions(self) -> FloatArray:
        """Sites (sites, 2) in m, the centre first, then ring by ring counterclockwise."""
        axes = self._axes
        coordinates = [(0, 0)]
        steps = [(-1, 1), (-1, 0), (0, -1), (1, -1), (1, 0), (0, 1)]
        for ring in range(1, self.rings + 1):
            place = (ring, 0)
            for step in steps:
                for _ in range(ring):
                    coordinates.append(place)
                    place = (place[0] + step[0], place[1] + step[1])
        return _constant(_combined(np.array(coordinates, dtype=float), axes))

    @property
    def boresights(self) -> FloatArray:
        """Azimuths of a site's sectors in rad: (0,) for one, (30, 150, 270 degrees) for three."""
        return np.zeros(1) if self.sectors == 1 else np.deg2rad([30.0, 150.0, 270.0])

    @cached_property
    def translations(self) -> FloatArray:
        """Vectors to the layout's images (7, 2) in m, zero first; (1, 2) without wrap-around."""
        if not self.wrap_around:
            return _constant(np.zeros((1, 2)))
        n = self.rings
        turn = np.array([[0.5, np.sqrt(3.0) / 2.0], [-np.sqrt(3.0) / 2.0, 0.5]])
        images = [np.zeros(2), _combined(np.array([n + 1.0, float(n)]), self._axes)]
        for _ in range(5):
            images.append(_combined(images[-1], turn))
        return _constant(np.array(images))

    @property
    def _axes(self) -> FloatArray:
        return self.spacing * np.array([[np.sqrt(3.0) / 2.0, 0.5], [0.0, 1.0]])

    def offsets(self, points: ArrayLike) -> FloatArray:
        """Vectors from every site to every point's nearest image, (..., sites, 2) in m."""
        places = check_points("points", points)
        # (..., images, sites, 2)
        vectors = (
            places[..., None, None, :] + self.translations[:, None, :] - self.positions[None, :, :]
        )
        nearest = np.argmin(hypot(vectors[..., 0], vectors[..., 1]), axis=-2)
        chosen = np.take_along_axis(vectors, nearest[..., None, :, None], axis=-3)
        return np.asarray(chosen[..., 0, :, :], dtype=float)

    def distances(self, points: ArrayLike) -> Any:
        """Horizontal distances from every point (..., 2) to every site, (..., sites) in m."""
        vectors = self.offsets(points)
        return hypot(vectors[..., 0], vectors[..., 1])


def _combined(factors: FloatArray, vectors: FloatArray) -> FloatArray:
    """``factors @ vectors`` for two vectors, without the rounding of a library's product."""
    return np.asarray(factors[..., :1] * vectors[0] + factors[..., 1:] * vectors[1])


def _constant(values: FloatArray) -> FloatArray:
    values.flags.writeable = False
    return values


def _check_ring(inner: float, outer: float, name: str) -> None:
    if inner >= outer:
        raise ValueError(
            f"minimum_distance must be below the {name} of {outer:g} m, got {inner:g} m"
        )
