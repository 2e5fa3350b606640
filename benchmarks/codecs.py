"""Accuracy against bits of an upload, for every codec of scenarios/codecs.yaml.

Runs the scenario, or goes on where it was stopped, and draws one figure:

    .venv/bin/python benchmarks/codecs.py [folder of the runs]
"""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import wfl_sim
from wfl_sim.figures.files import save
from wfl_sim.figures.seeds import by_label, mean_and_half_width
from wfl_sim.figures.style import INK, look
from wfl_sim.results import Run

SCENARIO = Path(__file__).parents[1] / "scenarios" / "codecs.yaml"
SCOPE = "global"


def kilobit(run: Run) -> float:
    """Return the size of one upload, in kbit."""
    spans = run.span_arrays
    return float(spans["bits"][spans["activity"] == "upload"].max()) / 1e3


def draw(runs: list[Run], folder: Path) -> list[Path]:
    """Draw the mean final accuracy of each codec over its payload, with all seeds."""
    rows = []
    for label, members in by_label(runs).items():
        values = [float(run.series("accuracy", SCOPE).value[-1]) for run in members]
        mean, half = mean_and_half_width(values)
        rows.append((label, kilobit(members[0]), float(mean), float(half), *values))
    rows.sort(key=lambda row: -row[1])
    start = float(np.mean([run.series("accuracy", SCOPE).value[0] for run in runs]))
    with look():
        figure = Figure(figsize=(9.0, 0.9 + 0.36 * len(rows)))
        bits, accuracy = figure.subplots(1, 2, sharey=True, width_ratios=(2, 3))
        places = range(len(rows))
        bits.barh(places, [row[1] for row in rows], color="#56B4E9", height=0.6)
        bits.set_xscale("log")
        bits.set_xlim(5, 2 * rows[0][1])
        for place, row in enumerate(rows):
            bits.text(1.06 * row[1], place, f"{row[1]:.3g}", va="center", fontsize=8)
            accuracy.plot(row[4:], [place] * len(row[4:]), "o", ms=4, mfc="white", mec=INK)
            accuracy.plot(row[2], place, "s", color="#0072B2")
        accuracy.axvline(rows[0][2], color=INK, lw=0.8, ls="--", label="mean of fp32")
        accuracy.axvline(start, color=INK, lw=0.8, ls=":", label="before training")
        accuracy.legend(loc="lower right")
        bits.set_yticks(places, [row[0] for row in rows])
        bits.set_ylim(len(rows) - 0.4, -0.6)
        bits.set_xlabel("one upload (kbit)")
        accuracy.set_xlabel(f"accuracy after {runs[0].scenario['rounds']['count']} rounds, {SCOPE}")
        figure.suptitle("Codecs: squares are means over seeds, dots single seeds")
        header = ("label", "kbit", "mean", "half_width", *(f"seed_{r.seed}" for r in members))
        return save(figure, folder, "codecs", header, rows)


def main() -> None:
    """Run and draw."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs")
    runs = wfl_sim.run(SCENARIO, out=folder)
    for path in draw(runs, folder / "codecs-figures"):
        print(path)


if __name__ == "__main__":
    main()
