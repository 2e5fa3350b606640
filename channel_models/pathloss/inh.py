"""Indoor office (InH) and outdoor-to-indoor penetration loss of 3GPP TR 38.901."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from channel_models.elementary import exp, log10
from channel_models.pathloss._base import HeightRange, Link, Tr38901Model, unwrap, warn_beyond
from channel_models.units import db_to_linear
from channel_models.validation import (
    FloatArray,
    check_array,
    check_frequency,
    check_positive_integer,
    validate_fields,
)


@dataclass(frozen=True, kw_only=True)
class InH(Tr38901Model):
    """Indoor office: TR 38.901 Table 7.4.1-1 and Table 7.4.2-1.

    With f in GHz and distances in m::

        LOS  = 32.4 + 17.3 log10 d_3D + 20 log10 f
        NLOS = max(LOS, 17.30 + 38.3 log10 d_3D + 24.9 log10 f)
        optional NLOS = 32.4 + 20 log10 f + 31.9 log10 d_3D

    Valid for 1 m <= d_3D <= 150 m, 0.5 to 100 GHz. Shadowing: 3 dB (LOS), 8.03 dB (NLOS), 8.29 dB
    (optional NLOS); decorrelation 10 m and 6 m (Table 7.5-6, to be confirmed against the TR).
    ``office`` chooses the line-of-sight probability of the mixed or the open office.
    """

    optional_nlos: bool = False
    office: Literal["mixed", "open"] = "mixed"

    default_base_height: ClassVar[float] = 3.0
    default_terminal_height: ClassVar[float] = 1.0
    minimum_distance: ClassVar[float] = 1.0
    least_horizontal: ClassVar[float] = 0.0
    maximum_distance: ClassVar[float] = 150.0
    base_heights: ClassVar[HeightRange] = (0.0, None)
    terminal_heights: ClassVar[HeightRange] = (0.0, None)
    shadowing_decorrelations: ClassVar[tuple[float, float]] = (10.0, 6.0)
    los_decorrelation: ClassVar[float] = 10.0
    k_factor_db: ClassVar[float] = 7.0
    least_delay_frequency: ClassVar[float] = 6e9

    def _lg_delay_spreads(self, frequency: float) -> tuple[float, float]:
        return -0.01 * log10(1 + frequency) - 7.692, -0.28 * log10(1 + frequency) - 7.173

    def _mixed_probability(self, distance: FloatArray, terminal: FloatArray) -> FloatArray:
        """One up to a corner, then two falling exponentials.

        Mixed office: 1 up to 1.2 m, ``exp(-(d - 1.2)/4.7)`` up to 6.5 m, then
        ``0.32 exp(-(d - 6.5)/32.6)``. Open office: 1 up to 5 m, ``exp(-(d - 5)/70.8)`` up to 49 m,
        then ``0.54 exp(-(d - 49)/211.7)``.
        """
        if self.office == "mixed":
            near, corner, middle, far, scale = 1.2, 6.5, 4.7, 32.6, 0.32
            inside = distance < corner
        else:
            near, corner, middle, far, scale = 5.0, 49.0, 70.8, 211.7, 0.54
            inside = distance <= corner
        close = exp(-np.maximum(distance - near, 0.0) / middle)
        return np.asarray(np.where(inside, close, scale * exp(-(distance - corner) / far)))

    def _check_range(self, link: Link, visible: NDArray[np.bool_]) -> None:
        check_array(
            "3-D distance", link.d3, minimum=self.minimum_distance, unit="m", rule=" for InH"
        )
        warn_beyond(link.d3, self.maximum_distance, "InH")

    def _los(self, link: Link) -> FloatArray:
        return np.asarray(32.4 + 17.3 * log10(link.d3) + 20.0 * log10(link.f / 1e9))

    def _nlos(self, link: Link, los: FloatArray) -> FloatArray:
        logarithm, ghz = log10(link.d3), log10(link.f / 1e9)
        if self.optional_nlos:
            return np.asarray(32.4 + 20.0 * ghz + 31.9 * logarithm)
        return np.asarray(np.maximum(los, 17.30 + 38.3 * logarithm + 24.9 * ghz))

    @property
    def _sigmas(self) -> tuple[float, float]:
        return 3.0, 8.29 if self.optional_nlos else 8.03


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
class BuildingEntry:
    """Outdoor-to-indoor loss ``PL_tw + 0.5 d_2D-in + N(0, sigma_P)`` dB (Table 7.4.3-2).

    ``PL_tw = 5 - 10 log10(w 10^(-L_glass/10) + (1 - w) 10^(-L_concrete/10))``: "low" loss has 30 %
    plain glass and sigma 4.4 dB, "high" 70 % coated glass and sigma 6.5 dB. The way inside is the
    smaller of two uniform draws up to 25 m (RMa: 10 m). The shadowing of an indoor terminal has a
    standard deviation of 7 dB (RMa: 8 dB). All values to be confirmed against the TR.
    """

    model: Literal["low", "high"] = "low"
    rural: bool = False

    def __post_init__(self) -> None:
        validate_fields(self)

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
