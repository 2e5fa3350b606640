"""Indoor hotspot office (InH) of 3GPP TR 38.901."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from channel_models.elementary import exp, log10
from channel_models.pathloss._base import HeightRange, Link, Tr38901Model, warn_beyond
from channel_models.validation import (
    FloatArray,
    check_array,
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
