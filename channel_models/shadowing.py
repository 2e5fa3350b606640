"""Shadowing: log-normal values of links, maps over the plane, and consistent line of sight."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import ArrayLike

from channel_models.compiled import kernels
from channel_models.elementary import LN10, cosine_and_sine, exp
from channel_models.fading.process import select_links
from channel_models.laws.power import check_probability
from channel_models.plots import plot
from channel_models.protocols import ShadowingProcess
from channel_models.units import Decibel, Fraction, NonNegativeDecibel, PositiveMetres
from channel_models.validation import (
    Count,
    FloatArray,
    Validated,
    check_array,
    check_points,
)

Waves = Annotated[int, Count(16)]

_NEPERS: Final = LN10 / 10.0
_POINTS_AT_ONCE: Final = 32


@dataclass(frozen=True, kw_only=True)
class NormalDecibels(Validated):
    """Normal in dB with ``mean`` and ``sigma``; the power ``10^(X/10)`` is log-normal."""

    plot = plot

    mean: Decibel = 0.0
    sigma: NonNegativeDecibel = 8.0

    @property
    def linear_mean(self) -> float:
        """Mean of the power: ``exp(mean s + (sigma s)^2 / 2)``, s = ln 10 / 10."""
        return float(exp(self.mean * _NEPERS + (self.sigma * _NEPERS) ** 2 / 2.0))

    def cdf(self, x: ArrayLike) -> Any:
        """Probability of at most ``x`` dB; a step at the mean for sigma 0."""
        from scipy.special import ndtr

        values = np.asarray(x, dtype=float)
        if self.sigma == 0.0:
            return np.where(values >= self.mean, 1.0, 0.0)[()]
        return np.asarray(ndtr((values - self.mean) / self.sigma))[()]

    def quantile(self, probability: ArrayLike) -> Any:
        """Value in dB below which it lies with that probability."""
        from scipy.special import ndtri

        chance = check_probability(probability)
        if self.sigma == 0.0:
            return np.full(chance.shape, self.mean)[()]
        return (self.mean + self.sigma * np.asarray(ndtri(chance)))[()]


class FixedShadowing:
    """One shadowing value a link, the same at every position."""

    def __init__(self, values_db: FloatArray) -> None:
        self.values_db = values_db

    def __repr__(self) -> str:
        return f"FixedShadowing(links={self.values_db.size})"

    def at(self, positions: ArrayLike, links: ArrayLike | None = None) -> Any:
        """Shadowing in dB at ``positions`` (n, 2), one row for every link asked for."""
        chosen = self.values_db[select_links(links, self.values_db.size)]
        points = check_points("positions", positions)
        return np.broadcast_to(chosen, np.broadcast_shapes(chosen.shape, points.shape[:-1])).copy()


@dataclass(frozen=True, kw_only=True)
class LogNormal(Validated):
    """Log-normal shadowing: ``sigma`` times a standard normal, in dB, drawn once a link.

    ``site_correlation`` is that between sites (TR 36.814 Table A.2.1.1-2: 0.5); sectors of a site
    share their value.
    """

    sigma: NonNegativeDecibel = 8.0
    site_correlation: Fraction = 0.0

    @property
    def law(self) -> NormalDecibels:
        """Law of the value in dB."""
        return NormalDecibels(sigma=self.sigma)

    def realise(
        self, streams: Sequence[np.random.Generator], map_stream: np.random.Generator | None = None
    ) -> FixedShadowing:
        """Draw one value a stream; ``map_stream`` is not used."""
        return FixedShadowing(
            self.sigma * np.array([stream.standard_normal() for stream in streams], dtype=float)
        )


class SharedShadowing:
    """``sqrt(c) X_common + sqrt(1 - c) X_own``: of one site, with correlation c to others."""

    def __init__(self, common: ShadowingProcess, own: ShadowingProcess, correlation: float) -> None:
        self._common = common
        self._own = own
        self._shared, self._separate = np.sqrt(correlation), np.sqrt(1.0 - correlation)

    def __repr__(self) -> str:
        return f"SharedShadowing({self._own!r})"

    def at(self, positions: ArrayLike, links: ArrayLike | None = None) -> Any:
        """Shadowing in dB at ``positions`` (n, 2)."""
        common, own = self._common.at(positions, links), self._own.at(positions, links)
        return self._shared * common + self._separate * own


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
        total, loops = np.empty(len(flat)), kernels()
        # elementwise, then a sum over each row: no point's bits depend on the points beside it
        for low in range(0, len(flat), _POINTS_AT_ONCE):
            part = flat[low : low + _POINTS_AT_ONCE]
            if loops is None:
                x, y = part[:, :1], part[:, 1:]
                turns = x * self._waves[:, 0] + y * self._waves[:, 1] + self._phases
                cosines = cosine_and_sine(turns)[0]
            else:
                cosines = np.empty((len(part), self._phases.size))
                loops.cosines(part, self._waves, self._phases, cosines)
            total[low : low + _POINTS_AT_ONCE] = cosines.sum(axis=1)
        return (self._scale * total).reshape(points.shape[:-1])[()]


class LosField:
    """A realised map: line of sight wherever its uniform marks lie below the probability."""

    def __init__(self, field: ShadowField) -> None:
        self._field = field

    def __repr__(self) -> str:
        return f"LosField({self._field!r})"

    def at(self, positions: ArrayLike, probability: ArrayLike) -> Any:
        """Booleans at ``positions`` (..., 2) for probabilities that broadcast with (...)."""
        from scipy.special import ndtr

        chance = check_array("probability", probability, minimum=0.0, maximum=1.0)
        return (np.asarray(ndtr(self._field.at(positions))) < chance)[()]


@dataclass(frozen=True, kw_only=True)
class LosMap(Validated):
    """Spatially consistent line of sight (TR 38.901 section 7.6.3.3).

    A Gaussian map with correlation ``exp(-d / decorrelation)`` through its own distribution gives
    marks uniform in [0, 1]; a place has line of sight when its mark lies below the probability. The
    standard's distances are 50 m (UMa, UMi), 60 m (RMa) and 10 m (InH) (Table 7.6.3.1-2, to be
    confirmed against the TR).
    """

    decorrelation: PositiveMetres = 50.0
    waves: Waves = 512

    def realise(self, stream: np.random.Generator) -> LosField:
        """Draw the map of one site."""
        return LosField(draw_field(1.0, self.decorrelation, self.waves, stream))


@dataclass(frozen=True, kw_only=True)
class ShadowMap(Validated):
    """A shadowing map with correlation ``exp(-distance / decorrelation)`` (TR 38.901 7.4.4).

    A sum of ``waves`` plane waves over the plane (as QuaDRiGa's maps, arXiv 1808.04659) with random
    phases. Their wavenumbers k follow the isotropic spectrum of the exponential correlation in two
    dimensions, ``P(K <= k) = 1 - (1 + (k d)^2)^-1/2``, so over realisations the correlation is
    exact. Deterministic in position: two devices at one spot see one value, a device that returns
    finds it again. ``site_correlation`` is that between sites, as of `LogNormal`.
    """

    sigma: NonNegativeDecibel = 8.0
    decorrelation: PositiveMetres = 50.0
    site_correlation: Fraction = 0.0
    waves: Waves = 512

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
        return exp(-np.abs(np.asarray(distance, dtype=float)) / self.decorrelation)[()]


def draw_field(
    sigma: float, decorrelation: float, waves: int, stream: np.random.Generator
) -> ShadowField:
    """One map: stratified wavenumbers, uniform directions and phases."""
    rank = (np.arange(waves) + stream.random(waves)) / waves
    wavenumber = np.sqrt(1.0 / (1.0 - rank) ** 2 - 1.0) / decorrelation
    direction = cosine_and_sine(stream.random(waves))
    vectors = (wavenumber / (2.0 * np.pi))[:, None] * np.column_stack(direction)
    return ShadowField(sigma, vectors, stream.random(waves))


@dataclass(frozen=True, kw_only=True)
class ScenarioShadowing(Validated):
    """Shadowing with the sigma and the decorrelation distance of the path-loss model.

    Both depend on the state of line of sight (TR 38.901 Tables 7.4.1-1 and 7.5-6). `realise` draws
    a map of sigma 1 dB on places in units of the decorrelation distance. ``site_correlation`` is
    that between sites, as of `LogNormal`.
    """

    site_correlation: Fraction = 0.0
    waves: Waves = 512

    def realise(
        self, streams: Sequence[np.random.Generator], map_stream: np.random.Generator
    ) -> ShadowField:
        """Draw the map from ``map_stream``; the links' own streams are not used."""
        return draw_field(1.0, 1.0, self.waves, map_stream)
