"""What the path-loss models share: distances, ranges and the line-of-sight argument."""

import warnings
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from channel_models.validation import FloatArray, check_array

Condition = Literal["los", "nlos", "mixed"]

BREAK_POINT_SPEED = 3.0e8
"""Propagation velocity in the break-point formulas, m/s: Table 7.4.1-1 Note 1 says 3.0e8."""


class OutOfRangeWarning(UserWarning):
    """A distance lies beyond the range a model was fitted for; the formula is extrapolated."""


def check_distance(distance: ArrayLike, minimum: float, maximum: float, model: str) -> FloatArray:
    """Horizontal distances within a model's range.

    Below ``minimum`` (or at zero) raises ValueError; beyond ``maximum`` warns `OutOfRangeWarning`.
    """
    d2 = check_array("distance", distance, minimum=0.0, exclusive=True, unit="m")
    d2 = check_array("distance", d2, minimum=minimum, unit="m", rule=f" for {model}")
    if not np.isfinite(d2).all():
        raise ValueError("distance must be finite, got inf")
    warn_beyond(d2, maximum, model)
    return d2


def warn_beyond(distance: FloatArray, maximum: float, model: str) -> None:
    """Warn `OutOfRangeWarning` where a distance exceeds the range of ``model``."""
    if (distance > maximum).any():
        warnings.warn(
            f"distance {distance.max():g} m is beyond the {maximum:g} m of {model}: extrapolated",
            OutOfRangeWarning,
            stacklevel=4,
        )


def check_frequency(frequency: ArrayLike, minimum: float, maximum: float) -> FloatArray:
    """Carrier frequencies in Hz within a model's range; ValueError otherwise."""
    f = check_array("frequency", frequency, minimum=0.0, exclusive=True, unit="Hz")
    return check_array("frequency", f, minimum=minimum, maximum=maximum, unit="Hz")


def check_height(name: str, height: ArrayLike, minimum: float, maximum: float) -> FloatArray:
    """Antenna heights in m within a model's range; ValueError otherwise."""
    return check_array(name, height, minimum=minimum, maximum=maximum, unit="m")


def slant_distance(
    distance: FloatArray, base_height: FloatArray, terminal_height: FloatArray
) -> FloatArray:
    """Distance between the antennas, ``sqrt(d_2D^2 + (h_BS - h_UT)^2)``, m (Figure 7.4.1-1)."""
    return np.hypot(distance, base_height - terminal_height)


def resolve_los(los: ArrayLike | None, condition: Condition) -> NDArray[np.bool_]:
    """The line-of-sight state as booleans; without one the model's fixed condition decides.

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


def fixed_probability(condition: Condition, shape: tuple[int, ...]) -> FloatArray | None:
    """0 or 1 everywhere for a fixed condition, None for "mixed"."""
    if condition == "mixed":
        return None
    return np.full(shape, 1.0 if condition == "los" else 0.0)


def unwrap(values: Any) -> Any:
    """A 0-d array as a scalar; anything else unchanged."""
    return np.asarray(values)[()]
