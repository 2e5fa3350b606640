"""The compute room: what hardware is, and the seconds and watts of a local update on it."""

from wfl_sim.compute.catalogue import HardwareReference, catalogue
from wfl_sim.compute.computing import Computing
from wfl_sim.compute.hardware import Hardware
from wfl_sim.compute.job import Job

__all__ = ["Computing", "Hardware", "HardwareReference", "Job", "catalogue"]
