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
        figure = Figure(figsize=(8.0, 4.6))
        axes = figure.subplots()
        best = rows[0][2]
        axes.axhline(best, color=INK, lw=0.8, ls="--")
        axes.axhline(start, color=INK, lw=0.8, ls=":")
        for number, (label, bits, mean, _, *values) in enumerate(rows):
            axes.plot([bits] * len(values), values, "o", ms=3.5, mfc="white", mec=INK, zorder=3)
            axes.plot(bits, mean, "s", color="#0072B2" if "forget" not in label else "#D55E00")
            above = number % 2 == 0
            axes.annotate(
                label,
                (bits, max(values) if above else min(values)),
                (0, 8 if above else -8),
                textcoords="offset points",
                ha="center",
                va="bottom" if above else "top",
                fontsize=8,
            )
        axes.set_xscale("log")
        axes.margins(x=0.12, y=0.14)
        axes.text(rows[-1][1], best, "fp32 ", va="bottom", fontsize=8)
        axes.text(rows[-1][1], start, "before training", va="bottom", fontsize=8)
        axes.set_xlabel("bits of one upload (kbit)")
        axes.set_ylabel(f"accuracy after {runs[0].scenario['rounds']['count']} rounds, {SCOPE}")
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
