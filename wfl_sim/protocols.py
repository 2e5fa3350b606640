"""Contracts and registries for authors of plug-ins: one import line for a kind of one's own.

    from wfl_sim.protocols import ALLOCATORS, Demands

Every name is defined beside its kinds, in the module that it is imported from below. Contracts of
the propagation models (path loss, shadowing, fading, rate maps) are in `channel_models.protocols`.
Nothing inside wfl_sim imports this module. `Exchange`, `Loss` and `Outlook` are former names of
`StepExchange`, `UpdateLoss` and `Backlog`; they go with the next release.
"""

from wfl_sim.codecs.codec import CODECS, Codec
from wfl_sim.config.errors import LocatedError
from wfl_sim.config.registry import From, Registry
from wfl_sim.data.examples import Examples, Shards
from wfl_sim.data.metrics import METRICS, Metric
from wfl_sim.data.partition import PARTITIONS, Partition
from wfl_sim.data.sharding import DATA, Data, shards
from wfl_sim.device_models.availability import AVAILABILITIES, Availability
from wfl_sim.device_models.frequency import GOVERNORS, Dvfs, FrequencyGovernor
from wfl_sim.device_models.jitter import JITTERS, Jitter
from wfl_sim.device_models.mobility.track import MOBILITIES, Mobility, Region, Track
from wfl_sim.device_models.workload import (
    Batches,
    StepExchange,
    UpdateCost,
    Workload,
    Writing,
)
from wfl_sim.execution.executor import EXECUTORS, Backlog, Executor, Session
from wfl_sim.execution.learner import GroupLearner, Learner, SeriesLearner
from wfl_sim.execution.store import Store
from wfl_sim.execution.task import Task
from wfl_sim.learning.base_models.pretrained_model import MODELS, Pretrained
from wfl_sim.methods.aggregation import Upload, weighted_mean
from wfl_sim.methods.local_update import (
    ClientContext,
    EmbedTexts,
    EvaluateLoss,
    LocalResult,
    Train,
    train_phases,
)
from wfl_sim.methods.method import METHODS, Hooks, Method
from wfl_sim.methods.objectives import ALGORITHMS, REWARDS, Algorithm, Reward
from wfl_sim.methods.parts import Adapter, Head, LoRA, Part
from wfl_sim.methods.phases import Local, Phase
from wfl_sim.methods.robust import ROBUST, Robust
from wfl_sim.methods.server_optimizers import OPTIMIZERS, Optimizer
from wfl_sim.methods.staleness import STALENESS, Staleness
from wfl_sim.network.devices.client import Client, Contribution, Terms
from wfl_sim.network.federation.federation import Federation
from wfl_sim.radio.allocation.allocator import (
    ALLOCATORS,
    Allocator,
    BlockAllocator,
    Demands,
    PowerAllocator,
    Statistics,
)
from wfl_sim.radio.cell import CellConfig
from wfl_sim.radio.channel.propagation import (
    ANTENNAS,
    FADINGS,
    PATHLOSSES,
    RATES,
    SHADOWINGS,
    Antenna,
    TransportRate,
)
from wfl_sim.radio.deployment.areas import AREAS, Area
from wfl_sim.radio.deployment.layouts import LAYOUTS, Layout
from wfl_sim.radio.power.base_station_power import STATIONS, BaseStationPower
from wfl_sim.radio.procedures.update_loss import LOSSES, UpdateLoss
from wfl_sim.randomness import stream
from wfl_sim.rounds.policy import ROUNDS, Choosy, Rounds
from wfl_sim.rounds.selection import RandomSelection
from wfl_sim.rounds.selection.selector import SELECTORS, Selector
from wfl_sim.state import State

Exchange = StepExchange
Governor = FrequencyGovernor
Loss = UpdateLoss
Outlook = Backlog
Station = BaseStationPower

__all__ = [
    "ALGORITHMS",
    "ALLOCATORS",
    "ANTENNAS",
    "AREAS",
    "AVAILABILITIES",
    "CODECS",
    "DATA",
    "EXECUTORS",
    "FADINGS",
    "GOVERNORS",
    "JITTERS",
    "LAYOUTS",
    "LOSSES",
    "METHODS",
    "METRICS",
    "MOBILITIES",
    "MODELS",
    "OPTIMIZERS",
    "PARTITIONS",
    "PATHLOSSES",
    "RATES",
    "REWARDS",
    "ROBUST",
    "ROUNDS",
    "SELECTORS",
    "SHADOWINGS",
    "STALENESS",
    "STATIONS",
    "Adapter",
    "Algorithm",
    "Allocator",
    "Antenna",
    "Area",
    "Availability",
    "Backlog",
    "BaseStationPower",
    "Batches",
    "BlockAllocator",
    "CellConfig",
    "Choosy",
    "Client",
    "ClientContext",
    "Codec",
    "Contribution",
    "Data",
    "Demands",
    "Dvfs",
    "EmbedTexts",
    "EvaluateLoss",
    "Examples",
    "Exchange",
    "Executor",
    "Federation",
    "FrequencyGovernor",
    "From",
    "Governor",
    "GroupLearner",
    "Head",
    "Hooks",
    "Jitter",
    "Layout",
    "Learner",
    "LoRA",
    "Local",
    "LocalResult",
    "LocatedError",
    "Loss",
    "Method",
    "Metric",
    "Mobility",
    "Optimizer",
    "Outlook",
    "Part",
    "Partition",
    "Phase",
    "PowerAllocator",
    "Pretrained",
    "RandomSelection",
    "Region",
    "Registry",
    "Reward",
    "Robust",
    "Rounds",
    "Selector",
    "SeriesLearner",
    "Session",
    "Shards",
    "Staleness",
    "State",
    "Station",
    "Statistics",
    "StepExchange",
    "Store",
    "Task",
    "Terms",
    "Track",
    "Train",
    "TransportRate",
    "UpdateCost",
    "UpdateLoss",
    "Upload",
    "Workload",
    "Writing",
    "shards",
    "stream",
    "train_phases",
    "weighted_mean",
]
