"""Rates of an MCS table with block errors and HARQ."""

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from channel_models.link_adaptation.bler import BlockErrors
from channel_models.link_adaptation.harq import chase_errors, harq_goodput
from channel_models.link_adaptation.mcs import TableName
from channel_models.units import NonNegativeDecibel
from channel_models.validation import (
    FloatArray,
    check_array,
    check_positive_integer,
    validate_fields,
)

_LOW_DB: Final = -30.0
_HIGH_DB: Final = 60.0
_POINTS: Final = 18_001


@dataclass(frozen=True, kw_only=True)
class McsRate:
    """The best goodput over the MCS of a table: ``max_m SE_m harq_goodput(e_m)`` bit/s/Hz.

    Errors follow `BlockErrors` for code blocks of ``code_block`` bit, with chase combining over at
    most ``transmissions``. Values are read from a table of the curve every 0.005 dB. Overheads are
    not part of it. For one MCS over several resource blocks pass an effective SINR.
    """

    table: TableName = "64qam"
    gap: NonNegativeDecibel = 2.5
    thresholds: tuple[float, ...] | None = None
    code_block: int = 4000
    transmissions: int = 4

    def __post_init__(self) -> None:
        validate_fields(self)
        check_positive_integer("code_block", self.code_block, minimum=24)
        check_positive_integer("transmissions", self.transmissions)
        object.__setattr__(self, "thresholds", self.errors.thresholds)

    @property
    def errors(self) -> BlockErrors:
        """The block error model."""
        return BlockErrors(table=self.table, gap=self.gap, thresholds=self.thresholds)

    def goodput(self, sinr: ArrayLike) -> FloatArray:
        """Goodput of every MCS at linear ``sinr``, bit/s/Hz, shape (..., MCS)."""
        errors = self.errors
        values = check_array("sinr", sinr, minimum=0.0)[..., None]
        index = np.arange(len(errors.mcs))
        failures = chase_errors(
            lambda combined: errors.code_block_error(combined, index, self.code_block),
            values,
            self.transmissions,
        )
        return np.asarray(errors.mcs.spectral_efficiency * harq_goodput(failures))

    def spectral_efficiency(self, sinr: ArrayLike) -> Any:
        """bit/s/Hz at linear ``sinr``, elementwise; never decreasing."""
        values = check_array("sinr", sinr, minimum=0.0)
        with np.errstate(divide="ignore"):
            sinr_db = 10.0 * np.log10(values)
        grid, best = _curve(self)
        return np.where(values > 0.0, np.interp(sinr_db, grid, best), 0.0)[()]


@cache
def _curve(rate: Any) -> tuple[FloatArray, FloatArray]:
    grid = np.linspace(_LOW_DB, _HIGH_DB, _POINTS)
    best = rate.goodput(10.0 ** (grid / 10.0)).max(axis=-1)
    return grid, np.maximum.accumulate(best)
