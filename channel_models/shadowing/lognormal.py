"""Log-normal shadowing, one value a link."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from channel_models.fading.links import select_links
from channel_models.laws import NormalDecibels
from channel_models.units import NonNegativeDecibel
from channel_models.validation import FloatArray, check_points, validate_fields


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
class LogNormal:
    """Log-normal shadowing: ``sigma`` times a standard normal, in dB, drawn once a link."""

    sigma: NonNegativeDecibel = 8.0

    def __post_init__(self) -> None:
        validate_fields(self)

    @property
    def law(self) -> NormalDecibels:
        """Law of the value in dB."""
        return NormalDecibels(sigma=self.sigma)

    def realise(
        self,
        streams: Sequence[np.random.Generator],
        map_stream: np.random.Generator | None = None,
    ) -> FixedShadowing:
        """Draw one value a stream; ``map_stream`` is not used."""
        return FixedShadowing(
            self.sigma * np.array([stream.standard_normal() for stream in streams], dtype=float)
        )
