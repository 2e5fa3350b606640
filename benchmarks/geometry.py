"""Downlink geometry of 19 sites: percentiles of the SIR at full load, beside computed ones.

Sites 500 m apart with wrap-around, UMa without line of sight, 6 dB of shadowing, 3.5 GHz; the SIR
of a device is what it receives from its best cell over what it receives from all others.

    .venv/bin/python benchmarks/geometry.py
"""

import numpy as np

import wfl_sim
from wfl_sim.cli.scripts import run_script, script_options
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
INDEPENDENT = (-3.2, 3.8, 18.7)
"""5th, 50th and 95th percentile in dB of three sectors a site"""


def percentiles(sectors: int, devices: int) -> list[float]:
    """5th, 50th and 95th percentile of the SIR in dB."""
    layout = {"kind": "hexagonal", "rings": 2, "spacing": "500 m", "sectors": sectors}
    fleet = [{"count": devices, "hardware": "raspberry-pi-5", "area": "cells"}]
    gains = place(
        wfl_sim.Scenario.from_dict({**SCENARIO, "layout": layout, "devices": fleet})
    ).gains
    best = gains.max(axis=0)
    sir = 10 * np.log10(best / (gains.sum(axis=0) - best))
    return np.percentile(sir, [5, 50, 95]).round(2).tolist()


def main() -> None:
    """Print both layouts."""
    parser = script_options(__doc__)
    parser.add_argument("--devices", type=int, default=4000)
    devices = parser.parse_args().devices
    for sectors in (1, 3):
        print(f"{sectors} cells a site: {percentiles(sectors, devices)} dB")
    print(f"computed independently, 3 cells a site: {list(INDEPENDENT)} dB")


if __name__ == "__main__":
    run_script(main)
