"""Downlink geometry of 19 sites: percentiles of the SIR at full load, and computed anew in NumPy.

Sites 500 m apart with wrap-around, UMa without line of sight, 6 dB of shadowing, 3.5 GHz; the SIR
of a device is what it receives from its best cell over what it receives from all others. Takes
half a minute.

    .venv/bin/python benchmarks/geometry.py
"""

from itertools import product

import numpy as np
from numpy.typing import NDArray

import wfl_sim
from wfl_sim.cli.scripts import at_least, run_script, script_options
from wfl_sim.simulation.placement import place

SCENARIO = {
    "name": "geometry",
    "model": {"kind": "synthetic", "payload": "1 Mbit", "flops_per_step": "1 GFLOP"},
    "method": {"kind": "fedit", "local": {"steps": 1}},
    "rounds": {"kind": "synchronous", "count": 1},
    "cells": [
        {
            "channel": {
                "pathloss": {"kind": "uma", "condition": "nlos"},
                "shadowing": {"sigma": "6 dB"},
                "fading": "static",
            }
        }
    ],
}


def percentiles(sectors: int, devices: int) -> list[float]:
    """5th, 50th and 95th percentile of the SIR in dB."""
    layout = {"kind": "hexagonal", "rings": 2, "spacing": "500 m", "sectors": sectors}
    fleet = [{"count": devices, "hardware": "raspberry-pi-5", "area": "cells"}]
    gains = place(
        wfl_sim.Scenario.from_dict({**SCENARIO, "layout": layout, "devices": fleet})
    ).gains
    return of_gains(gains)


def of_gains(gains: NDArray[np.float64]) -> list[float]:
    """5th, 50th and 95th percentile in dB of the best cell over all others; gains (cells, n)."""
    best = gains.max(axis=0)
    sir = 10 * np.log10(best / (gains.sum(axis=0) - best))
    return np.percentile(sir, [5, 50, 95]).round(2).tolist()


def independent(sectors: int, count: int = 100_000) -> list[float]:
    """The same percentiles, with nothing of wfl_sim."""
    rng, sixth = np.random.default_rng(1), np.exp(1j * np.pi / 3)
    sites = [500 * (i + j * sixth) for i, j in product(range(-2, 3), repeat=2) if abs(i + j) <= 2]
    images = [0, *(500 * (3 + 2 * sixth) * sixth**k for k in range(6))]
    users = rng.uniform(-300, 300, 2 * count) + 1j * rng.uniform(-300, 300, 2 * count)
    inside = np.all([(users / sixth**k).real <= 250 for k in range(6)], axis=0)
    users = users[inside & (np.abs(users) >= 35)]
    gains = []
    for site in sites:
        ways = users - site - np.array(images)[:, None]
        way = ways[np.abs(ways).argmin(axis=0), np.arange(len(users))]
        slant = np.hypot(np.abs(way), 25 - 1.5)
        loss = 13.54 + 39.08 * np.log10(slant) + 20 * np.log10(3.5)
        loss += 6 * rng.standard_normal(len(users))
        down = np.degrees(np.arctan2(25 - 1.5, np.abs(way)))
        for number in range(sectors):
            aside = np.degrees(np.angle(way * sixth ** (2 * number)))
            least = [np.minimum(12 * (angle / 65) ** 2, 30) for angle in (aside, down)]
            element = np.minimum(sum(least), 30) if sectors > 1 else 0
            gains.append(10 ** (-(loss + element) / 10))
    return of_gains(np.array(gains))


def main() -> None:
    """Print both layouts."""
    parser = script_options(__doc__)
    parser.add_argument("--devices", type=at_least(1), default=4000)
    devices = parser.parse_args().devices
    for sectors in (1, 3):
        print(f"{sectors} cells a site: {percentiles(sectors, devices)} dB")
        print(f"{sectors} cells a site, computed independently: {independent(sectors)} dB")


if __name__ == "__main__":
    run_script(main)
