"""Seconds, joules and bits to several accuracies, by who waits for whom: a figure of the docs.

wfl-sim run scenarios/stragglers.yaml --out runs
python benchmarks/time_to_target.py runs/stragglers-*-s*      # drawn in the order given
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from wfl_sim.cli.scripts import run_script, script_options
from wfl_sim.results import Run
from wfl_sim.results.figures.look import Look
from wfl_sim.results.figures.style import line_styles
from wfl_sim.results.series import Crossing, crossing
from wfl_sim.results.statistics import by_label

COSTS: dict[str, Callable[[Crossing], float]] = {
    "simulated time (s)": lambda reached: reached.time,
    "energy drawn (J)": lambda reached: reached.joules,
    "sent and received (Mbit)": lambda reached: reached.bits / 1e6,
}


def costs(runs: Sequence[Run], target: float, cost: Callable[[Crossing], float]) -> list[float]:
    """Return what each seed spent until the target; those that never reached it are left out."""
    found = [crossing(run.series("accuracy", "global"), target) for run in runs]
    return [cost(reached) for reached in found if reached is not None]


def draw(groups: dict[str, list[Run]], targets: Sequence[float]) -> Figure:
    """Return the figure: dots are seeds, bars their mean."""
    figure = Figure(figsize=(9.6, 3.4), layout="constrained")
    panels: Sequence[Axes] = figure.subplots(1, len(COSTS))
    styles = line_styles(groups)
    width = 0.8 / len(groups)
    for axes, (name, cost) in zip(panels, COSTS.items(), strict=True):
        for place, (label, runs) in enumerate(groups.items()):
            at = np.arange(len(targets)) + (place - (len(groups) - 1) / 2) * width
            spent = [costs(runs, target, cost) for target in targets]
            means = [np.mean(each) if each else 0.0 for each in spent]
            axes.bar(at, means, width, color=styles[label]["color"], label=label, alpha=0.75)
            for x, each in zip(at, spent, strict=True):
                axes.plot([x] * len(each), each, ".", color="#222222", markersize=4)
                if len(each) < len(runs):
                    top = max(each, default=0.0)
                    axes.annotate(f"{len(each)}/{len(runs)}", (x, top), ha="center", fontsize=7)
        axes.set_xticks(range(len(targets)), [f"{target:g}" for target in targets])
        axes.set_xlabel("accuracy reached")
        axes.set_ylabel(name)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(groups))
    return figure


def main() -> None:
    """Draw the figure and print its numbers."""
    parser = script_options(__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--targets", nargs="+", type=float, default=[0.6, 0.7, 0.8])
    parser.add_argument("--out", type=Path, default=Path("time-to-target.png"))
    given = parser.parse_args()
    runs = [Run.open(folder) for folder in given.runs]
    labelled = by_label(runs)
    groups = {name: labelled[name] for name in dict.fromkeys(r.manifest["label"] for r in runs)}
    with Look()():
        draw(groups, given.targets).savefig(given.out, dpi=110)
    for label, runs in groups.items():
        for target in given.targets:
            row = [costs(runs, target, cost) for cost in COSTS.values()]
            text = "  ".join(f"{np.mean(each):8.1f}" for each in row if each)
            print(f"{label:20} {target:g}  {len(row[0])}/{len(runs)}  {text}")


if __name__ == "__main__":
    run_script(main, ValueError)
