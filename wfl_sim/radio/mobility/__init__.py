"""Mobility: where devices are over time, as functions of seed, device and time."""

from wfl_sim.radio.mobility.gauss_markov import GaussMarkov
from wfl_sim.radio.mobility.random_waypoint import RandomWaypoint
from wfl_sim.radio.mobility.static import Static
from wfl_sim.radio.mobility.trace import Trace
from wfl_sim.radio.mobility.track import Region, Track

__all__ = ["GaussMarkov", "RandomWaypoint", "Region", "Static", "Trace", "Track"]
