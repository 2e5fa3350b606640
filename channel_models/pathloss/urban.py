"""Urban cells of 3GPP TR 38.901: macro (UMa) and micro, street canyon (UMi)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from channel_models.elementary import cubed, exp, log10
from channel_models.pathloss._base import BREAK_POINT_SPEED, Link, Tr38901Model, resolve_los, unwrap
from channel_models.validation import FloatArray, check_array, check_height


@dataclass(frozen=True, kw_only=True)
class UMa(Tr38901Model):
    """Urban macro: TR 38.901 Table 7.4.1-1 (loss) and Table 7.4.2-1 (line of sight).

    With f in GHz, distances in m, ``h' = h - h_E`` and ``d'_BP = 4 h'_BS h'_UT f / c``::

        PL1  = 28.0 + 22 log10 d_3D + 20 log10 f                                  d_2D <= d'_BP
        PL2  = 28.0 + 40 log10 d_3D + 20 log10 f - 9 log10(d'_BP^2 + (h_BS - h_UT)^2)
        NLOS = max(PL_LOS, 13.54 + 39.08 log10 d_3D + 20 log10 f - 0.6 (h_UT - 1.5))
        optional NLOS = 32.4 + 20 log10 f + 30 log10 d_3D

    Valid for 10 m <= d_2D <= 5 km, 0.5 to 100 GHz, 1.5 m <= h_UT <= 22.5 m, h_BS = 25 m (others are
    extrapolated). Shadowing: 4 dB (LOS), 6 dB (NLOS), 7.8 dB (optional NLOS); decorrelation 37 m
    and 50 m (Table 7.5-6).
    ``environment_height`` is h_E: 1 m for terminals below 13 m; higher terminals may see a random
    one, see `draw_environment_height`.
    """

    optional_nlos: bool = False

    default_base_height: ClassVar[float] = 25.0
    maximum_distance: ClassVar[float] = 5000.0
    shadowing_decorrelations: ClassVar[tuple[float, float]] = (37.0, 50.0)
    k_factor_db: ClassVar[float] = 9.0
    least_delay_frequency: ClassVar[float] = 6e9

    def _lg_delay_spreads(self, frequency: float) -> tuple[float, float]:
        return -6.955 - 0.0963 * log10(frequency), -6.28 - 0.204 * log10(frequency)

    def _mixed_probability(self, distance: FloatArray, terminal: FloatArray) -> FloatArray:
        """``[18/d + exp(-d/63)(1 - 18/d)] [1 + C'(h) 1.25 (d/100)^3 exp(-d/150)]`` beyond 18 m.

        ``C' = ((h - 13)/10)^1.5`` above 13 m and 0 below.
        """
        far = np.maximum(distance, 18.0)
        near_term = 18.0 / far + exp(-far / 63.0) * (1.0 - 18.0 / far)
        lift = 1.0 + height_factor(terminal) * 1.25 * cubed(far / 100.0) * exp(-far / 150.0)
        # For tall terminals the formula exceeds 1.
        return np.where(distance <= 18.0, 1.0, np.minimum(near_term * lift, 1.0))

    def loss_db(
        self,
        distance: ArrayLike,
        frequency: ArrayLike,
        *,
        base_height: ArrayLike | None = None,
        terminal_height: ArrayLike | None = None,
        los: ArrayLike | None = None,
        environment_height: ArrayLike = 1.0,
    ) -> Any:
        """Path loss in dB (without shadowing) at horizontal ``distance`` (m), carrier in Hz."""
        link = self._link(distance, frequency, base_height, terminal_height)
        h_e = check_array("environment_height", environment_height, minimum=0.0, unit="m")
        visible = resolve_los(los, self.condition)
        self._check_range(link, visible)
        return self._either(link, visible, _urban_los(link, 28.0, 22.0, 9.0, h_e))

    def _los(self, link: Link) -> FloatArray:
        return _urban_los(link, 28.0, 22.0, 9.0, 1.0)

    def _nlos(self, link: Link, los: FloatArray) -> FloatArray:
        logarithm, ghz = log10(link.d3), log10(link.f / 1e9)
        if self.optional_nlos:
            return np.asarray(32.4 + 20.0 * ghz + 30.0 * logarithm)
        fitted = 13.54 + 39.08 * logarithm + 20.0 * ghz - 0.6 * (link.terminal - 1.5)
        return np.asarray(np.maximum(los, fitted))

    @property
    def _sigmas(self) -> tuple[float, float]:
        return 4.0, 7.8 if self.optional_nlos else 6.0


@dataclass(frozen=True, kw_only=True)
class UMi(Tr38901Model):
    """Urban micro, street canyon: TR 38.901 Table 7.4.1-1 and Table 7.4.2-1.

    With f in GHz, distances in m and ``d'_BP = 4 (h_BS - 1)(h_UT - 1) f / c``::

        PL1  = 32.4 + 21 log10 d_3D + 20 log10 f                                  d_2D <= d'_BP
        PL2  = 32.4 + 40 log10 d_3D + 20 log10 f - 9.5 log10(d'_BP^2 + (h_BS - h_UT)^2)
        NLOS = max(PL_LOS, 22.4 + 35.3 log10 d_3D + 21.3 log10 f - 0.3 (h_UT - 1.5))
        optional NLOS = 32.4 + 20 log10 f + 31.9 log10 d_3D

    Valid for 10 m <= d_2D <= 5 km, 0.5 to 100 GHz, 1.5 m <= h_UT <= 22.5 m, h_BS = 10 m (others are
    extrapolated). Shadowing: 4 dB (LOS), 7.82 dB (NLOS), 8.2 dB (optional NLOS); decorrelation 10 m
    and 13 m (Table 7.5-6).
    """

    optional_nlos: bool = False

    default_base_height: ClassVar[float] = 10.0
    maximum_distance: ClassVar[float] = 5000.0
    shadowing_decorrelations: ClassVar[tuple[float, float]] = (10.0, 13.0)
    k_factor_db: ClassVar[float] = 9.0
    least_delay_frequency: ClassVar[float] = 2e9

    def _lg_delay_spreads(self, frequency: float) -> tuple[float, float]:
        return -0.24 * log10(1 + frequency) - 7.14, -0.24 * log10(1 + frequency) - 6.83

    def _mixed_probability(self, distance: FloatArray, terminal: FloatArray) -> FloatArray:
        """``18/d + exp(-d/36)(1 - 18/d)`` beyond 18 m."""
        far = np.maximum(distance, 18.0)
        return np.asarray(18.0 / far + exp(-far / 36.0) * (1.0 - 18.0 / far))

    def _los(self, link: Link) -> FloatArray:
        return _urban_los(link, 32.4, 21.0, 9.5, 1.0)

    def _nlos(self, link: Link, los: FloatArray) -> FloatArray:
        logarithm, ghz = log10(link.d3), log10(link.f / 1e9)
        if self.optional_nlos:
            return np.asarray(32.4 + 20.0 * ghz + 31.9 * logarithm)
        fitted = 22.4 + 35.3 * logarithm + 21.3 * ghz - 0.3 * (link.terminal - 1.5)
        return np.asarray(np.maximum(los, fitted))

    @property
    def _sigmas(self) -> tuple[float, float]:
        return 4.0, 8.2 if self.optional_nlos else 7.82


def _urban_los(
    link: Link, constant: float, slope: float, corner: float, environment: FloatArray | float
) -> FloatArray:
    """PL1 up to the break point, PL2 beyond it; ``environment`` is h_E in m."""
    logarithm, ghz = log10(link.d3), log10(link.f / 1e9)
    effective = 4.0 * (link.base - environment) * (link.terminal - environment)
    break_point = effective * link.f / BREAK_POINT_SPEED
    rise = link.base - link.terminal
    square = break_point * break_point + rise * rise
    before = constant + slope * logarithm + 20.0 * ghz
    after = constant + 40.0 * logarithm + 20.0 * ghz - corner * log10(square)
    return np.asarray(np.where(link.d2 <= break_point, before, after))


def height_factor(terminal_height: ArrayLike) -> FloatArray:
    """``C'(h_UT)`` of Table 7.4.2-1: 0 up to 13 m, ``((h_UT - 13)/10)^1.5`` above."""
    h = np.asarray(terminal_height, dtype=float)
    above = np.maximum((h - 13.0) / 10.0, 0.0)
    return above * np.sqrt(above)


def environment_one_metre_probability(distance: ArrayLike, terminal_height: ArrayLike) -> Any:
    """Probability that the effective environment height is 1 m: ``1/(1 + C(d_2D, h_UT))``.

    ``C = C'(h_UT) g(d_2D)`` with ``g = 1.25 (d/100)^3 exp(-d/150)`` beyond 18 m and 0 below
    (TR 38.901 Table 7.4.1-1 Note 1).
    """
    d = check_array("distance", distance, minimum=0.0, unit="m")
    h = check_height("terminal_height", terminal_height, 1.5, 22.5)
    g = np.where(d > 18.0, 1.25 * cubed(d / 100.0) * exp(-d / 150.0), 0.0)
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
