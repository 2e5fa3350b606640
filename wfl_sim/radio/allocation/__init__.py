"""Allocation: one rule, one file. Pure functions from demands to shares of the resource blocks."""

from wfl_sim.radio.allocation.equal import EqualShare
from wfl_sim.radio.allocation.proportional_fair import ProportionalFair

__all__ = ["EqualShare", "ProportionalFair"]
