"""Former home of the registry: use `wfl_sim.protocols`. This module goes with the next release."""

import warnings

from wfl_sim.config.errors import KindError, LocatedError, NestedError, did_you_mean
from wfl_sim.config.plugin_code import plugins_allowed
from wfl_sim.config.registry import From, Registry, describe

__all__ = [
    "From",
    "KindError",
    "LocatedError",
    "NestedError",
    "Registry",
    "describe",
    "did_you_mean",
    "plugins_allowed",
]

warnings.warn(
    "wfl_sim.registry is deprecated: import its names from wfl_sim.protocols",
    DeprecationWarning,
    stacklevel=2,
)
