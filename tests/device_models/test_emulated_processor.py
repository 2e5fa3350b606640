"""Devices have the same bits where the C library computes without fused multiply-add."""

import os
import subprocess
import sys

SCRIPT = """
import numpy as np
from wfl_sim.device_models.frequency import EnergyOptimal, Dvfs
from wfl_sim.device_models.jitter import Gamma, LogNormal
from wfl_sim.device_models.mobility.gauss_markov import GaussMarkov
from wfl_sim.device_models.mobility.random_waypoint import RandomWaypoint
from wfl_sim.device_models.mobility.track import Region
from wfl_sim.device_models.thermal import ThermalModel
from wfl_sim.device_models.workload import UpdateCost

rng = np.random.default_rng(5)
numbers = []
board = ThermalModel(
    resistance=5.0, time_constant=90.0, throttle=340.0, resume=330.0, throttled=0.5
)
clock = Dvfs(highest=1.51e9, lowest=1e8, static_power=0.3)
numbers.append(clock.kappa(7.3))
for _ in range(200):
    a, b, c, d = rng.uniform(0.1, 5.0, 4).tolist()
    job = UpdateCost(arithmetic=a, overhead=b / 10, static=c, dynamic=d)
    share = EnergyOptimal(deadline=1e3).share(job, clock)
    numbers += [share, job.joules(share), board.after(300.0 + a, b, c)]
    numbers.append(board.reaches(300.0, 20.0 + a, 330.0 + b))
    numbers += [LogNormal(cv=0.4).draw(rng), Gamma(cv=0.3).draw(rng), Gamma(cv=2.0).draw(rng)]
region = Region(lambda rng: tuple(rng.uniform(-200, 200, 2).tolist()), (0.0, 0.0), 300.0)
for law in (
    RandomWaypoint(slowest=1.0, fastest=9.0, pause=3.0),
    GaussMarkov(speed=8.0, sigma=2.0, memory=30.0, interval=0.7),
):
    track = law.track(0, region, rng)
    numbers += [number for time in range(0, 300, 3) for number in track.at(float(time))]
print(np.array(numbers, dtype=float).tobytes().hex())
"""


def _numbers(**environment: str) -> str:
    command = [sys.executable, "-c", SCRIPT]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=True
    ).stdout


def test_devices_have_the_same_bits_without_fused_multiply_add() -> None:
    here = _numbers()
    assert len(here) > 1000
    assert _numbers(GLIBC_TUNABLES="glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4") == here
