"""Rounds policies and client selection: SimPy processes that never see a tensor."""

from wfl_sim.rounds.asynchronous import Asynchronous
from wfl_sim.rounds.centralised import Centralised
from wfl_sim.rounds.hierarchical import Hierarchical
from wfl_sim.rounds.joint_plan import JointPlan
from wfl_sim.rounds.over_the_air import OverTheAir
from wfl_sim.rounds.synchronous import Deadline, OverSelection, Synchronous
from wfl_sim.rounds.tiers import Tiers

__all__ = [
    "Asynchronous",
    "Centralised",
    "Deadline",
    "Hierarchical",
    "JointPlan",
    "OverSelection",
    "OverTheAir",
    "Synchronous",
    "Tiers",
]
