"""Heat map: the last value of a metric, or the simulated time, over two swept numbers."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure

from wfl_sim.config.sweep import short_names
from wfl_sim.results.comparison import Goal, is_number
from wfl_sim.results.figures.look import Drawing, saved
from wfl_sim.results.figures.sweep_axes import axes as swept
from wfl_sim.results.figures.sweep_axes import shown_axes
from wfl_sim.results.run import Run
from wfl_sim.results.statistics import estimate
from wfl_sim.results.tables import file_name

HEADER: Final = ("panel", "x", "y", "mean", "half_width", "seeds")
MOST_PANELS: Final = 6
MOST_NUMBERS: Final = 100
"""Squares of a panel up to which means are written in them."""


@saved
def heat_map(runs: Sequence[Run], goal: Goal) -> Iterator[Drawing]:
    """Draw the mean over seeds over the two axes of numbers with the most values.

    It is the mean of the metric, and of the simulated time where no run has measured it. Runs that
    differ along other axes have a panel for each, up to 6; a point without a run or without a
    finite value is white.

    Named `heat-map-<metric>-<scope>` or `heat-map-seconds`; none unless two axes are numbers.
    """
    measured = [run for run in runs if goal.is_measured(run)]
    runs = measured or runs
    found = swept(runs)
    numeric = [path for path in shown_axes(runs) if is_number(runs, path)]
    numeric.sort(key=lambda path: -len(found[path]))
    if len(numeric) < 2:
        return
    across, down = numeric[:2]
    rest = [path for path in found if path not in (across, down)]
    panels: dict[str, dict[tuple[str, str], dict[int, float]]] = {}
    for run in runs:
        name = ", ".join(run.point[path].written for path in rest)
        place = run.point[across].written, run.point[down].written
        panels.setdefault(name, {}).setdefault(place, {})[run.seed] = (
            goal.final(run) if measured else run.seconds
        )
    xs, ys = (_sorted(runs, path, found[path]) for path in (across, down))
    shown = dict(list(panels.items())[:MOST_PANELS])
    rows: list[tuple[object, ...]] = []
    pictures = {}
    for name, points in panels.items():
        picture = np.full((len(ys), len(xs)), np.nan)
        for (x, y), by_seed in points.items():
            one = estimate(by_seed)
            picture[ys.index(y), xs.index(x)] = one.mean
            rows.append((name, x, y, one.mean, one.half_width, len(by_seed)))
        pictures[name] = picture
    finite = np.concatenate([picture[np.isfinite(picture)] for picture in pictures.values()])
    if not finite.size:
        return
    names = short_names([across, down])
    columns = min(len(shown), 3)
    lines = -(-len(shown) // columns)
    figure = Figure(figsize=(1.6 + 3.6 * columns, 0.9 + 3.0 * lines))
    grid = figure.subplots(lines, columns, squeeze=False)
    for unused in grid.flat[len(shown) :]:
        unused.remove()
    low, high = float(finite.min()), float(finite.max())
    for panel, name in zip(grid.flat, shown, strict=False):
        image = panel.imshow(
            pictures[name], origin="lower", aspect="auto", cmap="cividis", vmin=low, vmax=high
        )
        for (y, x), value in np.ndenumerate(pictures[name]):
            if np.isfinite(value) and pictures[name].size <= MOST_NUMBERS:
                ink = "black" if value > (low + high) / 2 else "white"
                middle: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 8}
                panel.text(x, y, f"{value:.3g}", color=ink, **middle)
        panel.set_xticks(range(len(xs)), xs, fontsize=8)
        panel.set_yticks(range(len(ys)), ys, fontsize=8)
        panel.set_xlabel(names[across].replace("_", " "))
        panel.set_ylabel(names[down].replace("_", " "))
        panel.set_title(name)
        panel.grid(visible=False)
    what = f"final {goal.metric} ({goal.whose})" if measured else "simulated time (s)"
    figure.colorbar(image, ax=list(figure.axes), label=what)
    left = "" if len(panels) <= MOST_PANELS else f", {MOST_PANELS} of {len(panels)} panels"
    figure.suptitle(f"Means over seeds{left}")
    name = file_name("heat-map", *((goal.metric, goal.scope) if measured else ("seconds",)))
    yield Drawing(name, figure, HEADER, rows)


def _sorted(runs: Sequence[Run], path: str, written: Sequence[str]) -> list[str]:
    values = {run.point[path].written: float(run.point[path].value) for run in runs}
    return sorted(written, key=lambda text: values[text])
