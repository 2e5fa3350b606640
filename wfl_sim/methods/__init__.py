"""Methods: one published algorithm, one file. What it shares, what it trains, how it averages."""

from wfl_sim.methods.fedit import FedIT
from wfl_sim.methods.fedrlhf import FedRLHF
from wfl_sim.methods.local_only import LocalOnly
from wfl_sim.methods.pfit import PFIT
from wfl_sim.methods.pftt import PFTT
from wfl_sim.methods.pwff import PWFF

__all__ = ["PFIT", "PFTT", "PWFF", "FedIT", "FedRLHF", "LocalOnly"]
