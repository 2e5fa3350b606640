"""Hexagonal cell layouts with wrap-around."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from channel_models.units import PositiveMetres
from channel_models.validation import FloatArray, check_points, validate_fields

_RINGS = {1: 0, 7: 1, 19: 2, 37: 3}


@dataclass(frozen=True, kw_only=True)
class HexGrid:
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

    def __post_init__(self) -> None:
        validate_fields(self)

    @property
    def rings(self) -> int:
        """Rings around the central site."""
        return _RINGS[self.sites]

    @property
    def cell_radius(self) -> float:
        """Centre to corner of a site's hexagon, m: ``spacing / sqrt 3``."""
        return float(self.spacing / np.sqrt(3.0))

    @property
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
        return np.asarray(np.array(coordinates, dtype=float) @ axes, dtype=float)

    @property
    def boresights(self) -> FloatArray:
        """Azimuths of a site's sectors in rad: (0,) for one, (30, 150, 270 degrees) for three."""
        return np.zeros(1) if self.sectors == 1 else np.deg2rad([30.0, 150.0, 270.0])

    @property
    def translations(self) -> FloatArray:
        """Vectors to the layout's images (7, 2) in m, zero first; (1, 2) without wrap-around."""
        if not self.wrap_around:
            return np.zeros((1, 2))
        n = self.rings
        turn = np.array([[0.5, np.sqrt(3.0) / 2.0], [-np.sqrt(3.0) / 2.0, 0.5]])
        images = [np.zeros(2), np.array([n + 1.0, float(n)]) @ self._axes]
        for _ in range(5):
            images.append(images[-1] @ turn)
        return np.array(images)

    @property
    def _axes(self) -> FloatArray:
        angles = np.deg2rad([30.0, 90.0])
        return self.spacing * np.column_stack([np.cos(angles), np.sin(angles)])

    def offsets(self, points: ArrayLike) -> FloatArray:
        """Vectors from every site to every point's nearest image, (..., sites, 2) in m."""
        places = check_points("points", points)
        # (..., images, sites, 2)
        vectors = (
            places[..., None, None, :] + self.translations[:, None, :] - self.positions[None, :, :]
        )
        nearest = np.argmin(np.hypot(vectors[..., 0], vectors[..., 1]), axis=-2)
        chosen = np.take_along_axis(vectors, nearest[..., None, :, None], axis=-3)
        return np.asarray(chosen[..., 0, :, :], dtype=float)

    def distances(self, points: ArrayLike) -> Any:
        """Horizontal distances from every point (..., 2) to every site, (..., sites) in m."""
        vectors = self.offsets(points)
        return np.hypot(vectors[..., 0], vectors[..., 1])
