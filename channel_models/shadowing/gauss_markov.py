"""Shadowing along a path: a first-order Gauss-Markov sequence over travelled distance."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from channel_models.laws import NormalDecibels
from channel_models.units import NonNegativeDecibel, PositiveMetres
from channel_models.validation import FloatArray, check_array, validate_fields


@dataclass(frozen=True, kw_only=True)
class GaussMarkovShadowing:
    """``X' = r X + sqrt(1 - r^2) sigma N(0, 1)`` with ``r = exp(-step / decorrelation)`` (dB).

    Gudmundson 1991. Exact for any spacing of the steps, but a sequence: two devices at one place
    are independent, and a device that returns finds another value; `ShadowMap` has neither defect.
    """

    sigma: NonNegativeDecibel = 8.0
    decorrelation: PositiveMetres = 50.0

    def __post_init__(self) -> None:
        validate_fields(self)

    @property
    def law(self) -> NormalDecibels:
        """Law of the value in dB."""
        return NormalDecibels(sigma=self.sigma)

    def correlation(self, distance: ArrayLike) -> Any:
        """``exp(-distance / decorrelation)``."""
        return np.exp(-np.abs(np.asarray(distance, dtype=float)) / self.decorrelation)[()]

    def along(self, travelled: ArrayLike, stream: np.random.Generator) -> FloatArray:
        """Shadowing in dB at travelled distances (n,) in m, which must not decrease."""
        path = check_array("travelled", travelled)
        if path.ndim != 1 or path.size == 0 or (np.diff(path) < 0.0).any():
            raise ValueError("travelled must be a sorted array of shape (n,)")
        noise = self.sigma * stream.standard_normal(path.size)
        values = np.empty(path.size)
        values[0] = noise[0]
        for n, r in enumerate(np.exp(-np.diff(path) / self.decorrelation)):
            values[n + 1] = r * values[n] + np.sqrt(1.0 - r * r) * noise[n + 1]
        return values
