"""Client selection: which devices take part in a round."""

from wfl_sim.rounds.selection.basic import BestChannel, Everyone, RandomSelection, RoundRobin
from wfl_sim.rounds.selection.fedcs import EnergyAware, FedCS
from wfl_sim.rounds.selection.oort import Oort, TiFL

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
