"""Labels: how many training examples of each label every device holds."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from wfl_sim.results.figures.look import Drawing, saved
from wfl_sim.results.run import Run
from wfl_sim.results.statistics import lowest_seeds
from wfl_sim.results.tables import file_name, natural_key

HEADER: Final = ("device", "label", "count")
MOST_NUMBERS: Final = 24
"""Devices up to which the counts are written."""
MOST_NAMES: Final = 30
"""Labels up to which all have their names."""


@saved
def labels(runs: Sequence[Run]) -> Iterator[Drawing]:
    """Draw who holds which labels, for the lowest seed of each label of runs.

    Runs that hold the same are drawn once, under the first name.

    Named `labels-<label>`; none without data.
    """
    drawn: list[list[tuple[object, ...]]] = []
    for name, run in lowest_seeds(runs).items():
        held = run.label_arrays
        train = held["part"] == "train"
        rows = list(zip(*(held[column][train].tolist() for column in HEADER), strict=True))
        if rows and rows not in drawn:
            drawn.append(rows)
            yield _drawn(rows, f"{name}, seed {run.seed}", name)


def _drawn(rows: Sequence[tuple[str, str, int]], title: str, label: str) -> Drawing:
    devices = sorted({device for device, _, _ in rows}, key=natural_key)
    names = list(dict.fromkeys(name for _, name, _ in rows))
    counts = np.zeros((len(names), len(devices)))
    for device, name, count in rows:
        counts[names.index(name), devices.index(device)] = count
    figure = Figure(figsize=(9.6, 1.5 + 0.32 * min(len(names), 24)))
    axes = figure.subplots()
    image = axes.imshow(counts, aspect="auto", cmap="Blues", vmin=0, interpolation="nearest")
    few = len(devices) <= MOST_NUMBERS and len(names) <= MOST_NAMES
    for (y, x), held in np.ndenumerate(counts) if few else ():
        ink = "white" if held > 0.6 * counts.max() else "#222222"
        if held:
            axes.text(x, y, f"{held:.0f}", ha="center", va="center", fontsize=8, color=ink)
    if len(names) <= MOST_NAMES:
        axes.set_yticks(range(len(names)), [each[:40] for each in names])
    else:
        axes.set_ylabel("label, by number")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=12, integer=True))
    axes.set_xlabel("device")
    axes.grid(visible=False)
    figure.suptitle(f"{title}: training examples by label and device")
    figure.colorbar(image, ax=axes, label="examples")
    return Drawing(file_name("labels", label), figure, HEADER, rows)
