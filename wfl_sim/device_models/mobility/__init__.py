"""Mobility: where devices are over time, as functions of seed, device and time."""

from wfl_sim.device_models.mobility.gauss_markov import GaussMarkov
from wfl_sim.device_models.mobility.random_waypoint import RandomWaypoint
from wfl_sim.device_models.mobility.trace import Trace
from wfl_sim.device_models.mobility.track import Region, Static, Track

__all__ = ["GaussMarkov", "RandomWaypoint", "Region", "Static", "Trace", "Track"]
