"""Host time of a run by `inline` and by `processes`, and of a run that finds its training done.

16 devices, all asked in every round, PFTT on builtin:tiny-bert, one thread in a task. The pace is
that of the second half of the tasks, after every process has started; the whole includes the start.
The digests of all must be equal. Run it with nothing else on the machine:

    .venv/bin/python benchmarks/executors.py [workers ...]
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import sys
import tempfile
import time
from pathlib import Path

from wfl_sim.execution.store import Store
from wfl_sim.loading import load
from wfl_sim.results import digest_metrics, digest_states
from wfl_sim.simulation import Simulation

SCENARIO = """
name: executors
seed: 3
model: {pretrained: builtin:tiny-bert}
data: {kind: newswire, examples: 60, tokens: 32, partition: iid}
method: {kind: pftt, adapter: {bottleneck: 8}, lora: {rank: 4}, local: {steps: 16, batch: 16}}
rounds: {kind: synchronous, count: 12}
evaluation: {every: 4, global_examples: 64, personal_examples: 16}
devices: [{count: 16, hardware: jetson-orin-nano, area: {radius: 300 m}}]
"""


def timed(folder: Path, execution: str, store: str) -> tuple[float, float, tuple[str, str]]:
    """Return the seconds of learning, tasks per second in the second half, and the digests."""
    file = folder / "scenario.yaml"
    file.write_text(SCENARIO)
    simulation = Simulation(load(file, settings=[f"execution={execution}"])[0].scenario)
    ends: list[float] = []
    with Store(folder / store) as entries:
        outcome = simulation.run(entries, lambda *_: ends.append(time.perf_counter()))
    half = len(ends) // 2
    pace = (len(ends) - half) / (ends[-1] - ends[half - 1]) if ends else float("nan")
    digests = digest_metrics(outcome.metrics), digest_states(outcome.states)
    return outcome.totals["host_seconds"]["learning"], pace, digests


def main() -> None:
    counts = [int(word) for word in sys.argv[1:]] or [1, 2]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        whole, pace, expected = timed(folder, "inline", "inline")
        print(f"{'':24}{'whole':>10}{'tasks/s':>10}{'pace':>8}")
        print(f"{'inline':24}{whole:8.1f} s{pace:10.1f}{1.0:8.2f}")
        for count in counts:
            kind = f"{{kind: processes, workers: {count}}}"
            seconds, each, digests = timed(folder, kind, f"processes-{count}")
            assert digests == expected
            print(
                f"{f'processes, {count} workers':24}{seconds:8.1f} s{each:10.1f}{each / pace:8.2f}"
            )
        seconds, _, digests = timed(folder, "inline", "inline")
        assert digests == expected
        print(f"{'training found done':24}{seconds:8.2f} s{'':10}{'':8}")


if __name__ == "__main__":
    main()
