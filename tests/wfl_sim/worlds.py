"""Scenarios that tests vary: no torch, seconds of simulated time, milliseconds of ours."""

from wfl_sim.scenario.loading import load
from wfl_sim.simulation.simulation import Simulation

BASE = """
name: synthetic
seed: 5
model: {kind: synthetic, payload: 2 Mbit, flops_per_step: 20 GFLOP}
method: {kind: pftt, local: {steps: 4}}
rounds: {kind: synchronous, count: 3, clients: 4}
cells:
  - bandwidth: 10 MHz
    channel: {pathloss: macro, fading: {kind: rayleigh, profile: tdl-a, delay_spread: 100 ns}}
devices:
  - {count: 4, hardware: jetson-orin-nano, area: {radius: 300 m}}
  - {count: 2, hardware: raspberry-pi-5, area: {radius: 300 m}}
"""


def scenario(tmp_path, *settings, text=BASE):
    file = tmp_path / "scenario.yaml"
    file.write_text(text)
    return load(file, settings=settings)[0].scenario


def outcome(tmp_path, *settings, text=BASE):
    return Simulation(scenario(tmp_path, *settings, text=text), network_only=True).run()
