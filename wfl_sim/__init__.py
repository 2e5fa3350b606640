"""wfl_sim: how fast, at what energy and how well wireless devices fine-tune a model together.

    runs = wfl_sim.run("scenario.yaml")

The names below are loaded when they are first used, so that importing the package is instant.
Kinds of one's own are registered with the registries of `wfl_sim.protocols`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wfl_sim.loading import load
    from wfl_sim.results import Run
    from wfl_sim.running import run
    from wfl_sim.simulation import Simulation
    from wfl_sim.sweeping import sweep

__version__ = "0.1.0"

__all__ = ["Run", "Simulation", "__version__", "load", "run", "sweep"]

_HOMES = {
    "Run": "wfl_sim.results",
    "Simulation": "wfl_sim.simulation",
    "load": "wfl_sim.loading",
    "run": "wfl_sim.running",
    "sweep": "wfl_sim.sweeping",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'wfl_sim' has no attribute {name!r}")
