"""What the path-loss models share: distances, ranges, line of sight and shadowing sigma."""

import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from channel_models.elementary import hypot, power
from channel_models.plots import plot
from channel_models.validation import (
    FloatArray,
    Validated,
    check_array,
    check_distance,
    check_frequency,
    check_height,
)

Condition = Literal["los", "nlos", "mixed"]
HeightRange = tuple[float, float | None] | tuple[float, float | None, bool]

BREAK_POINT_SPEED = 3.0e8
"""Propagation velocity in the break-point formulas, m/s: Table 7.4.1-1 Note 1 says 3.0e8."""


class OutOfRangeWarning(UserWarning):
    """A distance lies beyond the range a model was fitted for; the formula is extrapolated."""


def warn_beyond(distance: FloatArray, maximum: float, model: str) -> None:
    """Warn `OutOfRangeWarning` where a distance exceeds the range of ``model``."""
    if (distance > maximum).any():
        warnings.warn(
            f"distance {distance.max():g} m is beyond the {maximum:g} m of {model}: extrapolated",
            OutOfRangeWarning,
            stacklevel=4,
        )


def links_shape(distance: ArrayLike, frequency: ArrayLike) -> tuple[int, ...]:
    """Shape of the links; ValueError where a distance (m) or a carrier (Hz) is none."""
    d = check_array("distance", distance, minimum=0.0, unit="m")
    f = check_array("frequency", frequency, minimum=0.0, exclusive=True, unit="Hz")
    return np.broadcast_shapes(d.shape, f.shape)


def slant_distance(
    distance: FloatArray, base_height: FloatArray, terminal_height: FloatArray
) -> FloatArray:
    """Distance between the antennas, ``sqrt(d_2D^2 + (h_BS - h_UT)^2)``, m (Figure 7.4.1-1)."""
    return np.asarray(hypot(distance, base_height - terminal_height))


def resolve_los(los: ArrayLike | None, condition: Condition | None) -> NDArray[np.bool_]:
    """The line-of-sight state as booleans; without one the model's condition decides, or NLOS.

    Raises ValueError when the condition is "mixed" and no state is given.
    """
    if los is None:
        if condition == "mixed":
            raise ValueError(
                "los must be given for the condition 'mixed': draw it with probability "
                "los_probability(distance)"
            )
        return np.asarray(condition == "los")
    state = np.asarray(los)
    if state.dtype != np.bool_ and not np.isin(state, (0, 1)).all():
        raise ValueError(f"los must be boolean, got {los!r}")
    return state.astype(np.bool_)


def unwrap(values: Any) -> Any:
    """A 0-d array as a scalar; anything else unchanged."""
    return np.asarray(values)[()]


@dataclass(frozen=True)
class Link:
    """Checked arguments of a path-loss formula; all arrays broadcast."""

    d2: FloatArray
    """Horizontal distance, m."""
    d3: FloatArray
    """Distance between the antennas, m."""
    f: FloatArray
    """Carrier frequency, Hz."""
    base: FloatArray
    """Height of the base station's antenna, m."""
    terminal: FloatArray
    """Height of the terminal's antenna, m."""


@dataclass(frozen=True, kw_only=True)
class PathLossModel(Validated, ABC):
    """Arguments that all models take: distance and frequency, heights, state of line of sight.

    ``distance`` is horizontal, in m; ``frequency`` is the carrier, in Hz. Heights in m default to
    the model's own.
    """

    plot = plot

    default_base_height: ClassVar[float] = 1.5
    default_terminal_height: ClassVar[float] = 1.5
    base_heights: ClassVar[HeightRange] = (0.0, None)
    """Least and largest height in m, and whether the least itself is refused."""
    terminal_heights: ClassVar[HeightRange] = (0.0, None)
    maximum_distance: ClassVar[float] = float("inf")

    @abstractmethod
    def los_probability(
        self, distance: ArrayLike, *, terminal_height: ArrayLike | None = None
    ) -> Any:
        """Probability of line of sight at outdoor horizontal ``distance`` (m)."""

    @abstractmethod
    def loss_db(
        self,
        distance: ArrayLike,
        frequency: ArrayLike,
        *,
        base_height: ArrayLike | None = None,
        terminal_height: ArrayLike | None = None,
        los: ArrayLike | None = None,
    ) -> Any:
        """Path loss in dB, without shadowing."""

    @abstractmethod
    def shadowing_sigma_db(
        self,
        distance: ArrayLike,
        frequency: ArrayLike,
        *,
        base_height: ArrayLike | None = None,
        terminal_height: ArrayLike | None = None,
        los: ArrayLike | None = None,
    ) -> Any:
        """Standard deviation of the shadowing in dB."""

    def _check_heights(
        self, base: ArrayLike | None, terminal: ArrayLike | None
    ) -> tuple[FloatArray, FloatArray]:
        """Heights of both antennas in m, the model's own in place of None; ValueError if wrong."""
        base = self.default_base_height if base is None else base
        terminal = self.default_terminal_height if terminal is None else terminal
        return (
            check_height("base_height", base, *self.base_heights),
            check_height("terminal_height", terminal, *self.terminal_heights),
        )


@dataclass(frozen=True, kw_only=True)
class Tr38901Model(PathLossModel):
    """A scenario of TR 38.901 section 7.4, with and without line of sight.

    ``condition`` fixes the state of line of sight; with "mixed" it is an argument. None leaves it
    to who uses the model: NLOS in the methods here, "mixed" in a cell of wfl_sim.
    """

    condition: Condition | None = None

    minimum_distance: ClassVar[float] = 10.0
    least_horizontal: ClassVar[float] = 10.0
    highest_frequency: ClassVar[float] = 100e9
    base_heights: ClassVar[HeightRange] = (1.0, None, True)
    """Above h_E = 1 m, without which UMa and UMi have no break point."""
    terminal_heights: ClassVar[HeightRange] = (1.5, 22.5)
    shadowing_decorrelations: ClassVar[tuple[float, float]]
    """Decorrelation distance in m with and without line of sight (Table 7.5-6)."""
    los_decorrelation: ClassVar[float] = 50.0
    """Decorrelation distance in m of the state of line of sight itself (Table 7.6.3.1-2)."""

    k_factor_db: ClassVar[float]
    """Mean Rician K in dB with line of sight (Table 7.5-6)."""
    least_delay_frequency: ClassVar[float] = 0.0
    """Hz below which delay spreads are those at it (notes of Table 7.5-6)."""

    @abstractmethod
    def _lg_delay_spreads(self, frequency: float) -> tuple[float, float]:
        """Mean of log10 of the delay spread in s, with and without line of sight, at GHz."""

    def delay_spread(self, los: bool, frequency: float) -> float:
        """Median rms delay spread in s at a carrier in Hz (Table 7.5-6)."""
        at = max(frequency, self.least_delay_frequency) / 1e9
        return float(power(10.0, self._lg_delay_spreads(at)[0 if los else 1]))

    @abstractmethod
    def _mixed_probability(self, distance: FloatArray, terminal: FloatArray) -> FloatArray:
        """Probability of line of sight (Table 7.4.2-1)."""

    @abstractmethod
    def _los(self, link: Link) -> FloatArray:
        """Loss with line of sight in dB (Table 7.4.1-1)."""

    @abstractmethod
    def _nlos(self, link: Link, los: FloatArray) -> FloatArray:
        """Loss without line of sight in dB, given the one with it."""

    @property
    @abstractmethod
    def _sigmas(self) -> tuple[float, float]:
        """Standard deviation of the shadowing in dB with and without line of sight."""

    def los_probability(
        self, distance: ArrayLike, *, terminal_height: ArrayLike | None = None
    ) -> Any:
        """Probability of line of sight at outdoor horizontal ``distance`` (Table 7.4.2-1).

        0 or 1 when the condition is fixed; else the formula of the class.
        """
        d = check_array("distance", distance, minimum=0.0, unit="m")
        _, h = self._check_heights(None, terminal_height)
        d, h = np.broadcast_arrays(d, h)
        if self.condition != "mixed":
            return unwrap(np.full(d.shape, 1.0 if self.condition == "los" else 0.0))
        return unwrap(self._mixed_probability(d, h))

    def loss_db(
        self,
        distance: ArrayLike,
        frequency: ArrayLike,
        *,
        base_height: ArrayLike | None = None,
        terminal_height: ArrayLike | None = None,
        los: ArrayLike | None = None,
    ) -> Any:
        """Path loss in dB (without shadowing) at horizontal ``distance`` (m), carrier in Hz."""
        link = self._link(distance, frequency, base_height, terminal_height)
        visible = resolve_los(los, self.condition)
        self._check_range(link, visible)
        return self._either(link, visible, self._los(link))

    def _either(self, link: Link, visible: NDArray[np.bool_], los: FloatArray) -> Any:
        return unwrap(np.where(visible, los, self._nlos(link, los)))

    def _link(
        self,
        distance: ArrayLike,
        frequency: ArrayLike,
        base_height: ArrayLike | None,
        terminal_height: ArrayLike | None,
    ) -> Link:
        base, terminal = self._check_heights(base_height, terminal_height)
        d2 = check_distance(distance, self.least_horizontal, type(self).__name__)
        f = check_frequency(frequency, 0.5e9, self.highest_frequency)
        return Link(d2, slant_distance(d2, base, terminal), f, base, terminal)

    def _check_range(self, link: Link, visible: NDArray[np.bool_]) -> None:
        warn_beyond(link.d2, self.maximum_distance, type(self).__name__)

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
        visible = resolve_los(los, self.condition)
        shape = np.broadcast_shapes(links_shape(distance, frequency), visible.shape)
        return unwrap(np.broadcast_to(np.where(visible, *self._sigmas), shape))

    def shadowing_decorrelation(self, los: ArrayLike | None = None) -> Any:
        """Decorrelation distance of the shadowing in m (Table 7.5-6)."""
        visible = resolve_los(los, self.condition)
        return unwrap(np.where(visible, *self.shadowing_decorrelations))
