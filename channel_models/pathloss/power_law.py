"""Power law: the gain of papers that write ``h = h_0 d^-n``."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from channel_models.pathloss._scenario import check_distance, unwrap
from channel_models.units import Decibel, NonNegativeDecibel, PositiveNumber
from channel_models.validation import check_array, validate_fields


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
