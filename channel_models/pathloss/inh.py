"""Indoor hotspot office (InH) of 3GPP TR 38.901."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike

from channel_models.pathloss._base import (
    Condition,
    check_distance,
    check_frequency,
    fixed_probability,
    resolve_los,
    slant_distance,
    unwrap,
    warn_beyond,
)
from channel_models.validation import check_array, validate_fields


@dataclass(frozen=True, kw_only=True)
class InH:
    """Indoor office: TR 38.901 Table 7.4.1-1 and Table 7.4.2-1.

    With f in GHz and distances in m::

        LOS  = 32.4 + 17.3 log10 d_3D + 20 log10 f
        NLOS = max(LOS, 17.30 + 38.3 log10 d_3D + 24.9 log10 f)
        optional NLOS = 32.4 + 20 log10 f + 31.9 log10 d_3D

    Valid for 1 m <= d_3D <= 150 m, 0.5 to 100 GHz. Shadowing: 3 dB (LOS), 8.03 dB (NLOS), 8.29 dB
    (optional NLOS); decorrelation 10 m and 6 m (Table 7.5-6, to be confirmed against the TR).
    ``office`` chooses the line-of-sight probability of the mixed or the open office.
    """

    condition: Condition = "nlos"
    optional_nlos: bool = False
    office: Literal["mixed", "open"] = "mixed"

    default_base_height: ClassVar[float] = 3.0
    default_terminal_height: ClassVar[float] = 1.0
    minimum_distance: ClassVar[float] = 1.0
    maximum_distance: ClassVar[float] = 150.0

    def __post_init__(self) -> None:
        validate_fields(self)

    def los_probability(self, distance: ArrayLike, *, terminal_height: ArrayLike = 1.0) -> Any:
        """Probability of line of sight at horizontal ``distance`` (Table 7.4.2-1).

        Mixed office: 1 up to 1.2 m, ``exp(-(d - 1.2)/4.7)`` up to 6.5 m, then
        ``0.32 exp(-(d - 6.5)/32.6)``. Open office: 1 up to 5 m, ``exp(-(d - 5)/70.8)`` up to 49 m,
        then ``0.54 exp(-(d - 49)/211.7)``. 0 or 1 when the condition is fixed.
        """
        d = check_array("distance", distance, minimum=0.0, unit="m")
        h = check_array("terminal_height", terminal_height, minimum=0.0, unit="m")
        d, _ = np.broadcast_arrays(d, h)
        fixed = fixed_probability(self.condition, d.shape)
        if fixed is not None:
            return unwrap(fixed)
        if self.office == "mixed":
            near, corner, middle, far, scale = 1.2, 6.5, 4.7, 32.6, 0.32
            inside = d < corner
        else:
            near, corner, middle, far, scale = 5.0, 49.0, 70.8, 211.7, 0.54
            inside = d <= corner
        close = np.exp(-np.maximum(d - near, 0.0) / middle)
        return unwrap(np.where(inside, close, scale * np.exp(-(d - corner) / far)))

    def loss_db(
        self,
        distance: ArrayLike,
        frequency: ArrayLike,
        *,
        base_height: ArrayLike = 3.0,
        terminal_height: ArrayLike = 1.0,
        los: ArrayLike | None = None,
    ) -> Any:
        """Path loss in dB (without shadowing) at horizontal ``distance`` (m), carrier in Hz."""
        d2 = check_distance(distance, 0.0, np.inf, "InH")
        f = check_frequency(frequency, 0.5e9, 100e9)
        h_base = check_array("base_height", base_height, minimum=0.0, unit="m")
        h_terminal = check_array("terminal_height", terminal_height, minimum=0.0, unit="m")
        visible = resolve_los(los, self.condition)
        d3 = slant_distance(d2, h_base, h_terminal)
        check_array("3-D distance", d3, minimum=self.minimum_distance, unit="m", rule=" for InH")
        warn_beyond(d3, self.maximum_distance, "InH")
        logarithm, ghz = np.log10(d3), np.log10(f / 1e9)
        direct = 32.4 + 17.3 * logarithm + 20.0 * ghz
        if self.optional_nlos:
            blocked = 32.4 + 20.0 * ghz + 31.9 * logarithm
        else:
            blocked = np.maximum(direct, 17.30 + 38.3 * logarithm + 24.9 * ghz)
        return unwrap(np.where(visible, direct, blocked))

    def shadowing_sigma_db(
        self,
        distance: ArrayLike,
        frequency: ArrayLike,
        *,
        base_height: ArrayLike = 3.0,
        terminal_height: ArrayLike = 1.0,
        los: ArrayLike | None = None,
    ) -> Any:
        """Standard deviation of the shadowing in dB (Table 7.4.1-1)."""
        visible = resolve_los(los, self.condition)
        shape = np.broadcast_shapes(np.shape(distance), np.shape(frequency), visible.shape)
        sigma = np.where(visible, 3.0, 8.29 if self.optional_nlos else 8.03)
        return unwrap(np.broadcast_to(sigma, shape))

    def shadowing_decorrelation(self, los: ArrayLike | None = None) -> Any:
        """Decorrelation distance of the shadowing in m (Table 7.5-6)."""
        return unwrap(np.where(resolve_los(los, self.condition), 10.0, 6.0))
