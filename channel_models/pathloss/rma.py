"""Rural macro cell (RMa) of 3GPP TR 38.901."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from channel_models.pathloss._base import (
    BREAK_POINT_SPEED,
    Condition,
    check_distance,
    check_frequency,
    check_height,
    fixed_probability,
    resolve_los,
    slant_distance,
    unwrap,
    warn_beyond,
)
from channel_models.units import PositiveMetres
from channel_models.validation import FloatArray, check_array, validate_fields


@dataclass(frozen=True, kw_only=True)
class RMa:
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

    condition: Condition = "nlos"
    building_height: PositiveMetres = 5.0
    street_width: PositiveMetres = 20.0

    default_base_height: ClassVar[float] = 35.0
    default_terminal_height: ClassVar[float] = 1.5
    minimum_distance: ClassVar[float] = 10.0
    maximum_distance: ClassVar[float] = 10_000.0
    maximum_nlos_distance: ClassVar[float] = 5000.0

    def __post_init__(self) -> None:
        validate_fields(self)
        for name in ("building_height", "street_width"):
            check_array(name, getattr(self, name), minimum=5.0, maximum=50.0, unit="m")

    def los_probability(self, distance: ArrayLike, *, terminal_height: ArrayLike = 1.5) -> Any:
        """Probability of line of sight at outdoor horizontal ``distance`` (Table 7.4.2-1).

        ``exp(-(d - 10)/1000)`` beyond 10 m; 0 or 1 when the condition is fixed.
        """
        d = check_array("distance", distance, minimum=0.0, unit="m")
        d, _ = np.broadcast_arrays(d, check_height("terminal_height", terminal_height, 1.0, 10.0))
        fixed = fixed_probability(self.condition, d.shape)
        if fixed is not None:
            return unwrap(fixed)
        return unwrap(np.exp(-np.maximum(d - 10.0, 0.0) / 1000.0))

    def break_point(
        self,
        frequency: ArrayLike,
        *,
        base_height: ArrayLike = 35.0,
        terminal_height: ArrayLike = 1.5,
    ) -> Any:
        """Break-point distance ``2 pi h_BS h_UT f / c`` in m (c = 3e8 m/s as the TR says)."""
        f = check_frequency(frequency, 0.5e9, 30e9)
        h_base = check_height("base_height", base_height, 10.0, 150.0)
        h_terminal = check_height("terminal_height", terminal_height, 1.0, 10.0)
        return unwrap(2.0 * np.pi * h_base * h_terminal * f / BREAK_POINT_SPEED)

    def loss_db(
        self,
        distance: ArrayLike,
        frequency: ArrayLike,
        *,
        base_height: ArrayLike = 35.0,
        terminal_height: ArrayLike = 1.5,
        los: ArrayLike | None = None,
    ) -> Any:
        """Path loss in dB (without shadowing) at horizontal ``distance`` (m), carrier in Hz."""
        d2 = check_distance(distance, self.minimum_distance, self.maximum_distance, "RMa")
        f = check_frequency(frequency, 0.5e9, 30e9)
        h_base = check_height("base_height", base_height, 10.0, 150.0)
        h_terminal = check_height("terminal_height", terminal_height, 1.0, 10.0)
        visible = resolve_los(los, self.condition)
        _warn_nlos(d2, visible, self.maximum_nlos_distance, self.maximum_distance)
        d3 = slant_distance(d2, h_base, h_terminal)
        corner = np.asarray(
            self.break_point(f, base_height=h_base, terminal_height=h_terminal), dtype=float
        )
        direct = np.where(
            d2 <= corner,
            self._before_break(d3, f),
            self._before_break(corner, f) + 40.0 * np.log10(d3 / corner),
        )
        blocked = np.maximum(direct, self._fitted_nlos(d3, f, h_base, h_terminal))
        return unwrap(np.where(visible, direct, blocked))

    def _before_break(self, d: FloatArray, f: FloatArray) -> FloatArray:
        h = self.building_height
        loss: FloatArray = (
            20.0 * np.log10(40.0 * np.pi * d * (f / 1e9) / 3.0)
            + min(0.03 * h**1.72, 10.0) * np.log10(d)
            - min(0.044 * h**1.72, 14.77)
            + 0.002 * np.log10(h) * d
        )
        return loss

    def _fitted_nlos(
        self, d3: FloatArray, f: FloatArray, h_base: FloatArray, h_terminal: FloatArray
    ) -> FloatArray:
        h = self.building_height
        loss: FloatArray = (
            161.04
            - 7.1 * np.log10(self.street_width)
            + 7.5 * np.log10(h)
            - (24.37 - 3.7 * (h / h_base) ** 2) * np.log10(h_base)
            + (43.42 - 3.1 * np.log10(h_base)) * (np.log10(d3) - 3.0)
            + 20.0 * np.log10(f / 1e9)
            - (3.2 * np.log10(11.75 * h_terminal) ** 2 - 4.97)
        )
        return loss

    def shadowing_sigma_db(
        self,
        distance: ArrayLike,
        frequency: ArrayLike,
        *,
        base_height: ArrayLike = 35.0,
        terminal_height: ArrayLike = 1.5,
        los: ArrayLike | None = None,
    ) -> Any:
        """Standard deviation of the shadowing in dB (Table 7.4.1-1)."""
        d2 = check_array("distance", distance, minimum=0.0, unit="m")
        corner = self.break_point(
            frequency, base_height=base_height, terminal_height=terminal_height
        )
        visible = resolve_los(los, self.condition)
        return unwrap(np.where(visible, np.where(d2 <= corner, 4.0, 6.0), 8.0))

    def shadowing_decorrelation(self, los: ArrayLike | None = None) -> Any:
        """Decorrelation distance of the shadowing in m (Table 7.5-6)."""
        return unwrap(np.where(resolve_los(los, self.condition), 37.0, 120.0))


def _warn_nlos(d2: FloatArray, visible: Any, limit: float, hard: float) -> None:
    blocked = np.broadcast_arrays(d2, ~visible)
    chosen = blocked[0][blocked[1] & (blocked[0] <= hard)]
    warn_beyond(chosen, limit, "RMa NLOS")
