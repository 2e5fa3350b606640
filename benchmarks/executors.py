"""Host time of a run by `inline` and by `processes`, and of a run that finds its training done.

16 devices, all asked in every round, PFTT on builtin:tiny-bert, one thread in a task. The pace is
that of the second half of the tasks, after every process has started; the whole includes the start.
CPU seconds are of all processes together, importing and loading included; they hardly depend on
what else the machine does. The digests of all must be equal. Takes one to six minutes. Run it with
nothing else going on:

    .venv/bin/python benchmarks/executors.py [workers ...]
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import resource
import tempfile
import time
from multiprocessing import forkserver
from pathlib import Path

from wfl_sim.cli.scripts import at_least, run_script, script_options
from wfl_sim.execution.store import Store
from wfl_sim.results import digest_metrics, digest_states
from wfl_sim.scenario.loading import load
from wfl_sim.simulation.simulation import Simulation

SCENARIO = """
name: executors
seed: 3
model: {pretrained: builtin:tiny-bert}
data: {kind: newswire, examples: 60, tokens: 32, partition: iid}
method: {kind: pftt, adapter: {bottleneck: 8}, lora: {rank: 4}, local: {steps: 16, batch: 16}}
rounds: {kind: synchronous, count: 6}
evaluation: {every: 2, global_examples: 64, personal_examples: 16}
devices: [{count: 16, hardware: jetson-orin-nano, area: {radius: 300 m}}]
"""


def cpu() -> float:
    """Return the CPU seconds of this process and of all workers so far."""
    forkserver._forkserver._stop()  # only then do those of its forks count
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in both)


def timed(folder: Path, execution: str, store: str) -> tuple[str, float, tuple[str, str]]:
    """Return a row of figures, tasks per second in the second half, and the digests."""
    file = folder / "scenario.yaml"
    file.write_text(SCENARIO)
    simulation = Simulation(load(file, settings=[f"execution={execution}"])[0].scenario)
    ends: list[float] = []
    before = cpu()
    with Store(folder / store) as entries:
        outcome = simulation.run(entries, lambda *_: ends.append(time.perf_counter()))
    half = len(ends) // 2
    pace = (len(ends) - half) / (ends[-1] - ends[half - 1]) if ends else float("nan")
    digests = digest_metrics(outcome.metrics), digest_states(outcome.states)
    seconds = outcome.totals["host_seconds"]["learning"]
    return f"{seconds:8.1f} s{cpu() - before:8.1f} s{pace:10.1f}", pace, digests


def main() -> None:
    options = script_options(__doc__)
    options.add_argument("workers", nargs="*", type=at_least(1), default=[1, 2])
    counts = options.parse_args().workers
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        row, pace, expected = timed(folder, "inline", "inline")
        print(f"{'':24}{'whole':>10}{'CPU':>10}{'tasks/s':>10}{'pace':>8}")
        print(f"{'inline':24}{row}{1.0:8.2f}")
        for count in counts:
            kind = f"{{kind: processes, workers: {count}}}"
            row, each, digests = timed(folder, kind, f"processes-{count}")
            assert digests == expected
            print(f"{f'processes, {count} workers':24}{row}{each / pace:8.2f}")
        row, _, digests = timed(folder, "inline", "inline")
        assert digests == expected
        print(f"{'training found done':24}{row}")


if __name__ == "__main__":
    run_script(main)
