"""Progress of the transfers on a carrier: their table, and the time for which a plan holds."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from channel_models.elementary import exp
from channel_models.validation import FloatArray
from wfl_sim.network.carriers.transfer import TransferRequest
from wfl_sim.radio.bands.medium import ActiveTransfers, RatePlan

_ROUNDING = 1e-12


class Progress:
    """State of the active transfers: a table with one column for each."""

    def __init__(self) -> None:
        self._table = np.empty((12, 0))

    def add(self, request: TransferRequest, start: float, bits: float) -> None:
        """Put a transfer that starts with so many bits into the last column."""
        asked = request
        column = [bits, np.nan, 0.0, 0.0, 0.0, asked.weight, start, asked.deadline]
        column += [_ROUNDING * asked.bits, asked.level, asked.share, 0.0]
        self.put_back(np.array(column))

    def column(self, which: int) -> FloatArray:
        """Return a copy of a column."""
        return self._table[:, which].copy()

    def put_back(self, column: FloatArray) -> None:
        """Put a column behind the others."""
        self._table = np.concatenate((self._table, column[:, None]), axis=1)

    def remove(self, ended: Sequence[int]) -> None:
        """Take the transfers in these columns out."""
        self._table = np.delete(self._table, ended, axis=1)

    def transfers(
        self, links: NDArray[np.intp], first: NDArray[np.intp], together: NDArray[np.intp] | None
    ) -> ActiveTransfers:
        """Return what a medium sees of the transfers, given their links and groups."""
        left, average, _, _, _, weight, start, deadline, _, level, share, offset = self._table
        return ActiveTransfers(
            links,
            first,
            left,
            weight,
            average,
            start,
            deadline,
            together,
            level=None if (level == 1).all() else level,
            share=None if np.isnan(share).all() else share,
            offset=offset,
        )

    @property
    def left(self) -> FloatArray:
        """Bits that are still to be sent."""
        return np.asarray(self._table[0])

    @property
    def average(self) -> FloatArray:
        """Average rate of the recent past in bit/s."""
        return np.asarray(self._table[1])

    @property
    def rounding(self) -> FloatArray:
        """Bits that may be left by rounding alone."""
        return np.asarray(self._table[8])

    @property
    def offset(self) -> FloatArray:
        """dB that an outer loop has learned."""
        return np.asarray(self._table[11])

    @property
    def used(self) -> FloatArray:
        """(3, n): seconds on the air, J radiated, SINR in dB times seconds."""
        return self._table[2:5]


class PlanRun:
    """A plan that holds from `now` to the first end of a transfer, or to the last of its steps."""

    def __init__(self, plan: RatePlan, left: FloatArray, now: float) -> None:
        self.plan = plan
        self.starts = np.concatenate(([now], plan.until[:-1]))
        self.lengths = plan.until - self.starts
        moved = plan.rate[:-1] * self.lengths[:-1, None]
        steps = np.concatenate((left[None], moved))
        self.left: FloatArray = np.subtract.accumulate(steps, axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            self.to_finish = self.left / plan.rate
        ends = np.flatnonzero(
            (self.to_finish <= self.lengths[:, None] * (1 + _ROUNDING)).any(axis=1)
        )
        self.last = int(ends[0]) if ends.size else len(self.lengths) - 1
        """Step in which the run ends."""
        self.part = min(float(self.to_finish[self.last].min()), float(self.lengths[self.last]))
        """Seconds of that step until the run ends."""
        self.end = float(self.starts[self.last]) + self.part

    def step_at(self, time: float) -> tuple[int, float]:
        """Return the step that contains `time`, and its seconds before `time`."""
        step = int(np.searchsorted(self.plan.until[: self.last], time, side="right"))
        return step, time - float(self.starts[step])

    def advance(self, progress: Progress, step: int, part: float) -> NDArray[np.bool_]:
        """Bring `progress` to `part` seconds into `step`; return which transfers have ended.

        Transfers that began after the plan was made are behind the others, and make no progress.
        """
        plan, count = self.plan, self.left.shape[1]
        rate, keep = plan.rate[step], exp(-part / plan.time_constant)
        left = self.left[step] - rate * part
        finished: NDArray[np.bool_] = self.to_finish[step] <= part * (1 + _ROUNDING)
        finished |= left <= progress.rounding[:count]
        progress.left[:count] = np.where(finished, 0.0, left)
        progress.average[:count] = rate + keep * (plan.average_rate[step] - rate)
        if plan.offset is not None:
            following = plan.offset[min(step + 1, len(plan.offset) - 1)]
            moved = (following - plan.offset[step]) * (part / self.lengths[step])
            progress.offset[:count] = plan.offset[step] + moved
        power = plan.power[: step + 1]
        on_air = power > 0
        if on_air.any():
            spent = self.lengths[: step + 1].copy()
            spent[step] = part
            sinr_db = np.where(on_air, plan.sinr_db[: step + 1], 0.0)
            for row, amount in zip(progress.used, (on_air, power, sinr_db), strict=True):
                row[:count] += plan.duty * (spent[:, None] * amount).sum(axis=0)
        return finished
