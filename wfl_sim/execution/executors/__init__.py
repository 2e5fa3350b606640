"""Executors: where and how the tasks of a run are executed. Registered by import."""

from wfl_sim.execution.executors.grouped import Grouped
from wfl_sim.execution.executors.inline import Inline

__all__ = ["Grouped", "Inline"]
