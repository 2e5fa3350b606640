"""Who is who among the actors of a run."""

import re
from typing import Final

import numpy as np

from wfl_sim.results import Run

INFRASTRUCTURE: Final = ("aggregate", "transfer")
"""Activities of servers and cells, which no device has."""


def actors(run: Run) -> list[str]:
    """Return servers and cells, then devices, each in natural order (2 before 10)."""
    names = np.unique(run.span_arrays["actor"]).tolist()
    ours = set(devices(run))
    return sorted(names, key=lambda name: (name in ours, natural(name)))


def devices(run: Run) -> list[str]:
    """Return the devices in natural order."""
    spans = run.span_arrays
    others = set(spans["actor"][np.isin(spans["activity"], INFRASTRUCTURE)].tolist())
    return sorted(set(spans["actor"].tolist()) - others, key=natural)


def natural(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts the numbers within names as numbers."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)
    ]
