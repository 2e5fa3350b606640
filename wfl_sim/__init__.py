"""wfl_sim: how fast, at what energy and how well wireless devices fine-tune a model together.

    runs = wfl_sim.run("scenario.yaml")  # or the same as a mapping of Python

The names below are loaded when they are first used, so that importing the package is instant.
So are the registries of `wfl_sim.protocols`, whose decorators register kinds of one's own:

    @wfl_sim.ALLOCATORS("mine")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wfl_sim.config.errors import ScenarioError
    from wfl_sim.network.carriers.band import band
    from wfl_sim.results import Run
    from wfl_sim.scenario.loading import load
    from wfl_sim.scenario.scenario import Scenario
    from wfl_sim.simulation.run import run
    from wfl_sim.simulation.simulation import Simulation
    from wfl_sim.simulation.sweep import sweep

__version__ = "0.1.0"

__all__ = [
    "Run",
    "Scenario",
    "ScenarioError",
    "Simulation",
    "__version__",
    "band",
    "load",
    "run",
    "sweep",
]

_HOMES = {
    "Run": "wfl_sim.results",
    "Scenario": "wfl_sim.scenario.scenario",
    "ScenarioError": "wfl_sim.config.errors",
    "Simulation": "wfl_sim.simulation.simulation",
    "band": "wfl_sim.network.carriers.band",
    "load": "wfl_sim.scenario.loading",
    "run": "wfl_sim.simulation.run",
    "sweep": "wfl_sim.simulation.sweep",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        if name == "band":  # takes kinds by name, and rooms below scenario know none
            import_module("wfl_sim.scenario.builtin_kinds")
        return getattr(import_module(_HOMES[name]), name)
    if name.isupper() and hasattr(import_module("wfl_sim.protocols"), name):
        return getattr(import_module("wfl_sim.protocols"), name)
    raise AttributeError(f"module 'wfl_sim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
