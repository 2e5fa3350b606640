"""OFDMA: a band of resource blocks, divided among transfers by an allocator.

The allocator knows the channel as it was some time before; the rate that is delivered follows the
channel of the present grid cell. `wfl_sim.radio.bands.coupled_cells` couples cells.
"""

from dataclasses import dataclass

import numpy as np

from channel_models.validation import FloatArray
from wfl_sim.radio.bands.band_division import BandDivision
from wfl_sim.radio.bands.band_plan import BandPlan
from wfl_sim.radio.bands.block_rates import Rates
from wfl_sim.radio.bands.medium import ActiveTransfers, RatePlan
from wfl_sim.radio.bands.plan_ahead import planned_ahead, planned_at_once


@dataclass(frozen=True, kw_only=True)
class OfdmaBand(BandDivision):
    """One direction of one cell's carrier."""

    def plan(self, traffic: ActiveTransfers, now: float, steps: int) -> RatePlan:
        """Divide the band among the transfers, one fading sample after the other."""
        plan = BandPlan(self, traffic, now, min(steps, self.channel.most_steps(len(traffic.links))))
        noise: float | FloatArray = self.block_noise
        if self.background is not None:
            noise = noise + self.background(traffic.links, now)
        plan.expect(noise)
        if not (planned_at_once([plan], lambda _: [plan.strength]) or planned_ahead([plan])):
            while plan.unfinished:
                plan.record(self._plan_step(plan))
        return plan.result()

    def _plan_step(self, plan: "BandPlan") -> Rates:
        traffic, demands = plan.traffic, plan.demands()
        if self._whole_blocks and plan.by_blocks:
            holders = self.allocator.holders(demands)  # type: ignore[attr-defined]
            if holders is not None and plan.within_limits(holders):
                blocks = self.units.to_blocks(holders)
                present, known = plan.states(plan.strength)
                if self.recorded is not None:
                    owned = np.arange(len(traffic.links))[:, None] == blocks
                    plan.keep(owned.astype(float), np.ones(len(owned)), present, known)
                return self.rates.of_holders(traffic.links, blocks, present, known)
        plan.divide(demands)
        present, known = plan.states(plan.strength)
        if self.recorded is not None:
            plan.keep(plan.shares, plan.level, present, known)
        return self.rates.of_shares(traffic, plan.shares, plan.level, present, known)
