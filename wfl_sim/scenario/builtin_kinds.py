"""The built-in kinds, registered in one place by the name that scenarios use.

Methods, rounds, selectors, allocators, codecs and data register themselves with a decorator in
their own file. The channel models know no registry, so they get their names here.
"""

from typing import Any, Final

import channel_models as cm
import wfl_sim.learning.alignment.answer_reward
import wfl_sim.learning.synthetic  # noqa: F401  (both register kinds)
from wfl_sim.codecs.codec import CODECS
from wfl_sim.config.registry import Registry
from wfl_sim.data.metrics import METRICS
from wfl_sim.data.partition import PARTITIONS
from wfl_sim.data.sharding import DATA
from wfl_sim.device_models.availability import AVAILABILITIES
from wfl_sim.device_models.frequency import GOVERNORS
from wfl_sim.device_models.jitter import JITTERS
from wfl_sim.device_models.mobility.track import MOBILITIES
from wfl_sim.execution.executor import EXECUTORS
from wfl_sim.learning.base_models.pretrained_model import MODELS
from wfl_sim.methods.method import METHODS
from wfl_sim.methods.objectives import ALGORITHMS, REWARDS
from wfl_sim.methods.robust import ROBUST
from wfl_sim.methods.server_optimizers import OPTIMIZERS
from wfl_sim.methods.staleness import STALENESS
from wfl_sim.radio.allocation.allocator import ALLOCATORS
from wfl_sim.radio.channel.fading_kinds import (
    BlockedFading,
    FadingBySight,
    RecordedFading,
    ScreensFading,
)
from wfl_sim.radio.channel.layers import Layers
from wfl_sim.radio.channel.propagation import ANTENNAS, FADINGS, PATHLOSSES, RATES, SHADOWINGS
from wfl_sim.radio.channel.rays import RayFading
from wfl_sim.radio.channel.scenario_fading import ScenarioFading
from wfl_sim.radio.deployment.areas import AREAS
from wfl_sim.radio.deployment.layouts import LAYOUTS
from wfl_sim.radio.power.base_station_power import STATIONS
from wfl_sim.radio.procedures.update_loss import LOSSES
from wfl_sim.rounds.policy import ROUNDS
from wfl_sim.rounds.selection.selector import SELECTORS

FAMILIES: Final[tuple[Registry[Any], ...]] = (
    ALGORITHMS,
    ALLOCATORS,
    ANTENNAS,
    AREAS,
    AVAILABILITIES,
    CODECS,
    DATA,
    EXECUTORS,
    FADINGS,
    GOVERNORS,
    JITTERS,
    LAYOUTS,
    LOSSES,
    METHODS,
    METRICS,
    MOBILITIES,
    MODELS,
    OPTIMIZERS,
    PARTITIONS,
    PATHLOSSES,
    RATES,
    REWARDS,
    ROBUST,
    ROUNDS,
    SELECTORS,
    SHADOWINGS,
    STALENESS,
    STATIONS,
)
"""Every family of kinds that a scenario may name, in the order of their names."""

PATHLOSSES.add("uma", cm.UMa)
PATHLOSSES.add("umi", cm.UMi)
PATHLOSSES.add("rma", cm.RMa)
PATHLOSSES.add("inh", cm.InH)
PATHLOSSES.add("uma-av", cm.UMaAV)
PATHLOSSES.add("umi-av", cm.UMiAV)
PATHLOSSES.add("rma-av", cm.RMaAV)
PATHLOSSES.add("macro", cm.Macro)
PATHLOSSES.add("power-law", cm.PowerLaw)
PATHLOSSES.add("free-space", cm.FreeSpace)
PATHLOSSES.add("log-distance", cm.LogDistance)
SHADOWINGS.add("log-normal", cm.LogNormal)
SHADOWINGS.add("map", cm.ShadowMap)
SHADOWINGS.add("scenario", cm.ScenarioShadowing)
FADINGS.add("static", cm.Static)
FADINGS.add("rayleigh", cm.Rayleigh)
FADINGS.add("rician", cm.Rician)
FADINGS.add("nakagami", cm.Nakagami)
FADINGS.add("block", cm.Block)
FADINGS.add("ornstein-uhlenbeck", cm.OrnsteinUhlenbeck)
FADINGS.add("trace", RecordedFading)
FADINGS.add("rays", RayFading)
FADINGS.add("by-sight", FadingBySight)
FADINGS.add("scenario", ScenarioFading)
FADINGS.add("blocked", BlockedFading)
FADINGS.add("screens", ScreensFading)
RATES.add("shannon", cm.Shannon)
RATES.add("shannon-gap", cm.ShannonGap)
RATES.add("attenuated-shannon", cm.AttenuatedShannon)
RATES.add("mcs", cm.McsRate)
RATES.add("layers", Layers)
RATES.add("finite-blocklength", cm.FiniteBlocklength)
ANTENNAS.add("omni", cm.Omni)
ANTENNAS.add("sector", cm.Sector)
ANTENNAS.add("panel", cm.Panel)
