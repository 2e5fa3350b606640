"""Who is better with how many texts of its own: the figure and the table of the PFTT studies.

wfl-sim sweep scenarios/paper/pftt/examples-per-device.yaml --executor grouped --out runs
python benchmarks/examples_per_device.py runs/pftt-examples-per-device-sweep-*
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from wfl_sim.cli.scripts import run_script, script_options
from wfl_sim.results import Run
from wfl_sim.results.comparison import open_runs
from wfl_sim.results.figures.legends import add_legend
from wfl_sim.results.figures.look import Look
from wfl_sim.results.figures.style import interval_handle, line_styles
from wfl_sim.results.statistics import Estimate, estimate

Accuracies = Mapping[str, Mapping[int, Mapping[int, float]]]
"""Mean personal accuracy by method, texts to train on a device, and seed."""


def texts(run: Run) -> int:
    """Return how many texts a device trains on, on the mean over devices."""
    held = float(run.point["data.test_fraction"].value)
    return round(float(run.point["data.examples"].value) * (1 - held))


def accuracies(runs: Sequence[Run]) -> Accuracies:
    """Return what runs end with."""
    found: dict[str, dict[int, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for run in runs:
        name = str(run.point["variant"].value)
        found[name][texts(run)][run.seed] = run.final("accuracy", "personal_mean")
    return found


def less(one: Mapping[int, float], other: Mapping[int, float]) -> Estimate:
    """Return the difference of two methods over the seeds that both have."""
    return estimate({seed: one[seed] - other[seed] for seed in one if seed in other})


def draw(found: Accuracies, first: str) -> Figure:
    """Return the figure: accuracy, and the difference of `first` to each other method."""
    figure = Figure(figsize=(9.6, 4.6), layout="constrained")
    final, lead = figure.subplots(1, 2)
    styles = line_styles(found)
    lead.axhline(0, color="#444444", lw=0.8)
    for place, (name, by_size) in enumerate(found.items()):
        sizes = np.array(sorted(by_size))
        each = [estimate(by_size[size]) for size in sizes]
        mean, half = (np.array(column) for column in zip(*(one[:2] for one in each), strict=True))
        final.plot(sizes, mean, label=name, **styles[name])
        final.fill_between(sizes, mean - half, mean + half, color=styles[name]["color"], alpha=0.12)
        if name != first:
            gains = [less(found[first][size], by_size[size]) for size in sizes]
            at = sizes * 1.06 ** (place - len(found) / 2)  # whiskers side by side
            mean, half = ([one[i] for one in gains] for i in (0, 1))
            lead.errorbar(at, mean, yerr=half, capsize=3, **styles[name])
    final.set_ylabel("mean personal accuracy after the last round")
    lead.set_ylabel(f"accuracy of {first} less that of the other")
    for axes in (final, lead):
        axes.set_xscale("log")
        axes.margins(x=0.06)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.set_xlabel("texts to train on per device (mean over devices)")
    handles = final.get_legend_handles_labels()[0]
    add_legend(figure, [*handles, interval_handle(band=True)], width=110)
    return figure


def main() -> None:
    """Draw the figure and print the table of its numbers."""
    parser = script_options(__doc__)
    parser.add_argument("sweeps", nargs="+", type=Path)
    parser.add_argument("--first", default="pftt")
    parser.add_argument("--out", type=Path, default=Path("examples-per-device.png"))
    given = parser.parse_args()
    found = accuracies(open_runs(given.sweeps))
    with Look()():
        draw(found, given.first).savefig(given.out, dpi=110)
    for name, by_size in found.items():
        for size, each in sorted(by_size.items()):
            own, lead = estimate(each), less(found[given.first][size], each)
            shown = [f"{one.mean:+.3f} ± {one.half_width:.3f}" for one in (own, lead)]
            print(f"{name:12} {size:4d}  {shown[0]}  lead {shown[1]}  {len(each)} seeds")


if __name__ == "__main__":
    run_script(main, ValueError)
