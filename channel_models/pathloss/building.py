"""Outdoor-to-indoor penetration loss of 3GPP TR 38.901 section 7.4.3."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from channel_models.elementary import log10
from channel_models.pathloss._base import unwrap
from channel_models.units import db_to_linear
from channel_models.validation import (
    FloatArray,
    Validated,
    check_array,
    check_frequency,
    check_positive_integer,
)

Material = Literal["glass", "irr-glass", "concrete", "wood"]

_MATERIALS = {
    "glass": (2.0, 0.2),
    "irr-glass": (23.0, 0.3),
    "concrete": (5.0, 4.0),
    "wood": (4.85, 0.12),
}
_MIXES = {"low": ("glass", 0.3, 4.4), "high": ("irr-glass", 0.7, 6.5)}


def material_loss_db(material: Material, frequency: ArrayLike) -> Any:
    """Loss through one material, ``a + b f`` dB with f in GHz.

    TR 38.901 Table 7.4.3-1: glass 2 + 0.2 f, coated (IRR) glass 23 + 0.3 f, concrete 5 + 4 f, wood
    4.85 + 0.12 f (to be confirmed against the TR). ValueError for another material.
    """
    if material not in _MATERIALS:
        raise ValueError(f"material must be one of {', '.join(_MATERIALS)}, got {material!r}")
    return unwrap(_loss(material, frequency))


@dataclass(frozen=True, kw_only=True)
class BuildingEntry(Validated):
    """Outdoor-to-indoor loss ``PL_tw + 0.5 d_2D-in + N(0, sigma_P)`` dB (Table 7.4.3-2).

    ``PL_tw = 5 - 10 log10(w 10^(-L_glass/10) + (1 - w) 10^(-L_concrete/10))``: "low" loss has 30 %
    plain glass and sigma 4.4 dB, "high" 70 % coated glass and sigma 6.5 dB. The way inside is the
    smaller of two uniform draws up to 25 m (RMa: 10 m). The shadowing of an indoor terminal has a
    standard deviation of 7 dB (RMa: 8 dB). All values to be confirmed against the TR.
    """

    model: Literal["low", "high"] = "low"
    rural: bool = False

    @property
    def sigma_db(self) -> float:
        """Standard deviation of the penetration loss, dB."""
        return _MIXES[self.model][2]

    @property
    def deepest(self) -> float:
        """Largest way inside, m."""
        return 10.0 if self.rural else 25.0

    @property
    def shadowing_sigma_db(self) -> float:
        """Standard deviation of the shadowing of an indoor terminal, dB."""
        return 8.0 if self.rural else 7.0

    @property
    def shadowing_decorrelation(self) -> float:
        """Decorrelation distance of the shadowing of an indoor terminal, m (Table 7.5-6, O2I)."""
        return 120.0 if self.rural else 7.0

    def wall_loss_db(self, frequency: ArrayLike) -> Any:
        """``PL_tw`` in dB."""
        glass, share, _ = _MIXES[self.model]
        through_glass = db_to_linear(-np.asarray(_loss(glass, frequency)))
        through_concrete = db_to_linear(-np.asarray(_loss("concrete", frequency)))
        mixed = share * through_glass + (1.0 - share) * through_concrete
        return unwrap(5.0 - 10.0 * log10(mixed))

    def mean_loss_db(self, frequency: ArrayLike, inside: ArrayLike) -> Any:
        """``PL_tw + 0.5 inside`` in dB, for a way of ``inside`` m within the building."""
        way = check_array("inside", inside, minimum=0.0, maximum=self.deepest, unit="m")
        return unwrap(np.asarray(self.wall_loss_db(frequency)) + 0.5 * way)

    def draw_inside(self, count: int, stream: np.random.Generator) -> FloatArray:
        """Ways inside (count,) in m: the smaller of two uniform draws."""
        number = check_positive_integer("count", count, minimum=0)
        return np.asarray(self.deepest * stream.random((number, 2)).min(axis=1), dtype=float)

    def draw_loss_db(
        self, frequency: ArrayLike, count: int, stream: np.random.Generator
    ) -> FloatArray:
        """Losses (count,) in dB: way inside and penetration both drawn."""
        inside = self.draw_inside(count, stream)
        spread = self.sigma_db * stream.standard_normal(inside.size)
        return np.asarray(self.mean_loss_db(frequency, inside) + spread, dtype=float)


def _loss(material: str, frequency: ArrayLike) -> Any:
    constant, slope = _MATERIALS[material]
    return constant + slope * check_frequency(frequency, 0.5e9, 100e9) / 1e9
