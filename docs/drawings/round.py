"""The drawing of a round on the first page, from a simulated one.

Run: python docs/drawings/round.py (writes docs/images/round.svg)
"""

import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

import wfl_sim

FILE = Path(__file__).parents[1] / "images" / "round.svg"
SCENARIO = {
    "name": "round",
    "seed": 4,
    "model": {"kind": "synthetic", "payload": "24 Mbit", "flops_per_step": "16 GFLOP"},
    "method": {"kind": "fedit", "local": {"steps": 8}},
    "rounds": {"kind": "synchronous", "count": 1},
    "cells": [{"bandwidth": "10 MHz", "subcarrier_spacing": "15 kHz"}],
    "devices": [
        {"count": 1, "hardware": "jetson-orin-nano", "area": {"radius": "120 m"}},
        {"count": 1, "hardware": "raspberry-pi-5", "area": {"radius": "120 m"}},
        {"count": 1, "hardware": "jetson-orin-nano", "area": {"radius": "250 m"}},
    ],
}
COLOURS = {"download": "#56B4E9", "compute": "#E69F00", "upload": "#0072B2", "wait": "#DDDDDD"}


def draw(spans: dict[str, np.ndarray]) -> None:
    """Draw activities over time, and the power of each device below them."""
    plt.rcParams |= {"svg.hashsalt": "round", "svg.fonttype": "none", "font.size": 9}
    actors = sorted({a for a in spans["actor"].tolist() if a.startswith("device")})
    figure, axes = plt.subplots(len(actors), 1, figsize=(8, 3.4), sharex=True, layout="constrained")
    for axis, actor in zip(axes, actors, strict=True):
        own = spans["actor"] == actor
        for activity, start, end, joules in zip(
            *(spans[c][own] for c in ("activity", "start", "end", "joules")), strict=True
        ):
            if end <= start:
                continue
            power = joules / (end - start)
            axis.fill_between(
                [start, end], power, color=COLOURS.get(activity, "#DDDDDD"), linewidth=0
            )
            if end - start > 0.25:
                ink = "white" if activity == "upload" else "black"
                middle = (start + end) / 2
                axis.text(middle, power / 2, activity, ha="center", va="center", color=ink)
        axis.set_ylabel(f"{actor}\npower (W)", rotation=0, ha="right", va="center")
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_ylim(0, 15)
    axes[-1].set_xlabel("simulated time (s)")
    figure.savefig(FILE, metadata={"Date": None})


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        (run,) = wfl_sim.run(SCENARIO, out=folder)
        draw(dict(run.span_arrays))
