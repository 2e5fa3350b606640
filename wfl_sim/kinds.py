"""The built-in kinds, registered in one place by the name that scenarios use.

Methods, rounds, selectors, allocators and codecs register themselves with a decorator in their own
file. The channel models know no registry, so they get their names here.
"""

import channel_models as cm
import wfl_sim.areas
import wfl_sim.availability
import wfl_sim.compute.frequency
import wfl_sim.compute.jitter
import wfl_sim.infrastructure
import wfl_sim.layouts
import wfl_sim.learning.model
import wfl_sim.learning.synthetic
import wfl_sim.methods
import wfl_sim.payload
import wfl_sim.radio.allocation
import wfl_sim.radio.loss
import wfl_sim.radio.mobility
import wfl_sim.rounds
import wfl_sim.selection  # noqa: F401
from wfl_sim.learning.data import (
    IID,
    Alpaca,
    ByLabel,
    Csv,
    Dirichlet,
    Hub,
    Instruct,
    Jsonl,
    Newswire,
)
from wfl_sim.protocols import ANTENNAS, DATA, FADINGS, PARTITIONS, PATHLOSSES, RATES, SHADOWINGS

PATHLOSSES.add("uma", cm.UMa)
PATHLOSSES.add("umi", cm.UMi)
PATHLOSSES.add("rma", cm.RMa)
PATHLOSSES.add("inh", cm.InH)
PATHLOSSES.add("macro", cm.Macro)
PATHLOSSES.add("power-law", cm.PowerLaw)
PATHLOSSES.add("free-space", cm.FreeSpace)
PATHLOSSES.add("log-distance", cm.LogDistance)
SHADOWINGS.add("log-normal", cm.LogNormal)
SHADOWINGS.add("map", cm.ShadowMap)
FADINGS.add("static", cm.Static)
FADINGS.add("rayleigh", cm.Rayleigh)
RATES.add("shannon", cm.Shannon)
RATES.add("shannon-gap", cm.ShannonGap)
RATES.add("attenuated-shannon", cm.AttenuatedShannon)
RATES.add("mcs", cm.McsRate)
ANTENNAS.add("omni", cm.Omni)
ANTENNAS.add("sector", cm.Sector)
DATA.add("newswire", Newswire)
DATA.add("csv", Csv)
DATA.add("jsonl", Jsonl)
DATA.add("hub", Hub)
DATA.add("instruct", Instruct)
DATA.add("alpaca", Alpaca)
PARTITIONS.add("iid", IID)
PARTITIONS.add("dirichlet", Dirichlet)
PARTITIONS.add("by-label", ByLabel)
