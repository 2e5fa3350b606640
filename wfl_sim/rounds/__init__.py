"""Rounds: who waits for whom. SimPy processes that know nothing of tensors."""

from wfl_sim.rounds.over_selection import OverSelection
from wfl_sim.rounds.synchronous import Synchronous

__all__ = ["OverSelection", "Synchronous"]
