"""Path loss without a notion of line of sight: free space, close-in, power laws."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from channel_models.elementary import log10
from channel_models.pathloss._base import PathLossModel, links_shape, slant_distance, unwrap
from channel_models.units import (
    SPEED_OF_LIGHT,
    Decibel,
    NonNegativeDecibel,
    PositiveMetres,
    PositiveNumber,
)
from channel_models.validation import FloatArray, check_array, check_distance


def free_space_loss_db(slant: ArrayLike, frequency: ArrayLike) -> Any:
    """Free-space loss ``20 log10(4 pi d f / c)`` in dB over the 3-D distance (Friis 1946)."""
    d = check_array("distance", slant, minimum=0.0, exclusive=True, unit="m")
    f = check_array("frequency", frequency, minimum=0.0, exclusive=True, unit="Hz")
    return unwrap(20.0 * log10(4.0 * np.pi * d * f / SPEED_OF_LIGHT))


@dataclass(frozen=True, kw_only=True)
class _StatelessModel(PathLossModel):
    """A formula for all links alike: line of sight everywhere, one ``sigma`` (dB)."""

    def los_probability(
        self, distance: ArrayLike, *, terminal_height: ArrayLike | None = None
    ) -> Any:
        """One everywhere: the formula has no states."""
        d = check_array("distance", distance, minimum=0.0, unit="m")
        _, h = self._check_heights(None, terminal_height)
        return unwrap(np.ones(np.broadcast_shapes(d.shape, h.shape)))

    def shadowing_sigma_db(
        self,
        distance: ArrayLike,
        frequency: ArrayLike = 2e9,
        *,
        base_height: ArrayLike | None = None,
        terminal_height: ArrayLike | None = None,
        los: ArrayLike | None = None,
    ) -> Any:
        """The model's ``sigma``, dB, at any distance."""
        return unwrap(np.full(links_shape(distance, frequency), getattr(self, "sigma", 0.0)))


@dataclass(frozen=True, kw_only=True)
class _SlantModel(_StatelessModel):
    """A formula of the 3-D distance and the carrier."""

    @property
    def minimum_distance(self) -> float:
        """Least horizontal distance, m."""
        return 0.0

    @abstractmethod
    def _loss(self, d3: FloatArray, frequency: ArrayLike) -> Any:
        """Loss in dB."""

    def loss_db(
        self,
        distance: ArrayLike,
        frequency: ArrayLike,
        *,
        base_height: ArrayLike | None = None,
        terminal_height: ArrayLike | None = None,
        los: ArrayLike | None = None,
    ) -> Any:
        """Path loss in dB at horizontal ``distance`` (m), carrier in Hz; ``los`` is ignored."""
        d2 = check_distance(distance, self.minimum_distance, type(self).__name__)
        d3 = slant_distance(d2, *self._check_heights(base_height, terminal_height))
        return unwrap(self._loss(d3, frequency))


@dataclass(frozen=True, kw_only=True)
class FreeSpace(_SlantModel):
    """Free space: ``20 log10(4 pi d_3D f / c)`` dB (Friis 1946); no shadowing.

    The heights default to one value, so that d_3D is the given distance.
    """

    sigma: ClassVar[float] = 0.0

    def _loss(self, d3: FloatArray, frequency: ArrayLike) -> Any:
        return free_space_loss_db(d3, frequency)


@dataclass(frozen=True, kw_only=True)
class LogDistance(_SlantModel):
    """Close-in log-distance model: ``FSPL(f, d_0) + 10 n log10(d_3D / d_0)`` dB.

    ``exponent`` is n, ``reference`` is d_0 (1 m in Sun et al., IEEE Trans. Veh. Technol. 65(5),
    2016). ``sigma`` is the standard deviation to use for its shadowing. Distances below d_0 are
    refused.
    """

    exponent: PositiveNumber = 3.0
    reference: PositiveMetres = 1.0
    sigma: NonNegativeDecibel = 8.0

    @property
    def minimum_distance(self) -> float:
        """The reference distance, m."""
        return self.reference

    def _loss(self, d3: FloatArray, frequency: ArrayLike) -> Any:
        ratio = log10(d3 / self.reference)
        return free_space_loss_db(self.reference, frequency) + 10.0 * self.exponent * ratio


@dataclass(frozen=True, kw_only=True)
class _HorizontalModel(_StatelessModel):
    """A formula of the horizontal distance alone; the carrier is checked, heights are ignored."""

    minimum_distance: ClassVar[float]

    @abstractmethod
    def _loss(self, distance: FloatArray) -> FloatArray:
        """Loss in dB."""

    def loss_db(
        self,
        distance: ArrayLike,
        frequency: ArrayLike = 2e9,
        *,
        base_height: ArrayLike | None = None,
        terminal_height: ArrayLike | None = None,
        los: ArrayLike | None = None,
    ) -> Any:
        """Path loss in dB at horizontal ``distance`` (m)."""
        f = check_array("frequency", frequency, minimum=0.0, exclusive=True, unit="Hz")
        d = check_distance(distance, self.minimum_distance, type(self).__name__)
        return unwrap(self._loss(np.broadcast_to(d, np.broadcast_shapes(d.shape, f.shape))))


@dataclass(frozen=True, kw_only=True)
class Macro(_HorizontalModel):
    """The macro formula of papers, ``128.1 + 37.6 log10(d / km)`` dB: that of 2 GHz at any carrier.

    3GPP TR 36.814 Table A.2.1.1-2 gives it for 2 GHz with 8 to 10 dB of shadowing and a minimum
    distance of 35 m (table and minimum to be confirmed against the TR). It has no frequency term:
    the carrier is checked and otherwise ignored, as are the heights.
    """

    sigma: NonNegativeDecibel = 8.0

    default_base_height: ClassVar[float] = 25.0
    minimum_distance: ClassVar[float] = 35.0

    def _loss(self, distance: FloatArray) -> FloatArray:
        return np.asarray(128.1 + 37.6 * log10(distance / 1000.0))


@dataclass(frozen=True, kw_only=True)
class PowerLaw(_HorizontalModel):
    """``loss + 10 n log10(d / 1 m)`` dB over the horizontal distance, whatever the carrier.

    With a ``loss`` of 0 dB and n = 2 it is the ``d^-2`` of Chen et al. (arXiv 1909.07972), a gain
    that is 40 dB and more above any real one: meaningful against an interference of the same
    scale, not against thermal noise. With 40 dB and n = 4 it is that of Tran et al. (INFOCOM 2019).
    """

    exponent: PositiveNumber = 2.0
    loss: Decibel = 0.0
    sigma: NonNegativeDecibel = 0.0

    minimum_distance: ClassVar[float] = 1.0

    def _loss(self, distance: FloatArray) -> FloatArray:
        return np.asarray(self.loss + 10.0 * self.exponent * log10(distance))
