"""Federated algorithms, one published method a file: what it shares, trains and averages."""

from wfl_sim.methods.adapters_only import AdaptersOnly
from wfl_sim.methods.ditto import Ditto
from wfl_sim.methods.fdlora import FDLoRA
from wfl_sim.methods.fedalt import FedALT
from wfl_sim.methods.fedavg import FedAvg
from wfl_sim.methods.feddpa import FedDPA
from wfl_sim.methods.fedex_lora import FedExLoRA
from wfl_sim.methods.fedit import FedIT
from wfl_sim.methods.fedmoa import FedMOA
from wfl_sim.methods.fedpeft import FedPEFT
from wfl_sim.methods.fedper import FedPer
from wfl_sim.methods.fedprox import FedProx
from wfl_sim.methods.fedrlhf import FedRLHF
from wfl_sim.methods.fedsa_lora import FedSALoRA
from wfl_sim.methods.ffa_lora import FFALoRA
from wfl_sim.methods.fine_tuned import FineTuned
from wfl_sim.methods.flexlora import FlexLoRA
from wfl_sim.methods.flora import FLoRA
from wfl_sim.methods.hetlora import HetLoRA
from wfl_sim.methods.local_only import LocalOnly
from wfl_sim.methods.pfit import PFIT
from wfl_sim.methods.pftt import PFTT
from wfl_sim.methods.pwff import PWFF
from wfl_sim.methods.rag import RAG
from wfl_sim.methods.scaffold import Scaffold
from wfl_sim.methods.splitlora import SplitLoRA

__all__ = [
    "PFIT",
    "PFTT",
    "PWFF",
    "RAG",
    "AdaptersOnly",
    "Ditto",
    "FDLoRA",
    "FFALoRA",
    "FLoRA",
    "FedALT",
    "FedAvg",
    "FedDPA",
    "FedExLoRA",
    "FedIT",
    "FedMOA",
    "FedPEFT",
    "FedPer",
    "FedProx",
    "FedRLHF",
    "FedSALoRA",
    "FineTuned",
    "FlexLoRA",
    "HetLoRA",
    "LocalOnly",
    "Scaffold",
    "SplitLoRA",
]
