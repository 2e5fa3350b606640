"""Allocation: one rule, one file. Pure functions from demands to shares of the resource blocks."""

from wfl_sim.radio.allocation.earliest_deadline import EarliestDeadline
from wfl_sim.radio.allocation.equal import EqualShare
from wfl_sim.radio.allocation.fixed import Fixed
from wfl_sim.radio.allocation.hungarian import Hungarian
from wfl_sim.radio.allocation.makespan import MinimumMakespan
from wfl_sim.radio.allocation.max_ci import MaxCI
from wfl_sim.radio.allocation.minimum_energy import MinimumEnergy
from wfl_sim.radio.allocation.proportional_fair import ProportionalFair
from wfl_sim.radio.allocation.round_robin import RoundRobin
from wfl_sim.radio.allocation.weighted import Weighted

__all__ = [
    "EarliestDeadline",
    "EqualShare",
    "Fixed",
    "Hungarian",
    "MaxCI",
    "MinimumEnergy",
    "MinimumMakespan",
    "ProportionalFair",
    "RoundRobin",
    "Weighted",
]
