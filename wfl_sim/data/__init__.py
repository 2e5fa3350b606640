"""Data sets of labelled texts and of instructions, divided over devices (NumPy only)."""

from wfl_sim.data.examples import Examples, Instructions, Shards
from wfl_sim.data.hub import Hub
from wfl_sim.data.instruct import Instruct
from wfl_sim.data.instruction_records import InstructionRecords
from wfl_sim.data.newswire import Newswire
from wfl_sim.data.partition import IID, ByColumn, ByLabel, Dirichlet, Partition, QuantitySkew
from wfl_sim.data.tables import Csv, Jsonl

__all__ = [
    "IID",
    "ByColumn",
    "ByLabel",
    "Csv",
    "Dirichlet",
    "Examples",
    "Hub",
    "Instruct",
    "InstructionRecords",
    "Instructions",
    "Jsonl",
    "Newswire",
    "Partition",
    "QuantitySkew",
    "Shards",
]
