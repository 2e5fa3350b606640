"""Urban micro street canyon (UMi) of 3GPP TR 38.901."""

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
)
from channel_models.validation import check_array, validate_fields

_ENVIRONMENT_HEIGHT = 1.0


@dataclass(frozen=True, kw_only=True)
class UMi:
    """Urban micro, street canyon: TR 38.901 Table 7.4.1-1 and Table 7.4.2-1.

    With f in GHz, distances in m and ``d'_BP = 4 (h_BS - 1)(h_UT - 1) f / c``::

        PL1  = 32.4 + 21 log10 d_3D + 20 log10 f                                  d_2D <= d'_BP
        PL2  = 32.4 + 40 log10 d_3D + 20 log10 f - 9.5 log10(d'_BP^2 + (h_BS - h_UT)^2)
        NLOS = max(PL_LOS, 22.4 + 35.3 log10 d_3D + 21.3 log10 f - 0.3 (h_UT - 1.5))
        optional NLOS = 32.4 + 20 log10 f + 31.9 log10 d_3D

    Valid for 10 m <= d_2D <= 5 km, 0.5 to 100 GHz, 1.5 m <= h_UT <= 22.5 m. Shadowing: 4 dB (LOS),
    7.82 dB (NLOS), 8.2 dB (optional NLOS); decorrelation 10 m and 13 m (Table 7.5-6).
    """

    condition: Condition = "nlos"
    optional_nlos: bool = False

    default_base_height: ClassVar[float] = 10.0
    default_terminal_height: ClassVar[float] = 1.5
    minimum_distance: ClassVar[float] = 10.0
    maximum_distance: ClassVar[float] = 5000.0

    def __post_init__(self) -> None:
        validate_fields(self)

    def los_probability(self, distance: ArrayLike, *, terminal_height: ArrayLike = 1.5) -> Any:
        """Probability of line of sight at outdoor horizontal ``distance`` (Table 7.4.2-1).

        ``18/d + exp(-d/36)(1 - 18/d)`` beyond 18 m; 0 or 1 when the condition is fixed.
        """
        d = check_array("distance", distance, minimum=0.0, unit="m")
        d, _ = np.broadcast_arrays(d, check_height("terminal_height", terminal_height, 1.5, 22.5))
        fixed = fixed_probability(self.condition, d.shape)
        if fixed is not None:
            return unwrap(fixed)
        far = np.maximum(d, 18.0)
        return unwrap(18.0 / far + np.exp(-far / 36.0) * (1.0 - 18.0 / far))

    def loss_db(
        self,
        distance: ArrayLike,
        frequency: ArrayLike,
        *,
        base_height: ArrayLike = 10.0,
        terminal_height: ArrayLike = 1.5,
        los: ArrayLike | None = None,
    ) -> Any:
        """Path loss in dB (without shadowing) at horizontal ``distance`` (m), carrier in Hz."""
        d2 = check_distance(distance, self.minimum_distance, self.maximum_distance, "UMi")
        f = check_frequency(frequency, 0.5e9, 100e9)
        h_base = check_array("base_height", base_height, minimum=0.0, exclusive=True, unit="m")
        h_terminal = check_height("terminal_height", terminal_height, 1.5, 22.5)
        visible = resolve_los(los, self.condition)
        d3 = slant_distance(d2, h_base, h_terminal)
        logarithm, ghz = np.log10(d3), np.log10(f / 1e9)
        break_point = (
            4.0 * (h_base - _ENVIRONMENT_HEIGHT) * (h_terminal - _ENVIRONMENT_HEIGHT) * f
        ) / BREAK_POINT_SPEED
        before = 32.4 + 21.0 * logarithm + 20.0 * ghz
        after = (
            32.4
            + 40.0 * logarithm
            + 20.0 * ghz
            - 9.5 * np.log10(break_point**2 + (h_base - h_terminal) ** 2)
        )
        direct = np.where(d2 <= break_point, before, after)
        if self.optional_nlos:
            blocked = 32.4 + 20.0 * ghz + 31.9 * logarithm
        else:
            fitted = 22.4 + 35.3 * logarithm + 21.3 * ghz - 0.3 * (h_terminal - 1.5)
            blocked = np.maximum(direct, fitted)
        return unwrap(np.where(visible, direct, blocked))

    def shadowing_sigma_db(
        self,
        distance: ArrayLike,
        frequency: ArrayLike,
        *,
        base_height: ArrayLike = 10.0,
        terminal_height: ArrayLike = 1.5,
        los: ArrayLike | None = None,
    ) -> Any:
        """Standard deviation of the shadowing in dB (Table 7.4.1-1)."""
        visible = resolve_los(los, self.condition)
        shape = np.broadcast_shapes(np.shape(distance), np.shape(frequency), visible.shape)
        sigma = np.where(visible, 4.0, 8.2 if self.optional_nlos else 7.82)
        return unwrap(np.broadcast_to(sigma, shape))

    def shadowing_decorrelation(self, los: ArrayLike | None = None) -> Any:
        """Decorrelation distance of the shadowing in m (Table 7.5-6)."""
        return unwrap(np.where(resolve_los(los, self.condition), 10.0, 13.0))
