"""All allocators on one channel: when uploads end, and what sending them costs.

Simulates scenarios/allocators.yaml, whose devices, places and fading are the same for every
allocator, and prints a table over seeds in a minute; with a folder it draws it too:

    python benchmarks/allocators.py [folder of the figure] [path=value ...]

Settings are laid over the scenario, such as ``cells.0.channel.fading=static``.
"""

from collections import defaultdict
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from wfl_sim.cli.scripts import run_script, script_options
from wfl_sim.radio.allocation.allocator import ALLOCATORS
from wfl_sim.results.figures.look import Look
from wfl_sim.results.figures.style import INK, logarithmic
from wfl_sim.results.statistics import mean_and_half_width
from wfl_sim.scenario.loading import load
from wfl_sim.simulation.simulation import Simulation

SCENARIO = Path(__file__).parents[1] / "scenarios" / "allocators.yaml"
COLUMNS = ("first", "mean", "last", "fairness", "joules")


def measured(scenario):
    """Return what an allocator makes of the uploads of one seed, and all their durations in s."""
    outcome = Simulation(scenario, network_only=True).run()
    rounds = defaultdict(list)
    for span in outcome.spans:
        if span.activity == "upload":
            rounds[span.round].append(span.end - span.start)
    seconds = np.array(list(rounds.values()))
    # Jain's index of the mean rates, which are alike for like durations.
    rates = 1 / seconds
    jain = rates.sum(axis=1) ** 2 / (rates.shape[1] * (rates**2).sum(axis=1))
    joules = outcome.totals["joules"]["transmit"] / seconds.size
    row = (seconds.min(axis=1).mean(), seconds.mean(), seconds.max(axis=1).mean())
    return (*row, jain.mean(), joules), seconds.ravel()


def draw(rows, durations, joules, folder):
    """Draw the durations of all uploads, and the joules of one, by allocator."""
    look = Look()
    with look():
        figure = Figure(figsize=(9.0, 4.6))
        time, energy = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
        for place, (name, seconds) in enumerate(durations.items()):
            shown = np.random.default_rng(0).uniform(-0.22, 0.22, len(seconds))
            time.plot(seconds, place + shown, ".", ms=2, color="#56B4E9", zorder=1)
            mean, half = rows[name]
            time.errorbar(mean[1], place, xerr=half[1], fmt="o", color=INK, ms=4, capsize=2)
            time.errorbar(mean[2], place, xerr=half[2], fmt="s", color="#D55E00", ms=4, capsize=2)
            energy.barh(place, mean[4], color="#0072B2", height=0.6)
            energy.plot(joules[name], [place] * len(joules[name]), "o", ms=3, mfc="white", mec=INK)
        time.plot([], [], ".", color="#56B4E9", label="one upload")
        time.plot([], [], "o", color=INK, ms=4, label="mean, 95 % interval")
        time.plot([], [], "s", color="#D55E00", ms=4, label="last of a round, 95 % interval")
        energy.plot([], [], "o", ms=3, mfc="white", mec=INK, label="one seed")
        figure.legend(loc="outside lower center", ncols=4)
        seconds = np.concatenate([*durations.values()])
        logarithmic(time, "x", seconds.min(), seconds.max())
        time.set_yticks(range(len(rows)), list(rows))
        time.set_ylim(len(rows) - 0.5, -0.5)
        time.set_xlabel("duration of an upload (s)")
        energy.set_xlabel("transmit energy of an upload (J)")
        figure.suptitle("One channel, ten allocators: 20 uploads of 8 Mbit, 5 seeds x 3 rounds")
        header = ("allocator", *COLUMNS, *(f"{name}_half" for name in COLUMNS))
        table = [(name, *mean, *half) for name, (mean, half) in rows.items()]
        return look.save(figure, folder, "allocators", header, table)


def main():
    words = script_options(__doc__)
    words.add_argument("words", nargs="*", help="folders, and path=value")
    given = words.parse_args().words
    settings = [word for word in given if "=" in word]
    folders = [word for word in given if "=" not in word]
    values, durations = defaultdict(list), defaultdict(list)
    for loaded in load(SCENARIO, settings=settings):
        name = ALLOCATORS.name_of(loaded.scenario.cells[0].uplink.allocator)
        row, seconds = measured(loaded.scenario)
        values[name].append(row)
        durations[name].extend(seconds)
    rows = {name: mean_and_half_width(each) for name, each in values.items()}
    joules = {name: [row[4] for row in each] for name, each in values.items()}
    print("| allocator | first (s) | mean (s) | last (s) | Jain's index | J per upload |")
    print("|---|---|---|---|---|---|")
    for name, (mean, half) in rows.items():
        cells = (f"{m:.3g} ± {h:.1g}" for m, h in zip(mean, half, strict=True))
        print(f"| `{name}` | {' | '.join(cells)} |")
    for folder in folders:
        for path in draw(rows, durations, joules, Path(folder)):
            print(path)


if __name__ == "__main__":
    run_script(main)
