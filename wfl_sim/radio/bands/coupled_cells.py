"""Coupled cells: co-channel bands planned together, with the interference between them.

All cells plan their steps together: when a transfer begins or ends in one of them, all plan anew.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from channel_models.validation import FloatArray
from wfl_sim.radio.bands.band_plan import BandPlan
from wfl_sim.radio.bands.interference import DownlinkInterference, UplinkInterference
from wfl_sim.radio.bands.medium import ActiveTransfers, LinkSamples, RatePlan
from wfl_sim.radio.bands.ofdma import OfdmaBand
from wfl_sim.radio.bands.plan_ahead import planned_ahead, planned_at_once
from wfl_sim.radio.cell import Direction


@dataclass(frozen=True)
class CoupledCells:
    """Bands on one grid of time and frequency; link number = cell x devices + device."""

    bands: tuple[OfdmaBand, ...]
    devices: int
    direction: Direction

    def plan(self, traffic: ActiveTransfers, now: float, steps: int) -> RatePlan:
        """Divide all bands among their transfers, one fading sample after the other."""
        steps = min(steps, self.bands[0].channel.most_steps(len(traffic.links)))
        columns, plans = self._plans(traffic, now, steps)
        kind = UplinkInterference if self.direction == "uplink" else DownlinkInterference
        interference = kind(plans, steps)
        for plan, mean in zip(plans, interference.means(), strict=True):
            plan.expect(plan.band.block_noise + mean)
        strengths = partial(_strengths, plans, interference)
        if not (planned_at_once(plans, strengths) or planned_ahead(plans, interference.heard)):
            self._plan_steps(plans, strengths)
        return _merged(columns, [plan.result() for plan in plans])

    def _plan_steps(
        self, plans: Sequence[BandPlan], strengths: Callable[[int], Sequence[FloatArray]]
    ) -> None:
        while all(plan.unfinished for plan in plans):
            for plan in plans:
                plan.divide()
            for plan, strength in zip(plans, strengths(plans[0].planned), strict=True):
                states = plan.states(strength)
                if plan.band.recorded is not None:
                    plan.keep(plan.shares, plan.level, *states)
                plan.record(
                    plan.band.rates.of_shares(plan.traffic, plan.shares, plan.level, *states)
                )

    def _plans(
        self, traffic: ActiveTransfers, now: float, steps: int
    ) -> tuple[list[NDArray[np.intp]], list[BandPlan]]:
        """Return the transfers (numbers) of each cell that has any, and their plans."""
        cells, links = np.divmod(traffic.links, self.devices)
        ends = np.append(traffic.first[1:], len(links))
        owner = cells[traffic.first]
        columns, plans = [], []
        for number in np.unique(owner):
            which = np.flatnonzero(owner == number)
            spans = [links[traffic.first[i] : ends[i]] for i in which]
            sizes = np.array([len(span) for span in spans])
            mine = ActiveTransfers(
                links=np.concatenate(spans),
                first=np.cumsum(sizes) - sizes,
                bits_left=traffic.bits_left[which],
                weight=traffic.weight[which],
                average_rate=traffic.average_rate[which],
                start=traffic.start[which],
                deadline=traffic.deadline[which],
                together=traffic.beginnings(which),
                level=None if traffic.level is None else traffic.level[which],
                share=None if traffic.share is None else traffic.share[which],
                offset=None if traffic.offset is None else traffic.offset[which],
            )
            columns.append(which)
            plans.append(BandPlan(self.bands[number], mine, now, steps))
        return columns, plans


def _merged(columns: Sequence[NDArray[np.intp]], plans: Sequence[RatePlan]) -> RatePlan:
    """Return one plan for the transfers of all cells."""
    shape = len(plans[0].until), sum(map(len, columns))
    rate, average_rate, power, sinr_db, offset = np.zeros((5, *shape))
    for which, plan in zip(columns, plans, strict=True):
        rate[:, which], average_rate[:, which] = plan.rate, plan.average_rate
        power[:, which], sinr_db[:, which] = plan.power, plan.sinr_db
        if plan.offset is not None:
            offset[:, which] = plan.offset
    return RatePlan(
        until=plans[0].until,
        rate=rate,
        average_rate=average_rate,
        time_constant=plans[0].time_constant,
        duty=plans[0].duty,
        power=power,
        sinr_db=sinr_db,
        offset=None if all(plan.offset is None for plan in plans) else offset,
        samples=[
            partial(_all_samples, step)
            for step in zip(*(plan.samples for plan in plans), strict=True)
        ],
    )


def _all_samples(cells: Sequence[LinkSamples]) -> list[tuple[int, Mapping[str, Any]]]:
    return [link for samples in cells for link in samples()]


def _strengths(
    plans: Sequence[BandPlan],
    interference: UplinkInterference | DownlinkInterference,
    steps: int | slice,
) -> list[FloatArray]:
    """Mean SINR of the links of each plan on a block for each W, in one or some steps."""
    return [
        plan.gain / (plan.band.block_noise + power)
        for plan, power in zip(plans, interference.present(steps), strict=True)
    ]
