"""One SINR that stands for those of several resource blocks."""

from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike

from channel_models.elementary import exp, expm1, log, log1p
from channel_models.validation import FloatArray, check_array

# beta of EESM by MCS index: Lagen et al., "New Radio Physical Layer Abstraction for System-Level
# Simulations of 5G Networks", IEEE ICC 2020
_BETA: Final[dict[str, tuple[float, ...]]] = {
    "64qam": (1.60, 1.61, 1.63, 1.65, 1.67, 1.70, 1.73, 1.76, 1.79, 1.82, 3.97, 4.27, 4.71, 5.16,
              5.66, 6.16, 6.50, 9.95, 10.97, 12.92, 14.96, 17.06, 19.33, 21.85, 24.51, 27.14, 29.94,
              32.05, 34.28),
    "256qam": (1.60, 1.63, 1.67, 1.73, 1.79, 4.27, 4.71, 5.16, 5.66, 6.16, 6.50, 10.97, 12.92,
               14.96, 17.06, 19.33, 21.85, 24.51, 27.14, 29.94, 56.48, 65.0, 78.58, 92.48, 106.27,
               118.74, 126.36, 132.54),
}  # fmt: skip


def eesm_beta(table: Literal["64qam", "256qam"] = "64qam") -> FloatArray:
    """Calibrated ``beta`` of EESM for every MCS index of a table (Lagen et al., ICC 2020)."""
    if table not in _BETA:
        raise ValueError(f"table must be one of {', '.join(_BETA)}, got {table!r}")
    return np.array(_BETA[table])


def exponential_effective_sinr(sinr: ArrayLike, beta: ArrayLike, axis: int = -1) -> Any:
    """``-beta ln(mean(exp(-SINR_i / beta)))`` along ``axis`` (EESM), linear.

    ``beta`` broadcasts with the result. Lies between the smallest and the mean SINR.
    """
    values = _check(sinr)
    scale = check_array("beta", beta, minimum=0.0, exclusive=True)
    smallest = values.min(axis=axis, keepdims=True)
    divisor = np.expand_dims(np.broadcast_to(scale, np.squeeze(smallest, axis).shape), axis)
    # relative to the smallest, so that nothing underflows
    mean = exp(-(values - smallest) / divisor).mean(axis=axis, keepdims=True)
    return np.squeeze(smallest - divisor * log(mean), axis=axis)[()]


def capacity_effective_sinr(sinr: ArrayLike, axis: int = -1) -> Any:
    """``2^mean(log2(1 + SINR_i)) - 1`` along ``axis``, linear: keeps the sum of Shannon rates."""
    return expm1(log1p(_check(sinr)).mean(axis=axis))[()]


def equaliser_sinr(sinr: ArrayLike, axis: int = -1) -> Any:
    """``1 / mean(1 / (1 + SINR_i))  - 1``: single-carrier FDMA behind an MMSE equaliser, linear."""
    return (1.0 / (1.0 / (1.0 + _check(sinr))).mean(axis=axis) - 1.0)[()]


def _check(sinr: ArrayLike) -> FloatArray:
    values = check_array("sinr", sinr, minimum=0.0)
    if values.ndim == 0 or values.size == 0:
        raise ValueError(f"sinr must have at least one resource block, got shape {values.shape}")
    return values
