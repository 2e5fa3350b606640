"""Areas: where the devices of a group are placed, and where mobile ones may go."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from channel_models.elementary import cosine_and_sine, hypot
from channel_models.units import Metres, NonNegativeMetres, PositiveMetres
from channel_models.validation import FloatArray
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.registry import Registry
from wfl_sim.radio.deployment.layouts import Layout, Sites
from wfl_sim.radio.deployment.places import Places, Point

_LEAST: Final = 35.0
"""Default of `min_distance`, m: that of TR 38.901 UMa drops."""


class Area(Protocol):
    """Where the devices of a group are.

    >>> class Street:  # devices at random places along 200 m of the x axis
    ...     def check(self, layout, count):
    ...         if layout is not None:
    ...             raise LocatedError("has one site: remove the key `layout`")
    ...
    ...     def drop(self, member, rng, layout):
    ...         return np.array([rng.uniform(50.0, 250.0), 0.0])
    ...
    ...     def nearest(self, site):
    ...         return 50.0 if site == (0.0, 0.0) else None
    ...
    ...     def circle(self, layout):
    ...         return (150.0, 0.0), 100.0
    >>> x, y = Street().drop(0, np.random.default_rng(1), None)
    >>> bool(50.0 <= x <= 250.0), float(y)
    (True, 0.0)
    """

    def check(self, layout: Layout | None, count: int) -> None:
        """Raise LocatedError where so many devices cannot be dropped."""

    def drop(self, member: int, rng: np.random.Generator, layout: Layout | None) -> FloatArray:
        """Return the position (2,) in m of a device of the group; each call draws another one.

        Args:
            member: number of the device within its group.
            rng: the device's own stream.
            layout: of the cells, if there is one.
        """

    def nearest(self, site: Point) -> float | None:
        """Return the least distance in m of any device to a site; None if there is no bound."""

    def circle(self, layout: Layout | None) -> tuple[Point, float] | None:
        """Return centre and radius in m of a circle around the area; None for given positions."""


AREAS: Registry[Area] = Registry("area", Area)


@AREAS("ring")
@dataclass(frozen=True, kw_only=True)
class Ring:
    """A ring in which devices are dropped uniformly."""

    radius: PositiveMetres = 250.0
    min_distance: NonNegativeMetres = _LEAST
    """Least distance to the centre, m."""
    centre: tuple[Metres, Metres] = (0.0, 0.0)

    def __post_init__(self) -> None:
        if self.min_distance >= self.radius:
            raise LocatedError(
                f"must be smaller than radius {self.radius:g} m, got {_given(self.min_distance)}",
                "min_distance",
            )

    def check(self, layout: Layout | None, count: int) -> None:
        """Accept any number of devices."""

    def drop(self, member: int, rng: np.random.Generator, layout: Layout | None) -> FloatArray:
        """Return a point uniform over the ring."""
        inner, outer = self.min_distance * self.min_distance, self.radius * self.radius
        radius = np.sqrt(rng.uniform(inner, outer))
        step = radius * np.array(cosine_and_sine(rng.uniform()))
        return np.asarray(np.asarray(self.centre) + step)

    def nearest(self, site: Point) -> float | None:
        """Return the least distance to the ring; None for a site that stands within it."""
        away = math.dist(self.centre, site)
        nearest = max(self.min_distance - away, away - self.radius)
        return nearest if nearest > 0 or self.min_distance == away == 0 else None

    def circle(self, layout: Layout | None) -> tuple[Point, float] | None:
        """Return the outer one."""
        return self.centre, self.radius


@AREAS("rectangle")
@dataclass(frozen=True, kw_only=True)
class Rectangle:
    """A rectangle in which devices are dropped uniformly, but for a disc around its centre."""

    width: PositiveMetres
    height: PositiveMetres
    min_distance: NonNegativeMetres = _LEAST
    """Least distance to the centre, m."""
    centre: tuple[Metres, Metres] = (0.0, 0.0)

    def __post_init__(self) -> None:
        if self.min_distance >= min(self.width, self.height) / 2:
            raise LocatedError(
                f"must be smaller than half the shorter side, got {_given(self.min_distance)}",
                "min_distance",
            )

    def check(self, layout: Layout | None, count: int) -> None:
        """Accept any number of devices."""

    def drop(self, member: int, rng: np.random.Generator, layout: Layout | None) -> FloatArray:
        """Return a point uniform over the rectangle."""
        while True:
            step = rng.uniform(-0.5, 0.5, 2) * (self.width, self.height)
            if hypot(*step) >= self.min_distance:
                return np.asarray(np.asarray(self.centre) + step)

    def nearest(self, site: Point) -> float | None:
        """Return the least distance of a site in the centre, or that to the nearest side."""
        x, y = abs(site[0] - self.centre[0]), abs(site[1] - self.centre[1])
        outside = math.hypot(max(x - self.width / 2, 0.0), max(y - self.height / 2, 0.0))
        nearest = outside or self.min_distance - math.hypot(x, y)
        return nearest if nearest > 0 else None

    def circle(self, layout: Layout | None) -> tuple[Point, float] | None:
        """Return the circle through the corners."""
        return self.centre, math.hypot(self.width, self.height) / 2


@AREAS("cells")
@dataclass(frozen=True, kw_only=True)
class Cells:
    """The cells of the layout: a site drawn uniformly, then a position in its hexagon or around."""

    min_distance: NonNegativeMetres = _LEAST
    """Least distance to the site, m."""

    def check(self, layout: Layout | None, count: int) -> None:
        """Refuse a scenario without a layout, and hexagons smaller than the least distance."""
        if layout is None:
            raise LocatedError("needs a layout: add the key `layout` to the scenario")
        if self.min_distance >= layout.inner_radius:
            raise LocatedError(
                f"must be smaller than {layout.inner_radius:g} m, the least distance from a site "
                f"to the edge of its hexagon, got {_given(self.min_distance)}",
                "min_distance",
            )

    def drop(self, member: int, rng: np.random.Generator, layout: Layout | None) -> FloatArray:
        """Return a point uniform over the hexagons."""
        if layout is None:
            raise ValueError("devices over cells need a layout")
        return layout.drop(self.min_distance, rng)

    def nearest(self, site: Point) -> float | None:
        """Return the least distance to a site."""
        return self.min_distance or None

    def circle(self, layout: Layout | None) -> tuple[Point, float] | None:
        """Return the circle around the layout."""
        if layout is None:
            raise ValueError("devices over cells need a layout")
        return (0.0, 0.0), layout.radius


@AREAS("positions")
@dataclass(frozen=True, kw_only=True)
class Positions(Places):
    """Given positions, one for each device: a list, a CSV file or GeoJSON."""

    def check(self, layout: Layout | None, count: int) -> None:
        """Refuse another number of places than there are devices, and two origins."""
        if len(self.places) != count:
            raise LocatedError(f"must be {count} places, one a device, got {len(self.places)}")
        theirs = layout.origin if isinstance(layout, Sites) else None
        if theirs and self.origin and theirs != self.origin:
            raise LocatedError(f"must be that of the layout, {list(theirs)}", "origin")

    def drop(self, member: int, rng: np.random.Generator, layout: Layout | None) -> FloatArray:
        """Return the place of the device; the stream is not used."""
        return np.array(self.places[member])

    def nearest(self, site: Point) -> float | None:
        """Return the distance of the nearest place."""
        return min(math.dist(place, site) for place in self.places)

    def circle(self, layout: Layout | None) -> tuple[Point, float] | None:
        """Return none."""
        return None


def _given(distance: float) -> str:
    """Write a `min_distance`, and whether it may be the default."""
    return f"{distance:g} m" + ", the default" * (distance == _LEAST)
