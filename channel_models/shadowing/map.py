"""Spatially correlated shadowing as a map: a sum of sinusoids over position."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from channel_models.laws import NormalDecibels
from channel_models.units import NonNegativeDecibel, PositiveMetres
from channel_models.validation import (
    FloatArray,
    check_points,
    check_positive_integer,
    validate_fields,
)

_POINTS_AT_ONCE = 4096


class ShadowField:
    """``sigma sqrt(2/N) sum_n cos(2 pi (f_n . x + phi_n))`` dB at a position x (m)."""

    def __init__(self, sigma: float, waves: FloatArray, phases: FloatArray) -> None:
        self._scale = sigma * np.sqrt(2.0 / phases.size)
        self._waves = waves
        self._phases = phases

    def __repr__(self) -> str:
        return f"ShadowField(waves={self._phases.size})"

    def at(self, positions: ArrayLike, links: ArrayLike | None = None) -> Any:
        """Shadowing in dB at ``positions`` (..., 2); ``links`` makes no difference to a map."""
        points = check_points("positions", positions)
        flat = points.reshape(-1, 2)
        total = np.empty(len(flat))
        # elementwise, then a sum over each row: no point's bits depend on the points beside it
        for low in range(0, len(flat), _POINTS_AT_ONCE):
            part = flat[low : low + _POINTS_AT_ONCE]
            turns = part[:, :1] * self._waves[:, 0] + part[:, 1:] * self._waves[:, 1] + self._phases
            total[low : low + _POINTS_AT_ONCE] = np.cos(2.0 * np.pi * (turns - np.rint(turns))).sum(
                axis=1
            )
        return (self._scale * total).reshape(points.shape[:-1])[()]


@dataclass(frozen=True, kw_only=True)
class ShadowMap:
    """A shadowing map with correlation ``exp(-distance / decorrelation)`` (TR 38.901 7.4.4).

    A sum of ``waves`` plane waves over the plane (as QuaDRiGa's maps, arXiv 1808.04659) with random
    phases. Their wavenumbers k follow the isotropic spectrum of the exponential correlation in two
    dimensions, ``P(K <= k) = 1 - (1 + (k d)^2)^-1/2``, so over realisations the correlation is
    exact. Deterministic in position: two devices at one spot see one value, a device that returns
    finds it again.
    """

    sigma: NonNegativeDecibel = 8.0
    decorrelation: PositiveMetres = 50.0
    waves: int = 512

    def __post_init__(self) -> None:
        validate_fields(self)
        check_positive_integer("waves", self.waves, minimum=16)

    @property
    def law(self) -> NormalDecibels:
        """Law of the value in dB."""
        return NormalDecibels(sigma=self.sigma)

    def realise(
        self, streams: Sequence[np.random.Generator], map_stream: np.random.Generator
    ) -> ShadowField:
        """Draw the map from ``map_stream``; the links' own streams are not used."""
        return draw_field(self.sigma, self.decorrelation, self.waves, map_stream)

    def correlation(self, distance: ArrayLike) -> Any:
        """``exp(-distance / decorrelation)``."""
        return np.exp(-np.abs(np.asarray(distance, dtype=float)) / self.decorrelation)[()]


def draw_field(
    sigma: float, decorrelation: float, waves: int, stream: np.random.Generator
) -> ShadowField:
    """One map: stratified wavenumbers, uniform directions and phases."""
    rank = (np.arange(waves) + stream.random(waves)) / waves
    wavenumber = np.sqrt(1.0 / (1.0 - rank) ** 2 - 1.0) / decorrelation
    direction = 2.0 * np.pi * stream.random(waves)
    vectors = (wavenumber / (2.0 * np.pi))[:, None] * np.column_stack(
        [np.cos(direction), np.sin(direction)]
    )
    return ShadowField(sigma, vectors, stream.random(waves))
