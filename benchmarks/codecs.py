"""Accuracy against bits of an upload, for every codec of scenarios/codecs.yaml.

Runs the scenario, or goes on where it was stopped, and draws one figure:

    .venv/bin/python benchmarks/codecs.py [folder of the runs]
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

import wfl_sim
from wfl_sim.cli.scripts import run_script, script_options
from wfl_sim.results import Run
from wfl_sim.results.figures.look import Look
from wfl_sim.results.figures.pareto import front
from wfl_sim.results.figures.style import INK
from wfl_sim.results.statistics import by_label, mean_and_half_width

SCENARIO = Path(__file__).parents[1] / "scenarios" / "codecs.yaml"
SCOPE = "global"
DENSE, TOP, MASK = "#0072B2", "#D55E00", "#009E73"
FAMILIES = {
    "fp32": (DENSE, "s", "fp32"),
    "bf16": (DENSE, "s", "bf16 and fp16"),
    "fp16": (DENSE, "s", ""),
    "int8": (DENSE, "s", "int8"),
    "int4": (DENSE, "s", "int4"),
    "int4-updates": (DENSE, "D", "int4 of updates"),
    "top-10": (TOP, "D", "top-k 10 %"),
    "top-10-forgetful": (TOP, "s", "top-k 10 %"),
    "top-1": (TOP, "D", "top-k 1 %"),
    "top-1-forgetful": (TOP, "s", "top-k 1 %"),
    "mask-10": (MASK, "s", "random mask 10 %"),
    "mask-10-feedback": (MASK, "D", "random mask 10 %"),
}
"""colour, mark and name of each variant of the scenario"""
OFFSETS = {
    "int4": (-26, 5),
    "int4-updates": (-82, -12),
    "mask-10-feedback": (-98, -3),
    "top-1": (-4, 14),
}
"""points from a mark to its name, where the usual place is taken"""
LEGEND = (
    (INK, "D", "with error feedback"),
    (INK, "s", "without"),
)


def kilobit(run: Run) -> float:
    """Return the size of one upload, in kbit."""
    spans = run.span_arrays
    return float(spans["bits"][spans["activity"] == "upload"].max()) / 1e3


def draw(runs: list[Run], folder: Path) -> list[Path]:
    """Draw the mean final accuracy of each codec against its payload, with all seeds."""
    rows = []
    for label, members in by_label(runs).items():
        values = [float(run.series("accuracy", SCOPE).value[-1]) for run in members]
        mean, half = mean_and_half_width(values)
        rows.append((label, kilobit(members[0]), float(mean), float(half), *values))
    rows.sort(key=lambda row: -row[1])
    best = front([row[1] for row in rows], [row[2] for row in rows])
    start = float(np.mean([run.series("accuracy", SCOPE).value[0] for run in runs]))
    look = Look()
    with look():
        figure = Figure(figsize=(9.0, 5.4))
        axes = figure.subplots()
        axes.set_xscale("log")
        for row, undominated in zip(rows, best, strict=True):
            colour, marker, name = FAMILIES[row[0]]
            shade = {"color": colour, "alpha": 1.0 if undominated else 0.45}
            axes.plot([row[1]] * len(row[4:]), row[4:], "-", lw=0.8, marker=".", ms=4, **shade)
            axes.plot(row[1], row[2], marker=marker, ms=8, ls="", **shade)
            place = {"xytext": OFFSETS.get(row[0], (8, -3)), "textcoords": "offset points"}
            if name:
                axes.annotate(name, (row[1], row[2]), fontsize=8, color=INK, **place)
        stairs = sorted((row[1], row[2]) for row, on in zip(rows, best, strict=True) if on)
        x, y = zip(*stairs, strict=True)
        axes.step([*x, rows[0][1]], [*y, y[-1]], where="post", color=INK, lw=1.0, ls=(0, (4, 2)))
        axes.axhline(start, color=INK, lw=0.8, ls=":")
        axes.annotate(
            "before training", (400, start), xytext=(0, 3), textcoords="offset points", fontsize=8
        )
        axes.set_xlim(14, 1.6 * rows[0][1])
        ticks = [20, 50, 100, 200, 500]
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlabel("one upload (kbit)")
        axes.set_ylabel(f"accuracy after {runs[0].scenario['rounds']['count']} rounds, {SCOPE}")
        figure.suptitle("Accuracy against bits: marks are means over seeds, dots single seeds")
        marks = [Line2D([], [], ls="", marker=m, ms=8, color=c, label=n) for c, m, n in LEGEND]
        stair = {"color": INK, "lw": 1.0, "ls": (0, (4, 2))}
        marks.append(Line2D([], [], label="front of the means", **stair))
        axes.legend(handles=marks, loc="lower right", bbox_to_anchor=(1.0, 0.12))
        header = ("label", "kbit", "mean", "half_width", *(f"seed_{r.seed}" for r in members))
        return look.save(figure, folder, "codecs", header, rows)


def main() -> None:
    """Run and draw."""
    options = script_options(__doc__)
    options.add_argument("folder", nargs="?", type=Path, default=Path("runs"))
    folder = options.parse_args().folder
    runs = wfl_sim.run(SCENARIO, out=folder)
    for path in draw(runs, folder / "codecs-figures"):
        print(path)


if __name__ == "__main__":
    run_script(main)
