"""Fleet: labels side by side, with batteries, who was lost when, and where the energy went."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from matplotlib.figure import Figure

from wfl_sim.figures.batteries import levels, losses
from wfl_sim.figures.breakdown import bar, panel
from wfl_sim.figures.files import save
from wfl_sim.figures.scales import scale
from wfl_sim.figures.seeds import by_label
from wfl_sim.figures.style import columns, in_order, look, patches
from wfl_sim.results import Run

FLEET_HEADER: Final = ("label", "what", "of", "time", "value")
LEGEND: Final = 150
"""characters that fit under the figure"""
MOST: Final = 3
"""labels that have room beside one another"""


def fleet(runs: Sequence[Run], folder: Path) -> list[Path]:
    """Draw two or three labels whose devices have batteries side by side.

    Above, the levels of batteries and how many devices can be asked, for the lowest seed of each
    label, as in `batteries`. Below, joules by component of all devices together, means over seeds
    as in `breakdown`.

    Returns:
        The paths of PNG, SVG and CSV, named `fleet`; none for other numbers of labels.
    """
    groups = by_label(runs)
    shown = {
        label: members
        for label, members in groups.items()
        if "battery" in members[0].level_arrays["quantity"]
    }
    if not 2 <= len(shown) <= MOST:
        return []
    end = max(float(members[0].span_arrays["end"].max()) for members in shown.values())
    factor, unit = scale(end, "s")
    rows: list[tuple[Any, ...]] = []
    with look():
        figure = Figure(figsize=(6.4 * len(shown), 7.4 + 0.3 * len(shown)))
        grid = figure.add_gridspec(3, len(shown), height_ratios=(3, 2, 0.9 + 0.25 * len(shown)))
        first: dict[int, Any] = {}
        for place, (label, members) in enumerate(shown.items()):
            run = members[0]
            above = figure.add_subplot(grid[0, place], sharex=first.get(0), sharey=first.get(0))
            below = figure.add_subplot(grid[1, place], sharex=above, sharey=first.get(1))
            first.setdefault(0, above)
            first.setdefault(1, below)
            found = levels(above, run, factor) + losses(below, run, factor)
            rows += [(label, *row) for row in found]
            above.set_title(f"{label}, seed {run.seed}")
            above.set_xlim(0, end * factor)
            above.tick_params(labelbottom=False)
            below.set_xlabel(f"simulated time ({unit})")
        bars = [bar(label, members, "components") for label, members in shown.items()]
        axes = figure.add_subplot(grid[2, :])
        panel(axes, "energy by component, all devices", "J", bars)
        rows += [
            (one.label, "joules", part, None, joules)
            for one in bars
            for part, joules in one.parts.items()
        ]
        handles = patches(in_order(part for one in bars for part in one.parts))
        figure.legend(handles=handles, loc="outside lower center", ncols=columns(handles, LEGEND))
        return save(figure, folder, "fleet", FLEET_HEADER, rows)
