"""Methods: one published algorithm, one file. What it shares, what it trains, how it averages."""

from wfl_sim.methods.fedit import FedIT
from wfl_sim.methods.local_only import LocalOnly
from wfl_sim.methods.pftt import PFTT
from wfl_sim.methods.splitlora import SplitLoRA

__all__ = ["PFTT", "FedIT", "LocalOnly", "SplitLoRA"]
