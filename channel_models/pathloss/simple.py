"""Path loss without a notion of line of sight: free space, close-in, 128.1 + 37.6 log10 d."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from channel_models.pathloss._base import check_distance, slant_distance, unwrap
from channel_models.units import (
    SPEED_OF_LIGHT,
    Decibel,
    NonNegativeDecibel,
    PositiveMetres,
    PositiveNumber,
)
from channel_models.validation import FloatArray, check_array, validate_fields


def free_space_loss_db(slant: ArrayLike, frequency: ArrayLike) -> Any:
    """Free-space loss ``20 log10(4 pi d f / c)`` in dB over the 3-D distance (Friis 1946)."""
    d = check_array("distance", slant, minimum=0.0, exclusive=True, unit="m")
    f = check_array("frequency", frequency, minimum=0.0, exclusive=True, unit="Hz")
    return unwrap(20.0 * np.log10(4.0 * np.pi * d * f / SPEED_OF_LIGHT))


def _always_visible(distance: ArrayLike, terminal_height: ArrayLike) -> Any:
    d = check_array("distance", distance, minimum=0.0, unit="m")
    h = check_array("terminal_height", terminal_height, minimum=0.0, unit="m")
    return unwrap(np.ones(np.broadcast_shapes(d.shape, h.shape)))


def _slant(
    distance: ArrayLike, minimum: float, model: str, base: ArrayLike, terminal: ArrayLike
) -> FloatArray:
    return slant_distance(
        check_distance(distance, minimum, np.inf, model),
        check_array("base_height", base, minimum=0.0, unit="m"),
        check_array("terminal_height", terminal, minimum=0.0, unit="m"),
    )


def _constant(value: float, *shaped: ArrayLike) -> Any:
    return unwrap(np.full(np.broadcast_shapes(*(np.shape(s) for s in shaped)), value))


@dataclass(frozen=True, kw_only=True)
class FreeSpace:
    """Free space: ``20 log10(4 pi d_3D f / c)`` dB (Friis 1946); no shadowing.

    The heights default to one value, so that d_3D is the given distance.
    """

    default_base_height: ClassVar[float] = 1.5
    default_terminal_height: ClassVar[float] = 1.5
    minimum_distance: ClassVar[float] = 0.0
    maximum_distance: ClassVar[float] = float("inf")

    def los_probability(self, distance: ArrayLike, *, terminal_height: ArrayLike = 1.5) -> Any:
        """One everywhere."""
        return _always_visible(distance, terminal_height)

    def loss_db(
        self,
        distance: ArrayLike,
        frequency: ArrayLike,
        *,
        base_height: ArrayLike = 1.5,
        terminal_height: ArrayLike = 1.5,
        los: ArrayLike | None = None,
    ) -> Any:
        """Path loss in dB at horizontal ``distance`` (m), carrier in Hz; ``los`` is ignored."""
        return free_space_loss_db(
            _slant(distance, 0.0, "FreeSpace", base_height, terminal_height), frequency
        )

    def shadowing_sigma_db(
        self,
        distance: ArrayLike,
        frequency: ArrayLike,
        *,
        base_height: ArrayLike = 1.5,
        terminal_height: ArrayLike = 1.5,
        los: ArrayLike | None = None,
    ) -> Any:
        """Zero: free space has no shadowing."""
        return _constant(0.0, distance, frequency)


@dataclass(frozen=True, kw_only=True)
class LogDistance:
    """Close-in log-distance model: ``FSPL(f, d_0) + 10 n log10(d_3D / d_0)`` dB.

    ``exponent`` is n, ``reference`` is d_0 (1 m in Sun et al., IEEE Trans. Veh. Technol. 65(5),
    2016). ``sigma`` is the standard deviation to use for its shadowing. Distances below d_0 are
    refused.
    """

    exponent: PositiveNumber = 3.0
    reference: PositiveMetres = 1.0
    sigma: NonNegativeDecibel = 8.0

    default_base_height: ClassVar[float] = 1.5
    default_terminal_height: ClassVar[float] = 1.5
    maximum_distance: ClassVar[float] = float("inf")

    def __post_init__(self) -> None:
        validate_fields(self)

    @property
    def minimum_distance(self) -> float:
        """The reference distance, m."""
        return self.reference

    def los_probability(self, distance: ArrayLike, *, terminal_height: ArrayLike = 1.5) -> Any:
        """One everywhere: the exponent already describes the surroundings."""
        return _always_visible(distance, terminal_height)

    def loss_db(
        self,
        distance: ArrayLike,
        frequency: ArrayLike,
        *,
        base_height: ArrayLike = 1.5,
        terminal_height: ArrayLike = 1.5,
        los: ArrayLike | None = None,
    ) -> Any:
        """Path loss in dB at horizontal ``distance`` (m), carrier in Hz; ``los`` is ignored."""
        d3 = _slant(distance, self.reference, "LogDistance", base_height, terminal_height)
        ratio = np.log10(d3 / self.reference)
        return unwrap(free_space_loss_db(self.reference, frequency) + 10.0 * self.exponent * ratio)

    def shadowing_sigma_db(
        self,
        distance: ArrayLike,
        frequency: ArrayLike,
        *,
        base_height: ArrayLike = 1.5,
        terminal_height: ArrayLike = 1.5,
        los: ArrayLike | None = None,
    ) -> Any:
        """The field ``sigma``, dB."""
        return _constant(self.sigma, distance, frequency)


@dataclass(frozen=True, kw_only=True)
class Macro:
    """The macro formula of the federated-learning literature: ``128.1 + 37.6 log10(d / km)`` dB.

    3GPP TR 36.814 Table A.2.1.1-2 gives it for 2 GHz with 8 to 10 dB of shadowing and a minimum
    distance of 35 m (table and minimum to be confirmed against the TR). It has no frequency term:
    the carrier is checked and otherwise ignored, as are the heights.
    """

    sigma: NonNegativeDecibel = 8.0

    default_base_height: ClassVar[float] = 25.0
    default_terminal_height: ClassVar[float] = 1.5
    minimum_distance: ClassVar[float] = 35.0
    maximum_distance: ClassVar[float] = float("inf")

    def __post_init__(self) -> None:
        validate_fields(self)

    def los_probability(self, distance: ArrayLike, *, terminal_height: ArrayLike = 1.5) -> Any:
        """One everywhere: the formula has no states."""
        return _always_visible(distance, terminal_height)

    def loss_db(
        self,
        distance: ArrayLike,
        frequency: ArrayLike = 2e9,
        *,
        base_height: ArrayLike = 25.0,
        terminal_height: ArrayLike = 1.5,
        los: ArrayLike | None = None,
    ) -> Any:
        """Path loss in dB at horizontal ``distance`` (m)."""
        f = check_array("frequency", frequency, minimum=0.0, exclusive=True, unit="Hz")
        d = check_distance(distance, self.minimum_distance, np.inf, "Macro")
        d = np.broadcast_to(d, np.broadcast_shapes(d.shape, f.shape))
        return unwrap(128.1 + 37.6 * np.log10(d / 1000.0))

    def shadowing_sigma_db(
        self,
        distance: ArrayLike,
        frequency: ArrayLike = 2e9,
        *,
        base_height: ArrayLike = 25.0,
        terminal_height: ArrayLike = 1.5,
        los: ArrayLike | None = None,
    ) -> Any:
        """The field ``sigma``, dB."""
        return _constant(self.sigma, distance, frequency)


@dataclass(frozen=True, kw_only=True)
class PowerLaw:
    """``loss + 10 n log10(d / 1 m)`` dB over the horizontal distance, whatever the carrier.

    With a ``loss`` of 0 dB and n = 2 it is the ``d^-2`` of Chen et al. (arXiv 1909.07972), a gain
    that is 40 dB and more above any real one: meaningful against an interference of the same
    scale, not against thermal noise. With 40 dB and n = 4 it is that of Tran et al. (INFOCOM 2019).
    """

    exponent: PositiveNumber = 2.0
    loss: Decibel = 0.0
    sigma: NonNegativeDecibel = 0.0

    default_base_height: ClassVar[float] = 1.5
    default_terminal_height: ClassVar[float] = 1.5
    minimum_distance: ClassVar[float] = 1.0
    maximum_distance: ClassVar[float] = float("inf")

    def __post_init__(self) -> None:
        validate_fields(self)

    def los_probability(self, distance: ArrayLike, *, terminal_height: ArrayLike = 1.5) -> Any:
        """One everywhere: the law has no states."""
        d = check_array("distance", distance, minimum=0.0, unit="m")
        return unwrap(np.ones(np.broadcast_shapes(d.shape, np.shape(terminal_height))))

    def loss_db(
        self,
        distance: ArrayLike,
        frequency: ArrayLike = 2e9,
        *,
        base_height: ArrayLike = 1.5,
        terminal_height: ArrayLike = 1.5,
        los: ArrayLike | None = None,
    ) -> Any:
        """Path loss in dB at horizontal ``distance`` (m)."""
        f = check_array("frequency", frequency, minimum=0.0, exclusive=True, unit="Hz")
        d = check_distance(distance, self.minimum_distance, np.inf, "PowerLaw")
        d = np.broadcast_to(d, np.broadcast_shapes(d.shape, f.shape))
        return unwrap(self.loss + 10.0 * self.exponent * np.log10(d))

    def shadowing_sigma_db(
        self,
        distance: ArrayLike,
        frequency: ArrayLike = 2e9,
        *,
        base_height: ArrayLike = 1.5,
        terminal_height: ArrayLike = 1.5,
        los: ArrayLike | None = None,
    ) -> Any:
        """The field ``sigma``, dB."""
        shape = np.broadcast_shapes(np.shape(distance), np.shape(frequency))
        return unwrap(np.full(shape, self.sigma))
