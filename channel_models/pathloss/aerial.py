"""Terminals up to 300 m above the ground: UMa-AV, UMi-AV and RMa-AV of 3GPP TR 36.777, Annex B.

The tables were taken from five public implementations that agree in every constant, not from the
report itself. Some of them let the loss without line of sight in UMa be no less than that with it;
the two differ so nearer than 20 m alone.
"""

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from channel_models.elementary import exp, log10
from channel_models.pathloss._base import (
    Condition,
    HeightRange,
    Link,
    Tr38901Model,
    resolve_los,
    unwrap,
    warn_beyond,
)
from channel_models.pathloss.rma import RMa
from channel_models.pathloss.urban import UMa, UMi
from channel_models.units import PositiveMetres
from channel_models.validation import FloatArray, check_height

_OF_THE_GROUND: Final = (
    "default_base_height",
    "base_heights",
    "maximum_distance",
    "highest_frequency",
    "shadowing_decorrelations",
    "los_decorrelation",
    "k_factor_db",
    "least_delay_frequency",
)


@dataclass(frozen=True, kw_only=True)
class AerialModel(Tr38901Model):
    """Up to `ground_height` the scenario of TR 38.901, above it that of TR 36.777.

    The small-scale parameters (K factor, delay spread) and the decorrelation distances are those of
    the ground at every height.
    """

    condition: Condition = "mixed"

    ground_height: ClassVar[float] = 22.5
    """Height in m up to which a terminal is one of the ground."""
    aerial_distance: ClassVar[float] = 4000.0
    """Largest horizontal distance in m of the aerial formulas."""
    surely_seen: ClassVar[float] = float("inf")
    """Height in m above which every terminal has line of sight (Table B-1)."""
    highest_nlos: ClassVar[float] = float("inf")
    """Height in m above which there is no formula without line of sight (Table B-2)."""
    aerial_nlos_sigma: ClassVar[float] = 6.0
    """dB of shadowing without line of sight (Table B-3)."""
    terminal_heights: ClassVar[HeightRange] = (1.5, 300.0)

    def __init_subclass__(cls, like: type[Tr38901Model]) -> None:
        """Take the constants of the scenario of the ground."""
        for name in _OF_THE_GROUND:
            setattr(cls, name, getattr(like, name))

    @property
    @abstractmethod
    def ground(self) -> Tr38901Model:
        """The scenario of the ground."""

    @abstractmethod
    def _reach(self, height: FloatArray) -> tuple[FloatArray, FloatArray]:
        """m up to which line of sight is sure, and m over which it fades (Table B-1)."""

    @abstractmethod
    def _aerial_los(self, link: Link) -> FloatArray:
        """Loss with line of sight in dB (Table B-2)."""

    @abstractmethod
    def _aerial_nlos(self, link: Link, los: FloatArray) -> FloatArray:
        """Loss without line of sight in dB (Table B-2)."""

    @abstractmethod
    def _aerial_los_sigma(self, height: FloatArray) -> FloatArray:
        """dB of shadowing with line of sight (Table B-3)."""

    def _lg_delay_spreads(self, frequency: float) -> tuple[float, float]:
        return self.ground._lg_delay_spreads(frequency)

    @property
    def _sigmas(self) -> tuple[float, float]:
        return self.ground._sigmas

    def _mixed_probability(self, distance: FloatArray, terminal: FloatArray) -> FloatArray:
        """``d_1/d + exp(-d/p_1)(1 - d_1/d)`` beyond d_1, and 1 for the highest."""
        low, high = self._clip(terminal)
        sure, fading = self._reach(high)
        share = sure / np.maximum(distance, sure)
        aerial = share + exp(-distance / fading) * (1.0 - share)
        aerial = np.where(terminal > self.surely_seen, 1.0, aerial)
        ground = self.ground._mixed_probability(distance, low)
        return np.where(terminal > self.ground_height, aerial, ground)

    def _clip(self, terminal: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return heights as the ground's formulas take them, and as the aerial ones do."""
        return np.minimum(terminal, self.ground_height), np.maximum(terminal, self.ground_height)

    def _check_range(self, link: Link, visible: NDArray[np.bool_]) -> None:
        self.ground._check_range(link, visible)
        distance, height, seen = np.broadcast_arrays(link.d2, link.terminal, visible)
        high = height > self.ground_height
        warn_beyond(distance[high], self.aerial_distance, type(self).__name__)
        check_height("terminal_height", height[~seen], maximum=self.highest_nlos)

    def _los(self, link: Link) -> FloatArray:
        low, high = (replace(link, terminal=height) for height in self._clip(link.terminal))
        aerial, ground = self._aerial_los(high), self.ground._los(low)
        return np.where(link.terminal > self.ground_height, aerial, ground)

    def _nlos(self, link: Link, los: FloatArray) -> FloatArray:
        low, high = (replace(link, terminal=height) for height in self._clip(link.terminal))
        aerial, ground = self._aerial_nlos(high, los), self.ground._nlos(low, los)
        return np.where(link.terminal > self.ground_height, aerial, ground)

    def shadowing_sigma_db(
        self,
        distance: ArrayLike,
        frequency: ArrayLike,
        *,
        base_height: ArrayLike | None = None,
        terminal_height: ArrayLike | None = None,
        los: ArrayLike | None = None,
    ) -> Any:
        """Standard deviation of the shadowing in dB (Table 7.4.1-1, or Table B-3)."""
        _, height = self._check_heights(base_height, terminal_height)
        visible = resolve_los(los, self.condition)
        low, high = self._clip(height)
        ground = self.ground.shadowing_sigma_db(
            distance, frequency, base_height=base_height, terminal_height=low, los=visible
        )
        aerial = np.where(visible, self._aerial_los_sigma(high), self.aerial_nlos_sigma)
        return unwrap(np.where(height > self.ground_height, aerial, ground))


def _free_space(link: Link, slope: FloatArray | float = 20.0) -> FloatArray:
    """``slope log10 d_3D + 20 log10(40 pi f / 3)`` dB with f in GHz: free space at 20."""
    return np.asarray(slope * log10(link.d3) + 20.0 * log10(40.0 * np.pi * link.f / 1e9 / 3.0))


@dataclass(frozen=True, kw_only=True)
class UMaAV(AerialModel, like=UMa):
    """Urban macro with aerial terminals: TR 36.777 Tables B-1 to B-3 above 22.5 m, UMa below.

    With f in GHz and distances in m::

        LOS   = 28.0 + 22 log10 d_3D + 20 log10 f
        NLOS  = -17.5 + (46 - 7 log10 h_UT) log10 d_3D + 20 log10(40 pi f / 3)       h_UT <= 100 m
        d_1   = max(460 log10 h_UT - 700, 18), p_1 = 4300 log10 h_UT - 3800
        sigma = 4.64 exp(-0.0066 h_UT) dB (LOS), 6 dB (NLOS)

    Valid for d_2D <= 4 km and h_UT <= 300 m; above 100 m all have line of sight.
    """

    optional_nlos: bool = False

    surely_seen: ClassVar[float] = 100.0
    highest_nlos: ClassVar[float] = 100.0

    @property
    def ground(self) -> UMa:
        """UMa, with the same NLOS formula."""
        return UMa(condition=self.condition, optional_nlos=self.optional_nlos)

    def _reach(self, height: FloatArray) -> tuple[FloatArray, FloatArray]:
        logarithm = log10(height)
        return np.maximum(460.0 * logarithm - 700.0, 18.0), 4300.0 * logarithm - 3800.0

    def _aerial_los(self, link: Link) -> FloatArray:
        return np.asarray(28.0 + 22.0 * log10(link.d3) + 20.0 * log10(link.f / 1e9))

    def _aerial_nlos(self, link: Link, los: FloatArray) -> FloatArray:
        return _free_space(link, 46.0 - 7.0 * log10(link.terminal)) - 17.5

    def _aerial_los_sigma(self, height: FloatArray) -> FloatArray:
        return np.asarray(4.64 * exp(-0.0066 * height))


@dataclass(frozen=True, kw_only=True)
class UMiAV(AerialModel, like=UMi):
    """Urban micro with aerial terminals: TR 36.777 Tables B-1 to B-3 above 22.5 m, UMi below.

    With f in GHz and distances in m::

        LOS   = max(free space, 30.9 + (22.25 - 0.5 log10 h_UT) log10 d_3D + 20 log10 f)
        NLOS  = max(LOS, 32.4 + (43.2 - 7.6 log10 h_UT) log10 d_3D + 20 log10 f)
        d_1   = max(294.05 log10 h_UT - 432.94, 18), p_1 = 233.98 log10 h_UT - 0.95
        sigma = max(5 exp(-0.01 h_UT), 2) dB (LOS), 8 dB (NLOS)

    Valid for d_2D <= 4 km and h_UT <= 300 m.
    """

    optional_nlos: bool = False

    aerial_nlos_sigma: ClassVar[float] = 8.0

    @property
    def ground(self) -> UMi:
        """UMi, with the same NLOS formula."""
        return UMi(condition=self.condition, optional_nlos=self.optional_nlos)

    def _reach(self, height: FloatArray) -> tuple[FloatArray, FloatArray]:
        logarithm = log10(height)
        return np.maximum(294.05 * logarithm - 432.94, 18.0), 233.98 * logarithm - 0.95

    def _aerial_los(self, link: Link) -> FloatArray:
        slope = 22.25 - 0.5 * log10(link.terminal)
        above = 30.9 + slope * log10(link.d3) + 20.0 * log10(link.f / 1e9)
        return np.asarray(np.maximum(_free_space(link), above))

    def _aerial_nlos(self, link: Link, los: FloatArray) -> FloatArray:
        slope = 43.2 - 7.6 * log10(link.terminal)
        blocked = 32.4 + slope * log10(link.d3) + 20.0 * log10(link.f / 1e9)
        return np.asarray(np.maximum(los, blocked))

    def _aerial_los_sigma(self, height: FloatArray) -> FloatArray:
        return np.asarray(np.maximum(5.0 * exp(-0.01 * height), 2.0))


@dataclass(frozen=True, kw_only=True)
class RMaAV(AerialModel, like=RMa):
    """Rural macro with aerial terminals: TR 36.777 Tables B-1 to B-3 above 10 m, RMa below.

    With f in GHz and distances in m::

        LOS   = max(23.9 - 1.8 log10 h_UT, 20) log10 d_3D + 20 log10(40 pi f / 3)
        NLOS  = max(LOS, -12 + (35 - 5.3 log10 h_UT) log10 d_3D + 20 log10(40 pi f / 3))
        d_1   = max(1350.8 log10 h_UT - 1602, 18), p_1 = max(15021 log10 h_UT - 16053, 1000)
        sigma = 4.2 exp(-0.0046 h_UT) dB (LOS), 6 dB (NLOS)

    Valid for d_2D <= 10 km and h_UT <= 300 m; above 40 m all have line of sight.
    """

    building_height: PositiveMetres = 5.0
    street_width: PositiveMetres = 20.0

    terminal_heights: ClassVar[HeightRange] = (1.0, 300.0)
    ground_height: ClassVar[float] = 10.0
    aerial_distance: ClassVar[float] = 10_000.0
    surely_seen: ClassVar[float] = 40.0

    @property
    def ground(self) -> RMa:
        """RMa of the same buildings and streets."""
        return RMa(
            condition=self.condition,
            building_height=self.building_height,
            street_width=self.street_width,
        )

    def _reach(self, height: FloatArray) -> tuple[FloatArray, FloatArray]:
        logarithm = log10(height)
        sure = np.maximum(1350.8 * logarithm - 1602.0, 18.0)
        return sure, np.maximum(15021.0 * logarithm - 16053.0, 1000.0)

    def _aerial_los(self, link: Link) -> FloatArray:
        return _free_space(link, np.maximum(23.9 - 1.8 * log10(link.terminal), 20.0))

    def _aerial_nlos(self, link: Link, los: FloatArray) -> FloatArray:
        blocked = _free_space(link, 35.0 - 5.3 * log10(link.terminal)) - 12.0
        return np.maximum(los, blocked)

    def _aerial_los_sigma(self, height: FloatArray) -> FloatArray:
        return np.asarray(4.2 * exp(-0.0046 * height))
