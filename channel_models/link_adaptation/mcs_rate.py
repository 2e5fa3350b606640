"""Rates of an MCS table with block errors and HARQ."""

import math
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Annotated, Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from channel_models.elementary import exp, log, log10, rounded
from channel_models.link_adaptation.bler import BlockErrors
from channel_models.link_adaptation.effective_sinr import eesm_beta
from channel_models.link_adaptation.harq import chase_errors, harq_goodput
from channel_models.link_adaptation.mcs import TableName, mcs_table
from channel_models.link_adaptation.outer_loop import OuterLoop
from channel_models.plots import plot
from channel_models.units import NonNegativeDecibel, db_to_linear
from channel_models.validation import (
    Count,
    FloatArray,
    PositiveInteger,
    Validated,
    check_array,
)

Indices = NDArray[np.intp]

_LOW_DB: Final = -30.0
_HIGH_DB: Final = 60.0
_POINTS: Final = 18_001


class LearnedBlocks(NamedTuple):
    """Transport blocks (n,) at offsets that an outer loop learns from them."""

    mcs: Indices
    """Of the first of them."""
    efficiency: FloatArray
    """Mean bit/s/Hz."""
    errors: FloatArray
    """Mean error probability of first transmissions."""
    offset_db: FloatArray
    """The next offsets, in dB."""


class McsForm(NamedTuple):
    """The tables of a `McsRate`, for compiled loops."""

    curve: FloatArray
    """(points, 3): a grid in dB, bit/s/Hz on it, and slopes from point to point."""
    schemes: tuple[FloatArray, FloatArray, FloatArray]
    """Beta of every MCS, a grid in dB, and the goodput (MCS, grid)."""


NO_SCHEMES: Final = (np.empty(0), np.empty(0), np.empty((0, 0)))
"""Of a rate that has no tables."""


@dataclass(frozen=True, kw_only=True)
class McsRate(Validated):
    """The best goodput over the MCS of a table: ``max_m SE_m harq_goodput(e_m)`` bit/s/Hz.

    Errors follow `BlockErrors` for code blocks of ``code_block`` bit, with chase combining over at
    most ``transmissions``. Values are read from a table of the curve every 0.005 dB. Overheads are
    not part of it. `transport_efficiency` is for one MCS over several resource blocks. With an
    `outer_loop` a sender learns from its failures how far to back off from what it knows.
    """

    plot = plot

    table: TableName = "64qam"
    gap: NonNegativeDecibel = 2.5
    thresholds: tuple[float, ...] | None = None
    code_block: Annotated[int, Count(24)] = 4000
    transmissions: PositiveInteger = 4
    outer_loop: OuterLoop | None = None
    modulation: Literal[2, 4, 6, 8] | None = None
    """Most bits of a symbol (2, 4, 6, 8); without it those of the table."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "thresholds", self.errors.thresholds)

    @property
    def errors(self) -> BlockErrors:
        """The block error model."""
        return BlockErrors(table=self.table, gap=self.gap, thresholds=self.thresholds)

    @property
    def allowed(self) -> FloatArray:
        """bit/s/Hz of every MCS without errors; 0 where it has too many bits a symbol."""
        table = self.errors.mcs
        most = np.inf if self.modulation is None else self.modulation
        return np.where(table.modulation_order <= most, table.spectral_efficiency, 0.0)

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
        # Rounded, since the last bit of a normal distribution is that of the C library here.
        return np.asarray(self.allowed * rounded(harq_goodput(failures)))

    def spectral_efficiency(self, sinr: ArrayLike) -> Any:
        """bit/s/Hz at linear ``sinr``, elementwise; never decreasing."""
        values = check_array("sinr", sinr, minimum=0.0)
        with np.errstate(divide="ignore"):
            sinr_db = 10.0 * log10(values)
        return np.where(values > 0.0, _read(_curve_and_slopes(self), sinr_db), 0.0)[()]

    @property
    def mcs_form(self) -> McsForm:
        """The rate as tables."""
        return McsForm(_curve_and_slopes(self), _scheme_curves(self))

    def transport_efficiency(
        self, known: FloatArray, sinr: FloatArray, weight: FloatArray, first: Indices
    ) -> FloatArray:
        """bit/s/Hz of transport blocks, each with one MCS over all its resource blocks.

        The MCS is the one whose goodput would be best at the known SINR; its errors are those at
        the true one. Both are effective SINRs by EESM with the betas of Lagen et al., ICC 2020, a
        resource block counting by its weight. A sender that knows the truth can be no better off.

        Args:
            known: (entries,) linear SINR of the resource blocks as the sender knows it.
            sinr: (entries,) the true one.
            weight: (entries,) positive share of each resource block.
            first: (n,) where the entries of each transport block begin.
        """
        return self._scheme(known, sinr, weight, first)[0]

    def first_errors(
        self, known: FloatArray, sinr: FloatArray, weight: FloatArray, first: Indices
    ) -> tuple[Indices, FloatArray]:
        """MCS of transport blocks (n,), and the error probability of a first transmission.

        Arguments are those of `transport_efficiency`.
        """
        _, chosen, effective_db = self._scheme(known, sinr, weight, first)
        effective = db_to_linear(effective_db)
        return chosen, self.errors.code_block_error(effective, chosen, self.code_block)

    def learned(
        self,
        known: FloatArray,
        sinr: FloatArray,
        weight: FloatArray,
        first: Indices,
        offset_db: FloatArray,
        blocks: float,
    ) -> "LearnedBlocks":
        """Return what so many transport blocks come to, one after the other.

        Each block moves the offset by its mean, at the errors that it has; several are taken
        together while they move it by at most half a dB. Other arguments are those of
        `transport_efficiency`.
        """
        loop = self.outer_loop or OuterLoop()
        steps = max(1, math.ceil(2.0 * blocks * loop.step))
        total, sizes = np.zeros((2, len(first))), np.diff(np.append(first, len(sinr)))
        # The truth stays: what each MCS would carry, and its errors, are looked up.
        true_db = self._effective_db(sinr, weight, first)
        index = np.arange(len(true_db))[:, None]
        carried = self._goodput_at(index, true_db)
        errors = self.errors.code_block_error(db_to_linear(true_db), index, self.code_block)
        each, taken = np.arange(len(first)), list[Indices]()
        for _ in range(steps):
            seen = known * np.repeat(db_to_linear(-offset_db), sizes)
            chosen = self._goodput_at(index, self._effective_db(seen, weight, first)).argmax(axis=0)
            taken.append(chosen)
            failed = errors[chosen, each]
            offset_db = loop.expected(offset_db, failed, blocks / steps)
            total += carried[chosen, each], failed
        return LearnedBlocks(taken[0], total[0] / steps, total[1] / steps, offset_db)

    def _scheme(
        self, known: FloatArray, sinr: FloatArray, weight: FloatArray, first: Indices
    ) -> tuple[FloatArray, Indices, FloatArray]:
        """bit/s/Hz, MCS and effective SINR in dB of transport blocks, (n,) each."""
        expected_db = self._effective_db(known, weight, first)
        chosen = self._goodput_at(np.arange(len(expected_db))[:, None], expected_db).argmax(axis=0)
        if sinr is known:
            found = expected_db[chosen, np.arange(len(first))]
        else:
            found = self._effective_db(sinr, weight, first, chosen)
        return self._goodput_at(chosen, found), chosen, found

    def _effective_db(
        self, values: FloatArray, weight: FloatArray, first: Indices, mcs: Indices | None = None
    ) -> FloatArray:
        """Effective SINR in dB of transport blocks (n,) by one MCS each, or by all (MCS, n)."""
        betas, sizes = _scheme_curves(self)[0], np.diff(np.append(first, len(values)))
        beta = np.repeat(betas[:, None], len(first), axis=1) if mcs is None else betas[mcs]
        least = np.minimum.reduceat(values, first)
        decay = exp((np.repeat(least, sizes) - values) / np.repeat(beta, sizes, axis=-1))
        mean = np.add.reduceat(weight * decay, first, axis=-1) / np.add.reduceat(weight, first)
        with np.errstate(divide="ignore"):
            return np.asarray(10.0 * log10(least - beta * log(mean)))

    def _goodput_at(self, mcs: Indices, sinr_db: FloatArray) -> FloatArray:
        """Goodput of schemes at effective SINRs in dB, bit/s/Hz."""
        _, grid, goodput = _scheme_curves(self)
        place = np.clip((sinr_db - grid[0]) / (grid[1] - grid[0]), 0.0, len(grid) - 1.0)
        low = np.minimum(place.astype(np.intp), len(grid) - 2)
        left, right = goodput[mcs, low], goodput[mcs, low + 1]
        return np.asarray(left + (place - low) * (right - left))


@cache
def _scheme_curves(rate: Any) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Beta of every MCS, a grid in dB, and the goodput of every MCS on it."""
    grid = np.linspace(_LOW_DB, _HIGH_DB, _POINTS // 5)
    goodput = np.ascontiguousarray(rate.goodput(db_to_linear(grid)).T)
    if rate.table == "low-se":
        # No betas are published for this table: those of the same efficiency in the other one.
        other = mcs_table("64qam").spectral_efficiency
        efficiency = rate.errors.mcs.spectral_efficiency
        nearest = np.abs(other - efficiency[:, None]).argmin(axis=1)
        return eesm_beta("64qam")[nearest], grid, goodput
    return eesm_beta(rate.table), grid, goodput


def _read(curve: FloatArray, sinr_db: FloatArray) -> FloatArray:
    """Read a curve with an even grid in dB between its points, as `kernels.read_curve` does.

    `np.interp` searches the grid, and processors with fused multiply-add may round it otherwise.
    """
    grid, best, slopes = curve.T
    last = len(grid) - 2
    place = np.minimum(np.maximum(sinr_db, grid[0]), grid[-1])
    cell = np.minimum((place - grid[0]) * (1.0 / (grid[1] - grid[0])), last).astype(np.intp)
    # The product may be rounded into the next cell.
    cell -= place < grid[cell]
    cell += (cell < last) & (place >= grid[cell + 1])
    return np.asarray(slopes[cell] * (place - grid[cell]) + best[cell])


@cache
def _curve_and_slopes(rate: Any) -> FloatArray:
    grid, best = _curve(rate)
    slopes = np.diff(best) / np.diff(grid)
    return np.ascontiguousarray(np.transpose([grid, best, np.append(slopes, 0.0)]))


@cache
def _curve(rate: Any) -> tuple[FloatArray, FloatArray]:
    grid = np.linspace(_LOW_DB, _HIGH_DB, _POINTS)
    found = _goodputs(replace(rate, modulation=None))[:, rate.allowed > 0]
    return grid, np.maximum.accumulate(found.max(axis=-1))


@lru_cache(maxsize=2)
def _goodputs(rate: Any) -> FloatArray:
    """Goodput of every MCS on the grid of the curve."""
    return np.asarray(rate.goodput(db_to_linear(np.linspace(_LOW_DB, _HIGH_DB, _POINTS))))
