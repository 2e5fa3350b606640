"""Urban macro cell (UMa) of 3GPP TR 38.901."""

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
from channel_models.validation import FloatArray, check_array, validate_fields


@dataclass(frozen=True, kw_only=True)
class UMa:
    """Urban macro: TR 38.901 Table 7.4.1-1 (loss) and Table 7.4.2-1 (line of sight).

    With f in GHz, distances in m, ``h' = h - h_E`` and ``d'_BP = 4 h'_BS h'_UT f / c``::

        PL1  = 28.0 + 22 log10 d_3D + 20 log10 f                                  d_2D <= d'_BP
        PL2  = 28.0 + 40 log10 d_3D + 20 log10 f - 9 log10(d'_BP^2 + (h_BS - h_UT)^2)
        NLOS = max(PL_LOS, 13.54 + 39.08 log10 d_3D + 20 log10 f - 0.6 (h_UT - 1.5))
        optional NLOS = 32.4 + 20 log10 f + 30 log10 d_3D

    Valid for 10 m <= d_2D <= 5 km, 0.5 to 100 GHz, 1.5 m <= h_UT <= 22.5 m. Shadowing: 4 dB (LOS),
    6 dB (NLOS), 7.8 dB (optional NLOS); decorrelation 37 m and 50 m (Table 7.5-6).
    ``environment_height`` is h_E: 1 m for terminals below 13 m; higher terminals may see a random
    one, see `draw_environment_height`.
    """

    condition: Condition = "nlos"
    optional_nlos: bool = False

    default_base_height: ClassVar[float] = 25.0
    default_terminal_height: ClassVar[float] = 1.5
    minimum_distance: ClassVar[float] = 10.0
    maximum_distance: ClassVar[float] = 5000.0

    def __post_init__(self) -> None:
        validate_fields(self)

    def los_probability(self, distance: ArrayLike, *, terminal_height: ArrayLike = 1.5) -> Any:
        """Probability of line of sight at outdoor horizontal ``distance`` (Table 7.4.2-1).

        ``[18/d + exp(-d/63)(1 - 18/d)] [1 + C'(h) 1.25 (d/100)^3 exp(-d/150)]`` beyond 18 m, with
        ``C' = ((h - 13)/10)^1.5`` above 13 m and 0 below; 0 or 1 when the condition is fixed.
        """
        d = check_array("distance", distance, minimum=0.0, unit="m")
        h = check_height("terminal_height", terminal_height, 1.5, 22.5)
        d, h = np.broadcast_arrays(d, h)
        fixed = fixed_probability(self.condition, d.shape)
        if fixed is not None:
            return unwrap(fixed)
        far = np.maximum(d, 18.0)
        near_term = 18.0 / far + np.exp(-far / 63.0) * (1.0 - 18.0 / far)
        lift = 1.0 + height_factor(h) * 1.25 * (far / 100.0) ** 3 * np.exp(-far / 150.0)
        return unwrap(np.where(d <= 18.0, 1.0, near_term * lift))

    def loss_db(
        self,
        distance: ArrayLike,
        frequency: ArrayLike,
        *,
        base_height: ArrayLike = 25.0,
        terminal_height: ArrayLike = 1.5,
        los: ArrayLike | None = None,
        environment_height: ArrayLike = 1.0,
    ) -> Any:
        """Path loss in dB (without shadowing) at horizontal ``distance`` (m), carrier in Hz."""
        d2 = check_distance(distance, self.minimum_distance, self.maximum_distance, "UMa")
        f = check_frequency(frequency, 0.5e9, 100e9)
        h_base = check_array("base_height", base_height, minimum=0.0, exclusive=True, unit="m")
        h_terminal = check_height("terminal_height", terminal_height, 1.5, 22.5)
        h_e = check_array("environment_height", environment_height, minimum=0.0, unit="m")
        visible = resolve_los(los, self.condition)
        d3 = slant_distance(d2, h_base, h_terminal)
        direct = _line_of_sight(d2, d3, f, h_base, h_terminal, h_e)
        frequency_term = 20.0 * np.log10(f / 1e9)
        if self.optional_nlos:
            blocked = 32.4 + frequency_term + 30.0 * np.log10(d3)
        else:
            blocked = np.maximum(
                direct,
                13.54 + 39.08 * np.log10(d3) + frequency_term - 0.6 * (h_terminal - 1.5),
            )
        return unwrap(np.where(visible, direct, blocked))

    def shadowing_sigma_db(
        self,
        distance: ArrayLike,
        frequency: ArrayLike,
        *,
        base_height: ArrayLike = 25.0,
        terminal_height: ArrayLike = 1.5,
        los: ArrayLike | None = None,
    ) -> Any:
        """Standard deviation of the shadowing in dB (Table 7.4.1-1)."""
        visible = resolve_los(los, self.condition)
        shape = np.broadcast_shapes(np.shape(distance), np.shape(frequency), visible.shape)
        sigma = np.where(visible, 4.0, 7.8 if self.optional_nlos else 6.0)
        return unwrap(np.broadcast_to(sigma, shape))

    def shadowing_decorrelation(self, los: ArrayLike | None = None) -> Any:
        """Decorrelation distance of the shadowing in m (Table 7.5-6)."""
        return unwrap(np.where(resolve_los(los, self.condition), 37.0, 50.0))


def _line_of_sight(
    d2: FloatArray,
    d3: FloatArray,
    f: FloatArray,
    h_base: FloatArray,
    h_terminal: FloatArray,
    h_e: FloatArray,
) -> FloatArray:
    break_point = 4.0 * (h_base - h_e) * (h_terminal - h_e) * f / BREAK_POINT_SPEED
    frequency_term = 20.0 * np.log10(f / 1e9)
    before = 28.0 + 22.0 * np.log10(d3) + frequency_term
    after = (
        28.0
        + 40.0 * np.log10(d3)
        + frequency_term
        - 9.0 * np.log10(break_point**2 + (h_base - h_terminal) ** 2)
    )
    return np.where(d2 <= break_point, before, after)


def height_factor(terminal_height: ArrayLike) -> FloatArray:
    """``C'(h_UT)`` of Table 7.4.2-1: 0 up to 13 m, ``((h_UT - 13)/10)^1.5`` above."""
    h = np.asarray(terminal_height, dtype=float)
    return np.maximum((h - 13.0) / 10.0, 0.0) ** 1.5


def environment_one_metre_probability(distance: ArrayLike, terminal_height: ArrayLike) -> Any:
    """Probability that the effective environment height is 1 m: ``1/(1 + C(d_2D, h_UT))``.

    ``C = C'(h_UT) g(d_2D)`` with ``g = 1.25 (d/100)^3 exp(-d/150)`` beyond 18 m and 0 below
    (TR 38.901 Table 7.4.1-1 Note 1).
    """
    d = check_array("distance", distance, minimum=0.0, unit="m")
    h = check_height("terminal_height", terminal_height, 1.5, 22.5)
    g = np.where(d > 18.0, 1.25 * (d / 100.0) ** 3 * np.exp(-d / 150.0), 0.0)
    return unwrap(1.0 / (1.0 + height_factor(h) * g))


def draw_environment_height(
    distance: ArrayLike, terminal_height: ArrayLike, stream: np.random.Generator
) -> Any:
    """Effective environment height h_E in m for UMa (TR 38.901 Table 7.4.1-1 Note 1).

    1 m with probability `environment_one_metre_probability`, otherwise uniform over
    12, 15, ..., h_UT - 1.5 m.
    """
    probability = environment_one_metre_probability(distance, terminal_height)
    h = np.broadcast_to(np.asarray(terminal_height, dtype=float), np.shape(probability))
    one_metre = stream.random(h.shape) < probability
    choices = np.maximum(np.floor((h - 1.5 - 12.0) / 3.0 + 1e-9) + 1.0, 1.0)
    stepped = 12.0 + 3.0 * np.floor(stream.random(h.shape) * choices)
    return unwrap(np.where(one_metre, 1.0, stepped))
