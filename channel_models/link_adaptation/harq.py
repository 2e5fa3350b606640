"""Hybrid ARQ: errors of combined transmissions, and what they deliver."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from channel_models.validation import FloatArray, check_array, check_positive_integer


def chase_errors(
    error: Callable[[FloatArray], ArrayLike], sinr: ArrayLike, transmissions: int = 4
) -> FloatArray:
    """Error probabilities ``e_i = error(i sinr)`` of the i-th of ``transmissions``, (..., N).

    Chase combining adds the SINRs of identical transmissions.
    """
    count = check_positive_integer("transmissions", transmissions)
    values = check_array("sinr", sinr, minimum=0.0)
    return np.stack([np.asarray(error((i + 1) * values)) for i in range(count)], axis=-1)


def harq_goodput(errors: ArrayLike) -> Any:
    """Delivered over spent: ``(1 - prod e_i) / (1 + sum_(k<N) prod_(i<=k) e_i)``.

    ``errors`` (..., N) is the error probability of each decoding attempt given that all before
    failed; a block is dropped after N.
    """
    failed = _failed(errors)
    return ((1.0 - failed[..., -1]) / _mean_transmissions(failed))[()]


def harq_residual_error(errors: ArrayLike) -> Any:
    """Probability that a block is dropped: ``prod e_i``."""
    return _failed(errors)[..., -1][()]


def harq_mean_transmissions(errors: ArrayLike) -> Any:
    """Mean number of transmissions of a block: ``1 + sum_(k<N) prod_(i<=k) e_i``."""
    return _mean_transmissions(_failed(errors))[()]


def _failed(errors: ArrayLike) -> FloatArray:
    chances = check_array("errors", errors, minimum=0.0, maximum=1.0)
    if chances.ndim == 0 or chances.shape[-1] == 0:
        raise ValueError(f"errors must have shape (..., transmissions), got {chances.shape}")
    return np.asarray(np.cumprod(chances, axis=-1), dtype=float)


def _mean_transmissions(failed: FloatArray) -> FloatArray:
    return np.asarray(1.0 + failed[..., :-1].sum(axis=-1), dtype=float)
