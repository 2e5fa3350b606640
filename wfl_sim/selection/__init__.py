"""Selection: who takes part in a round."""

from wfl_sim.selection.best_channel import BestChannel
from wfl_sim.selection.energy_aware import EnergyAware
from wfl_sim.selection.everyone import Everyone
from wfl_sim.selection.fedcs import FedCS
from wfl_sim.selection.oort import Oort
from wfl_sim.selection.round_robin import RoundRobin
from wfl_sim.selection.tifl import TiFL
from wfl_sim.selection.uniform import RandomSelection

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
