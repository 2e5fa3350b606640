"""Executors: where and how the tasks of a run are executed. Registered by import."""

from wfl_sim.execution.executor import Inline
from wfl_sim.execution.executors.auto import Auto
from wfl_sim.execution.executors.grouped import Grouped
from wfl_sim.execution.executors.processes import Processes
from wfl_sim.execution.executors.ray_cluster import Ray

__all__ = ["Auto", "Grouped", "Inline", "Processes", "Ray"]
