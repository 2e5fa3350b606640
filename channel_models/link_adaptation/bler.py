"""Block errors: an analytic curve over the effective SINR."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from channel_models.elementary import LN2, LN10, expm1, log1p, log10
from channel_models.link_adaptation.finite_blocklength import channel_dispersion
from channel_models.link_adaptation.mcs import McsTable, TableName, code_blocks, mcs_table
from channel_models.units import NonNegativeDecibel, db_to_linear
from channel_models.validation import FloatArray, Validated, check_array, check_finite

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
