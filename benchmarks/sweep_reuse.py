"""Host time of a sweep over ten bandwidths, against that of one run.

Ten cells from 5 to 50 MHz, PFTT on the data of scenarios/quickstart.yaml with one seed and more
rounds and examples, synchronous rounds: the ten points learn alike, so the sweep should take little
more than one run. Both start from an empty store, in a process of their own, on one thread. Takes
one to two minutes.

    .venv/bin/python benchmarks/sweep_reuse.py
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from wfl_sim.cli.scripts import run_script, script_options
from wfl_sim.results import Run

ROOT = Path(__file__).parents[1]
QUICKSTART = ROOT / "scenarios" / "quickstart.yaml"
WIDTHS = [f"{width} MHz" for width in range(5, 55, 5)]
SETTINGS = (
    "sweep.seeds=[1]",
    "sweep.variants={pftt: {method: {kind: pftt}}}",
    "rounds.count=12",
    "data.tokens=32",
    "evaluation.global_examples=192",
    "evaluation.personal_examples=24",
)


def timed(command: str, out: Path, *settings: str) -> tuple[float, float]:
    """Run a command of wfl-sim in a process; return its wall and processor seconds."""
    options = [text for setting in (*SETTINGS, *settings) for text in ("--set", setting)]
    fixed = ["--out", str(out), "--no-figures", "--jobs", "1", "--threads", "1"]
    arguments = [sys.executable, "-m", "wfl_sim", command, str(QUICKSTART), *fixed, *options]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    before, started = os.times(), time.perf_counter()
    subprocess.run(arguments, check=True, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    after = os.times()
    processor = sum(
        getattr(after, kind) - getattr(before, kind)
        for kind in ("children_user", "children_system")
    )
    return time.perf_counter() - started, processor


def executed(out: Path) -> list[int]:
    """Return how many tasks each run executed, the largest first."""
    folders = (path.parent for path in out.rglob("manifest.json"))
    return sorted((Run.open(folder).manifest["tasks_executed"] for folder in folders), reverse=True)


def main() -> None:
    """Time both and print the ratio."""
    script_options(__doc__).parse_args()
    axis = f"sweep.grid={{cells.0.bandwidth: [{', '.join(WIDTHS)}]}}"
    print(f"{'':12} {'wall s':>8} {'CPU s':>8}  tasks executed")
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as ten:
        single = timed("run", Path(one))
        print(f"{'one run':12} {single[0]:8.1f} {single[1]:8.1f}  {executed(Path(one))}")
        swept = timed("sweep", Path(ten), axis)
        print(f"{'ten points':12} {swept[0]:8.1f} {swept[1]:8.1f}  {executed(Path(ten))}")
    print(f"{'ratio':12} {swept[0] / single[0]:8.2f} {swept[1] / single[1]:8.2f}  (at most 1.2)")


if __name__ == "__main__":
    run_script(main)
