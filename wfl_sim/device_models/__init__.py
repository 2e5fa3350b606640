"""The compute room: what hardware is, and the seconds and watts of a local update on it."""

from wfl_sim.device_models.compute import ComputeConfig
from wfl_sim.device_models.hardware import Hardware, HardwareReference, catalogue
from wfl_sim.device_models.workload import UpdateCost

__all__ = ["ComputeConfig", "Hardware", "HardwareReference", "UpdateCost", "catalogue"]
