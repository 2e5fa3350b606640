"""Rural macro cell (RMa) of 3GPP TR 38.901."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from channel_models.elementary import exp, log10, power
from channel_models.pathloss._base import (
    BREAK_POINT_SPEED,
    HeightRange,
    Link,
    Tr38901Model,
    resolve_los,
    unwrap,
    warn_beyond,
)
from channel_models.units import PositiveMetres
from channel_models.validation import FloatArray, check_array, check_frequency, check_height


@dataclass(frozen=True, kw_only=True)
class RMa(Tr38901Model):
    """Rural macro: TR 38.901 Table 7.4.1-1 and Table 7.4.2-1.

    With f in GHz, distances in m, h the mean building height, W the mean street width and
    ``d_BP = 2 pi h_BS h_UT f / c``::

        PL1  = 20 log10(40 pi d_3D f / 3) + min(0.03 h^1.72, 10) log10 d_3D
               - min(0.044 h^1.72, 14.77) + 0.002 log10(h) d_3D                   d_2D <= d_BP
        PL2  = PL1(d_BP) + 40 log10(d_3D / d_BP)
        NLOS = max(PL_LOS, 161.04 - 7.1 log10 W + 7.5 log10 h
               - (24.37 - 3.7 (h/h_BS)^2) log10 h_BS
               + (43.42 - 3.1 log10 h_BS)(log10 d_3D - 3) + 20 log10 f
               - (3.2 log10(11.75 h_UT)^2 - 4.97))

    Valid for 10 m <= d_2D <= 10 km (NLOS 5 km), 0.5 to 30 GHz, 5 <= h, W <= 50 m,
    10 <= h_BS <= 150 m, 1 <= h_UT <= 10 m. PL2 is not exactly continuous at d_BP, because the table
    puts the horizontal d_BP into PL1. There is no optional NLOS formula. Shadowing: 4 dB (LOS
    before the break point), 6 dB (beyond), 8 dB (NLOS); decorrelation 37 m and 120 m (Table 7.5-6).
    """

    building_height: PositiveMetres = 5.0
    street_width: PositiveMetres = 20.0

    default_base_height: ClassVar[float] = 35.0
    maximum_distance: ClassVar[float] = 10_000.0
    maximum_nlos_distance: ClassVar[float] = 5000.0
    highest_frequency: ClassVar[float] = 30e9
    base_heights: ClassVar[HeightRange] = (10.0, 150.0)
    terminal_heights: ClassVar[HeightRange] = (1.0, 10.0)
    shadowing_decorrelations: ClassVar[tuple[float, float]] = (37.0, 120.0)
    los_decorrelation: ClassVar[float] = 60.0
    k_factor_db: ClassVar[float] = 7.0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("building_height", "street_width"):
            check_height(name, getattr(self, name), 5.0, 50.0)

    def _lg_delay_spreads(self, frequency: float) -> tuple[float, float]:
        return -7.49, -7.43

    def _mixed_probability(self, distance: FloatArray, terminal: FloatArray) -> FloatArray:
        """``exp(-(d - 10)/1000)`` beyond 10 m."""
        return np.asarray(exp(-np.maximum(distance - 10.0, 0.0) / 1000.0))

    def break_point(
        self,
        frequency: ArrayLike,
        *,
        base_height: ArrayLike | None = None,
        terminal_height: ArrayLike | None = None,
    ) -> Any:
        """Break-point distance ``2 pi h_BS h_UT f / c`` in m (c = 3e8 m/s as the TR says)."""
        f = check_frequency(frequency, 0.5e9, self.highest_frequency)
        base, terminal = self._check_heights(base_height, terminal_height)
        return unwrap(2.0 * np.pi * base * terminal * f / BREAK_POINT_SPEED)

    def _check_range(self, link: Link, visible: NDArray[np.bool_]) -> None:
        warn_beyond(link.d2, self.maximum_distance, "RMa")
        distance, blocked = np.broadcast_arrays(link.d2, ~visible)
        inside = distance[blocked & (distance <= self.maximum_distance)]
        warn_beyond(inside, self.maximum_nlos_distance, "RMa NLOS")

    def _los(self, link: Link) -> FloatArray:
        corner = np.asarray(
            self.break_point(link.f, base_height=link.base, terminal_height=link.terminal)
        )
        beyond = self._before_break(corner, link.f) + 40.0 * log10(link.d3 / corner)
        return np.where(link.d2 <= corner, self._before_break(link.d3, link.f), beyond)

    def _before_break(self, d: FloatArray, f: FloatArray) -> FloatArray:
        h = self.building_height
        loss: FloatArray = (
            20.0 * log10(40.0 * np.pi * d * (f / 1e9) / 3.0)
            + min(0.03 * power(h, 1.72), 10.0) * log10(d)
            - min(0.044 * power(h, 1.72), 14.77)
            + 0.002 * log10(h) * d
        )
        return loss

    def _nlos(self, link: Link, los: FloatArray) -> FloatArray:
        h = self.building_height
        fitted: FloatArray = (
            161.04
            - 7.1 * log10(self.street_width)
            + 7.5 * log10(h)
            - (24.37 - 3.7 * np.square(h / link.base)) * log10(link.base)
            + (43.42 - 3.1 * log10(link.base)) * (log10(link.d3) - 3.0)
            + 20.0 * log10(link.f / 1e9)
            - (3.2 * np.square(log10(11.75 * link.terminal)) - 4.97)
        )
        return np.maximum(los, fitted)

    @property
    def _sigmas(self) -> tuple[float, float]:
        return 4.0, 8.0

    def shadowing_sigma_db(
        self,
        distance: ArrayLike,
        frequency: ArrayLike,
        *,
        base_height: ArrayLike | None = None,
        terminal_height: ArrayLike | None = None,
        los: ArrayLike | None = None,
    ) -> Any:
        """Standard deviation of the shadowing in dB (Table 7.4.1-1)."""
        d2 = check_array("distance", distance, minimum=0.0, unit="m")
        corner = self.break_point(
            frequency, base_height=base_height, terminal_height=terminal_height
        )
        visible = resolve_los(los, self.condition)
        return unwrap(np.where(visible, np.where(d2 <= corner, 4.0, 6.0), 8.0))
