"""From taps to the frequency response: ``H(f, t) = sum_l h_l(t) exp(-j 2 pi f tau_l)``."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from channel_models.validation import FloatArray, check_finite

ComplexArray = NDArray[np.complex128]


def check_offsets(offsets: ArrayLike) -> FloatArray:
    """Frequencies relative to the carrier, Hz, shape (F,); ValueError otherwise."""
    array = check_finite("offsets", offsets)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"offsets must have shape (F,) with F >= 1, got {array.shape}")
    return array


def delay_phasors(delays: FloatArray, offsets: ArrayLike) -> ComplexArray:
    """``exp(-j 2 pi f tau)``, shape (taps, F)."""
    turns = delays[:, None] * check_offsets(offsets)
    return np.asarray(np.exp(-2j * np.pi * turns), dtype=np.complex128)


def frequency_response(taps: ComplexArray, delays: FloatArray, offsets: ArrayLike) -> ComplexArray:
    """Response of shape (..., F) from ``taps`` of shape (..., taps) at ``delays`` (s)."""
    return np.asarray(taps @ delay_phasors(delays, offsets), dtype=np.complex128)


def squared_magnitude(values: Any) -> Any:
    """``|h|^2`` without the square root."""
    return values.real**2 + values.imag**2
