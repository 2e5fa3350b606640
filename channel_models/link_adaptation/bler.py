"""Block errors: effective SINR, an analytic curve over it, chase combining, an outer loop."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike

from channel_models.elementary import LN2, LN10, exp, expm1, log, log1p, log10
from channel_models.link_adaptation.mcs import McsTable, TableName, code_blocks, mcs_table
from channel_models.link_adaptation.shannon import channel_dispersion
from channel_models.units import NonNegativeDecibel, Unit, db_to_linear
from channel_models.validation import (
    FloatArray,
    Validated,
    check_array,
    check_finite,
    check_positive_integer,
)

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


Target = Annotated[float, Unit("1", minimum=0.0, maximum=0.99, exclusive=True)]

_AT_TEN_PERCENT: Final = 1.2815515655446004


@dataclass(frozen=True, kw_only=True)
class BlockErrors(Validated):
    """``BLER = Q((SINR_dB - middle) / width)`` for every MCS of a table.

    The curve passes 10 % at the threshold of the MCS. The default thresholds are Shannon's with a
    gap, ``10 log10(2^SE - 1) + gap``: no table of any link simulator. The default gap of 2.5 dB (1
    to 2 dB of LDPC coding and 1 dB of receiver margin) is this library's choice; measured ones go
    into ``thresholds`` (dB, one an MCS, never falling). The width follows from the dispersion at
    the threshold: ``sqrt(V/n)`` over the slope of the capacity in dB, n the symbols of a code
    block.
    """

    table: TableName = "64qam"
    gap: NonNegativeDecibel = 2.5
    thresholds: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.thresholds is not None:
            values = check_finite("thresholds", self.thresholds)
            expected = len(mcs_table(self.table))
            if values.shape != (expected,):
                raise ValueError(
                    f"thresholds must have one value for each of {expected} MCS, got {values.size}"
                )
            if (np.diff(values) < 0.0).any():
                raise ValueError("thresholds must not fall with the MCS")
            object.__setattr__(self, "thresholds", tuple(values.tolist()))

    @property
    def mcs(self) -> McsTable:
        """The table of schemes."""
        return mcs_table(self.table)

    @property
    def thresholds_db(self) -> FloatArray:
        """SINR in dB at which a block fails with probability 10 %, shape (MCS,)."""
        if self.thresholds is not None:
            return np.array(self.thresholds)
        shannon = expm1(self.mcs.spectral_efficiency * LN2)
        return np.maximum.accumulate(10.0 * log10(shannon) + self.gap)

    def width_db(self, mcs: ArrayLike, code_block: ArrayLike) -> Any:
        """Standard deviation of the error curve in dB, for code blocks of that many bit."""
        index = self.mcs.check_index(mcs)
        bits = check_array("code_block", code_block, minimum=1.0, unit="bit")
        efficiency = self.mcs.spectral_efficiency[index]
        sinr = expm1(efficiency * LN2)
        slope = sinr / (1.0 + sinr) / LN2 * LN10 / 10.0
        return (np.sqrt(channel_dispersion(sinr) * efficiency / bits) / slope)[()]

    def code_block_error(self, sinr: ArrayLike, mcs: ArrayLike, code_block: ArrayLike) -> Any:
        """Error probability of a code block of ``code_block`` bit at linear effective ``sinr``."""
        from scipy.special import ndtr

        values = check_array("sinr", sinr, minimum=0.0)
        index = self.mcs.check_index(mcs)
        width = np.asarray(self.width_db(index, code_block))
        with np.errstate(divide="ignore"):
            over = 10.0 * log10(values) - self.thresholds_db[index]
        return np.asarray(ndtr(-(over / width + _AT_TEN_PERCENT)))[()]

    def transport_block_error(self, sinr: ArrayLike, mcs: ArrayLike, size: ArrayLike) -> Any:
        """``1 - (1 - CBLER)^C`` for a transport block of ``size`` bit in C code blocks."""
        index = self.mcs.check_index(mcs)
        count, bits = code_blocks(size, self.mcs.code_rate[index])
        each = np.asarray(self.code_block_error(sinr, index, bits))
        with np.errstate(divide="ignore"):
            return (-expm1(count * log1p(-each)))[()]

    def highest_mcs(self, sinr: ArrayLike) -> Any:
        """Highest MCS whose threshold is at most ``sinr`` (linear); -1 when none is."""
        values = check_array("sinr", sinr, minimum=0.0)
        thresholds = db_to_linear(self.thresholds_db)
        return (np.searchsorted(thresholds, values, side="right") - 1)[()]


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


@dataclass(frozen=True, kw_only=True)
class OuterLoop(Validated):
    """Raises the offset by ``step`` dB on a failure and lowers it on a success.

    The lowering is ``step target / (1 - target)``, so that a long run fails with probability
    ``target``. The reported SINR minus the offset chooses the MCS. The offset stays within
    ``limit`` dB.
    """

    target: Target = 0.1
    step: NonNegativeDecibel = 1.0
    limit: NonNegativeDecibel = 20.0

    def update(self, offset_db: ArrayLike, acknowledged: ArrayLike) -> Any:
        """The next offset in dB, elementwise."""
        before = check_finite("offset_db", offset_db)
        down = self.step * self.target / (1.0 - self.target)
        after = before + np.where(np.asarray(acknowledged, dtype=bool), -down, self.step)
        return np.clip(after, -self.limit, self.limit)[()]

    def expected(self, offset_db: ArrayLike, error: ArrayLike, blocks: float) -> Any:
        """The mean offset in dB after so many blocks that each fail with probability `error`."""
        drift = self.step * (np.asarray(error) - self.target) / (1.0 - self.target)
        return np.clip(np.asarray(offset_db) + blocks * drift, -self.limit, self.limit)[()]
