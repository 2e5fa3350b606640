"""Layouts: positions of base stations that share one description."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import combinations
from typing import Literal, Protocol

import numpy as np

import channel_models as cm
from channel_models.units import PositiveMetres
from channel_models.validation import FloatArray
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.registry import Registry
from wfl_sim.radio.cell import CellConfig
from wfl_sim.radio.deployment.places import Places, Point

_SITES: dict[int, Literal[1, 7, 19, 37]] = {0: 1, 1: 7, 2: 19, 3: 37}


class Layout(Protocol):
    """Sites, and the area around them.

    >>> class Highway:  # two sites on the x axis, 1 km apart
    ...     inner_radius, radius = 500.0, 1000.0
    ...
    ...     def cells(self, template):
    ...         return tuple(replace(template, position=(x, 0.0)) for x in (-500.0, 500.0))
    ...
    ...     def offsets(self, points):
    ...         return points[:, None, :] - np.array([[-500.0, 0.0], [500.0, 0.0]])
    ...
    ...     def drop(self, min_distance, rng):
    ...         return np.array([rng.choice([-500, 500]) + rng.uniform(min_distance, 500), 0.0])
    >>> [cell.position for cell in Highway().cells(CellConfig())]
    [(-500.0, 0.0), (500.0, 0.0)]
    >>> Highway().offsets(np.array([[0.0, 30.0]])).tolist()
    [[[500.0, 30.0], [-500.0, 30.0]]]
    """

    @property
    def inner_radius(self) -> float:
        """Distance in m from a site to the nearest edge of its cells."""

    @property
    def radius(self) -> float:
        """Radius in m of a circle around the origin that contains all cells."""

    def cells(self, template: CellConfig) -> tuple[CellConfig, ...]:
        """Return a cell for each sector of each site."""

    def offsets(self, points: FloatArray) -> FloatArray:
        """Return the vectors in m from every cell to points (n, 2): (n, cells, 2)."""

    def drop(self, min_distance: float, rng: np.random.Generator) -> FloatArray:
        """Return a position (2,) in m, uniform over points at least `min_distance` from sites."""


LAYOUTS: Registry[Layout] = Registry("layout", Layout)


@LAYOUTS("hexagonal")
@dataclass(frozen=True, kw_only=True)
class Hexagonal:
    """Rings of sites on a hexagonal grid: 1, 7, 19 or 37 of them.

    With `wrap_around` six images of the layout surround it and a device sees the nearest image of
    every cell, so that no cell lies at an edge. With three sectors a site has three cells, whose
    antennas (TR 38.901 table 7.3-1) point to 30, 150 and 270 degrees. With a `reuse` of 3 the cells
    use three carriers, each of the template's bandwidth, side by side from its carrier on.
    """

    rings: int = 1
    spacing: PositiveMetres = 500.0
    """Distance between neighbouring sites, m."""
    wrap_around: bool = True
    sectors: Literal[1, 3] = 1
    reuse: Literal[1, 3] = 1

    def __post_init__(self) -> None:
        if self.rings not in _SITES:
            raise LocatedError(f"must be 0 to 3, got {self.rings}", "rings")
        if self.reuse == 3 and self.sectors == 1 and self.wrap_around and self.rings:
            raise LocatedError(
                "must be 1 with wrap_around: the images of the layout would bring equal carriers "
                "side by side (wrap_around: false, or sectors: 3)",
                "reuse",
            )

    @cached_property
    def grid(self) -> cm.HexGrid:
        """The sites."""
        return cm.HexGrid(
            sites=_SITES[self.rings],
            spacing=self.spacing,
            sectors=self.sectors,
            wrap_around=self.wrap_around,
        )

    @property
    def inner_radius(self) -> float:
        """Half the spacing."""
        return self.spacing / 2

    @property
    def radius(self) -> float:
        """Distance to the farthest corner, m."""
        return self.rings * self.spacing + self.grid.cell_radius

    def cells(self, template: CellConfig) -> tuple[CellConfig, ...]:
        """Return the cells, site by site."""
        found = []
        for (x, y), colour in zip(self.grid.positions.tolist(), self._colours, strict=True):
            for sector, cell in enumerate(_sectors(template, (x, y), self.sectors)):
                turn = (sector if self.sectors == 3 else colour) if self.reuse == 3 else 0
                carrier = template.carrier + turn * template.bandwidth
                try:
                    found.append(replace(cell, carrier=carrier))
                except ValueError as error:
                    problem = f"puts cells on three carriers side by side: {error}"
                    raise LocatedError(problem, "layout", "reuse") from None
        return tuple(found)

    def offsets(self, points: FloatArray) -> FloatArray:
        """Vectors from the nearest image of every cell."""
        return np.repeat(self.grid.offsets(points), self.sectors, axis=1)

    def drop(self, min_distance: float, rng: np.random.Generator) -> FloatArray:
        """Return a position in the hexagon of a site that is drawn uniformly."""
        sites = self.grid.positions
        site = sites[rng.integers(len(sites))]
        hexagon = _around(cm.Hexagon, self.grid.cell_radius, min_distance)
        return np.asarray(site + hexagon.drop(1, rng)[0])

    @property
    def _colours(self) -> list[int]:
        """Numbers 0 to 2 of the sites; neighbours differ."""
        axes = self.spacing * np.array([[np.sqrt(3.0) / 2.0, 0.5], [0.0, 1.0]])
        steps = np.rint(self.grid.positions @ np.linalg.inv(axes)).astype(int)
        return [int(colour) for colour in (steps[:, 0] - steps[:, 1]) % 3]


@LAYOUTS("positions")
@dataclass(frozen=True, kw_only=True)
class Sites(Places):
    """Sites at given places: a list, a CSV file or GeoJSON.

    With three sectors a site has three cells, as in `hexagonal`. `area: cells` draws a site
    uniformly, then a position among those that are nearest to it and at most `reach` away.
    """

    sectors: Literal[1, 3] = 1
    """Cells of each site."""
    reach: PositiveMetres = 250.0
    """Farthest that `area: cells` drops a device from its site, m."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for number, (x, y) in enumerate(self.places):
            if (x, y) in self.places[:number]:
                raise LocatedError(
                    f"has two sites at {x:g}, {y:g} m: one is enough, with `sectors: 3` for three"
                )

    @property
    def inner_radius(self) -> float:
        """Half the least spacing, or `reach`."""
        return min([self.reach, *(math.dist(*pair) / 2 for pair in combinations(self.places, 2))])

    @property
    def radius(self) -> float:
        """`reach` beyond the site farthest from the origin, m."""
        return self.reach + max(math.hypot(*place) for place in self.places)

    def cells(self, template: CellConfig) -> tuple[CellConfig, ...]:
        """Return the cells, site by site."""
        return tuple(
            cell for site in self.places for cell in _sectors(template, site, self.sectors)
        )

    def offsets(self, points: FloatArray) -> FloatArray:
        """Vectors from every cell."""
        return np.repeat(points[:, None, :] - np.array(self.places), self.sectors, axis=1)

    def drop(self, min_distance: float, rng: np.random.Generator) -> FloatArray:
        """Return a position nearest to a site that is drawn uniformly."""
        sites = np.array(self.places)
        site = rng.integers(len(sites))
        disc = _around(cm.Disc, self.reach, min_distance)
        while True:
            point = sites[site] + disc.drop(1, rng)[0]
            if ((sites - point) ** 2).sum(axis=1).argmin() == site:
                return np.asarray(point)


@cache
def _around(
    shape: type[cm.Disc | cm.Hexagon], radius: float, min_distance: float
) -> cm.Disc | cm.Hexagon:
    return shape(radius=radius, minimum_distance=min_distance)


def _sectors(template: CellConfig, site: Point, sectors: Literal[1, 3]) -> Iterator[CellConfig]:
    """Yield the cells of a site: the template there, or one for each sector's boresight."""
    if sectors == 1:
        yield replace(template, position=site)
        return
    pattern = template.antenna if isinstance(template.antenna, cm.Sector) else cm.Sector()
    for boresight in cm.HexGrid(sites=1, sectors=3).boresights.tolist():
        yield replace(template, position=site, antenna=replace(pattern, boresight=boresight))
