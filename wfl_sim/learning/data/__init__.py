"""Data rooms: labelled texts dealt out to devices. Needs numpy only."""

from wfl_sim.learning.data.alpaca import Alpaca
from wfl_sim.learning.data.csv_table import Csv
from wfl_sim.learning.data.examples import Examples, Shards
from wfl_sim.learning.data.hub_table import Hub
from wfl_sim.learning.data.instruct import Instruct
from wfl_sim.learning.data.instructions import Instructions
from wfl_sim.learning.data.jsonl_table import Jsonl
from wfl_sim.learning.data.newswire import Newswire
from wfl_sim.learning.data.partition import IID, ByLabel, Dirichlet, Partition

__all__ = [
    "IID",
    "Alpaca",
    "ByLabel",
    "Csv",
    "Dirichlet",
    "Examples",
    "Hub",
    "Instruct",
    "Instructions",
    "Jsonl",
    "Newswire",
    "Partition",
    "Shards",
]
