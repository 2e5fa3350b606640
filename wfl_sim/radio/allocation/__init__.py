"""Allocators: pure functions from the demands of transfers to shares of the resource blocks."""

from wfl_sim.radio.allocation.channel_unaware import (
    Assigned,
    EarliestDeadline,
    EqualShare,
    Fixed,
    RoundRobin,
    Weighted,
)
from wfl_sim.radio.allocation.makespan import MinimumMakespan
from wfl_sim.radio.allocation.minimum_energy import MinimumEnergy
from wfl_sim.radio.allocation.opportunistic import Hungarian, MaxCI, ProportionalFair
from wfl_sim.radio.allocation.water_filling import WaterFilling

__all__ = [
    "Assigned",
    "EarliestDeadline",
    "EqualShare",
    "Fixed",
    "Hungarian",
    "MaxCI",
    "MinimumEnergy",
    "MinimumMakespan",
    "ProportionalFair",
    "RoundRobin",
    "WaterFilling",
    "Weighted",
]
