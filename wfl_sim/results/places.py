"""Places: where the cells of a run stand, and what is known of one actor over time."""

import math

import numpy as np
from numpy.typing import NDArray

from wfl_sim.results.run import Run
from wfl_sim.results.tables import natural_key


def level(run: Run, actor: str, quantity: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the times in s at which a quantity of an actor is known, and its values."""
    levels = run.level_arrays
    mine = (levels["actor"] == actor) & (levels["quantity"] == quantity)
    return levels["time"][mine], levels["value"][mine]


def sites(run: Run) -> NDArray[np.float64]:
    """Return the positions (cells, 2) of the cells in m; none of a run that does not state them."""
    names = {name for name in set(run.level_arrays["actor"].tolist()) if name.startswith("cell-")}
    found = [
        [level(run, name, quantity)[1][0] for quantity in ("x", "y")]
        for name in sorted(names, key=natural_key)
    ]
    return np.array(found).reshape(-1, 2)


def hexagon_radius(run: Run) -> float | None:
    """Return the distance in m from a site to the corners of its hexagon; None without hexagons.

    The first corner is to the east.
    """
    layout = run.scenario.get("layout")
    if not isinstance(layout, dict) or layout.get("kind") != "hexagonal":
        return None
    return float(layout["spacing"]) / math.sqrt(3)
