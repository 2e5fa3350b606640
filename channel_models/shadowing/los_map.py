"""Line of sight that is consistent in space."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from channel_models.shadowing.map import ShadowField, draw_field
from channel_models.units import PositiveMetres
from channel_models.validation import check_array, check_positive_integer, validate_fields


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
class LosMap:
    """Spatially consistent line of sight (TR 38.901 section 7.6.3.3).

    A Gaussian map with correlation ``exp(-d / decorrelation)`` through its own distribution gives
    marks uniform in [0, 1]; a place has line of sight when its mark lies below the probability. The
    standard's distances are 50 m (UMa, UMi), 60 m (RMa) and 10 m (InH) (Table 7.6.3.1-2, to be
    confirmed against the TR).
    """

    decorrelation: PositiveMetres = 50.0
    waves: int = 512

    def __post_init__(self) -> None:
        validate_fields(self)
        check_positive_integer("waves", self.waves, minimum=16)

    def realise(self, stream: np.random.Generator) -> LosField:
        """Draw the map of one site."""
        return LosField(draw_field(1.0, self.decorrelation, self.waves, stream))
