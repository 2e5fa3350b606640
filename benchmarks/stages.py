"""The stages of a language model on one cell and one fleet: what each costs, and what it buys.

    python benchmarks/stages.py FOLDER [RUN ...]

Runs scenarios/paper/stages/study.yaml into FOLDER, unless run folders of it are given, prints two
tables over seeds, and draws them into FOLDER.
"""

from collections import defaultdict
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from wfl_sim.cli.scripts import run_script, script_options
from wfl_sim.results import Run
from wfl_sim.results.figures.look import Look
from wfl_sim.results.figures.style import INK, logarithmic
from wfl_sim.results.statistics import estimate, mean_and_half_width
from wfl_sim.scenario.loading import load
from wfl_sim.simulation.run import run
from wfl_sim.simulation.simulation import Simulation

SCENARIO = Path(__file__).parents[1] / "scenarios" / "paper" / "stages" / "study.yaml"
ALONE = "answers alone"
LEAVES = {
    "pre-training": "all weights",
    "task tuning": "adapters",
    "instruction tuning": "last two layers",
    ALONE: "nothing",
    "retrieval": "requests, as text",
}
COSTS = ("s", "J", "Mbit up", "Mbit down")
QUALITIES = ("accuracy", "reward", "perplexity")


def value(run, metric, last):
    """Return the mean over devices of a metric, at the end or before training."""
    rows = run.metric_arrays
    chosen = (rows["metric"] == metric) & (rows["scope"] == "personal_mean")
    return float(rows["value"][chosen][-1 if last else 0])


def costs_of(run):
    """Return seconds, joules of devices, and bits that devices sent and received, in Mbit."""
    bits, joules = run.manifest["bits"], sum(run.manifest["joules"].values())
    up, down = bits["sent_up"] / 1e6, bits["received_down"] / 1e6
    return run.seconds, joules, up, down


def shown(numbers):
    """Return mean and 95 % interval (Student's t) over seeds as text."""
    mean, half = mean_and_half_width(numbers)
    told = [np.format_float_positional(float(f"{each:.3g}"), trim="-") for each in (mean, half)]
    return told[0] if half < 1e-9 else " ± ".join(told)


def tables(costs, before, after, memory):
    """Print what each stage costs, and what it buys."""
    print(f"| stage | {' | '.join(COSTS)} | MB held | leaves the device |")
    print("|---|" + "---|" * (len(COSTS) + 2))
    for stage, rows in costs.items():
        cells = [shown(column) for column in zip(*rows.values(), strict=True)]
        print(f"| {stage} | {' | '.join(cells)} | {memory[stage]:.1f} | {LEAVES[stage]} |")
    print(f"\n| stage | {' | '.join(f'{n} before | after | gain' for n in QUALITIES)} |")
    print("|---|" + "---|" * 3 * len(QUALITIES))
    for stage in before:
        cells = []
        for name in QUALITIES:
            old, new = before[stage][name], after[stage][name]
            gain = estimate({seed: new[seed] - old[seed] for seed in new})
            cells += [shown([*old.values()]), shown([*new.values()])]
            cells.append(f"{gain[0]:+.3f} ± {gain[1]:.3f}")
        print(f"| {stage} | {' | '.join(cells)} |")


def draw(costs, before, after, folder):
    """Draw costs on logarithmic axes and accuracy before and after, one stage a row."""
    look, stages = Look(), [*before]
    header, table = ("stage", "seed", *COSTS, "accuracy_before", "accuracy_after"), []
    with look():
        figure = Figure(figsize=(10.0, 3.4), layout="constrained")
        panels = figure.subplots(1, 4, sharey=True)
        for axes, number, name in zip(
            panels, (0, 1, 2), ("time (s)", "energy of devices (J)", "sent up (Mbit)"), strict=False
        ):
            every = [[row[number] for row in costs[stage].values()] for stage in stages]
            for place, each in enumerate(every):
                axes.plot(each, [place + 0.2] * len(each), "o", ms=3, mfc="white", mec="#0072B2")
                mean, half = mean_and_half_width(np.log(each))
                low, middle, high = np.exp([mean - half, mean, mean + half])
                axes.plot([low, high], [place, place], color=INK, lw=1)
                axes.plot(middle, place, "s", color="#0072B2", ms=5)
            logarithmic(axes, "x", min(map(min, every)) / 3, max(map(max, every)) * 3)
            axes.set_xlabel(name)
        for place, stage in enumerate(stages):
            for side, colour, mark, shift in (
                (before, "#D55E00", "D", 0.1),
                (after, "#009E73", "o", -0.1),
            ):
                mean, half = mean_and_half_width([*side[stage]["accuracy"].values()])
                panels[3].errorbar(
                    mean, place + shift, xerr=half, fmt=mark, color=colour, ms=5, capsize=2
                )
            for seed, row in costs[stage].items():
                quality = (side[stage]["accuracy"][seed] for side in (before, after))
                table.append((stage, seed, *row, *quality))
        panels[3].plot([], [], "D", color="#D55E00", ms=5, label="without this stage")
        panels[3].plot([], [], "o", color="#009E73", ms=5, label="with it")
        panels[0].plot([], [], "s", color="#0072B2", ms=5, label="geometric mean, 95 % interval")
        panels[0].plot([], [], "o", ms=3, mfc="white", mec="#0072B2", label="one seed")
        panels[3].set_xlabel("accuracy on held-out requests")
        panels[0].set_yticks(range(len(stages)), stages)
        panels[0].set_ylim(len(stages) - 0.5, -0.5)
        figure.legend(loc="outside lower center", ncols=4)
        return look.save(figure, folder, "stages", header, table)


def main():
    parser = script_options(__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("runs", nargs="*")
    asked = parser.parse_args()
    costs, before, after = (defaultdict(dict) for _ in range(3))
    for each in map(Run.open, asked.runs) if asked.runs else run(SCENARIO, out=asked.folder):
        costs[each.label][each.seed] = costs_of(each)
        for metric in QUALITIES:
            for side, last in ((before, False), (after, True)):
                by_seed = side[each.label].setdefault(metric, {})
                by_seed[each.seed] = value(each, metric, last)
    # Nothing is trained: what retrieval buys is over the same network that answers alone.
    before["retrieval"] = after.pop(ALONE)
    del before[ALONE]
    memory = {
        each.scenario.label: Simulation(each.scenario, network_only=True).workloads[0].memory / 1e6
        for each in load(SCENARIO, settings=["sweep.seeds=[1]"])
    }
    tables(costs, before, after, memory)
    for path in draw(costs, before, after, asked.folder):
        print(path)


if __name__ == "__main__":
    run_script(main, ValueError)
