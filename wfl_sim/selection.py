"""Former home of client selection: use `wfl_sim.rounds.selection`. Goes with the next release."""

import warnings

from wfl_sim.rounds.selection import (
    BestChannel,
    EnergyAware,
    Everyone,
    FedCS,
    Oort,
    RandomSelection,
    RoundRobin,
    TiFL,
)

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

warnings.warn(
    "wfl_sim.selection is deprecated: import from wfl_sim.protocols or wfl_sim.rounds.selection",
    DeprecationWarning,
    stacklevel=2,
)
