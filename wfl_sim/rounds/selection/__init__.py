"""Client selection: which devices take part in a round."""

from wfl_sim.rounds.selection.energy_aware import EnergyAware
from wfl_sim.rounds.selection.fedcs import FedCS
from wfl_sim.rounds.selection.oort import Oort
from wfl_sim.rounds.selection.selector import BestChannel, Everyone, RandomSelection, RoundRobin
from wfl_sim.rounds.selection.tifl import TiFL

__all__ = [
    "BestChannel",
    "EnergyAware",
    "Everyone",
    "FedCS",
    "Oort",
    "RandomSelection",
    "RoundRobin",
    "TiFL",
]
