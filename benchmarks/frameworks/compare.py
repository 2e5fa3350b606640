"""wfl_sim beside a plain PEFT loop and beside Flower's simulation engine, in one run.

All do federated averaging of LoRA and head on builtin:tiny-bert, on the same texts of the same
clients, tokenised beforehand, with as many steps of the same batch. wfl_sim simulates the network,
too: its time is that of a whole run with a fresh store. What is compared takes turns, and the best
of the repetitions counts. As in a run of wfl_sim, memory that is freed stays with this process, in
which the plain loop runs, too. Wall time needs a machine that does nothing else; CPU time is of all
processes together.

    .venv/bin/python benchmarks/frameworks/compare.py [--flower ENVIRONMENT/bin/python]
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import plain

from wfl_sim.cli.scripts import at_least, run_script, script_options
from wfl_sim.execution.executor import Executor
from wfl_sim.execution.executors import Grouped, Inline
from wfl_sim.execution.store import Store
from wfl_sim.execution.worker_process import keep_freed_memory
from wfl_sim.learning.pretrained import builtin
from wfl_sim.scenario.loading import load
from wfl_sim.simulation.simulation import Simulation

LR = 2e-3
SCENARIO = """
name: frameworks
model: {{pretrained: builtin:tiny-bert}}
data: {{kind: newswire, examples: 40, partition: iid}}
method: {{kind: fedit, lora: {{rank: 8}}, local: {{steps: {steps}, batch: {batch}, lr: {lr}}}}}
rounds: {{kind: synchronous, count: {rounds}}}
evaluation: {{every: 1000, global_examples: 0, personal_examples: 1}}
cells: [{{channel: {{fading: {{kind: rayleigh, profile: tdl-c, delay_spread: 300 ns}}}}}}]
devices: [{{count: {clients}, hardware: jetson-orin-nano, area: {{radius: 400 m}}}}]
"""

Times = tuple[float, float]
"""s of wall and CPU time of a round"""


def simulation_of(folder: Path, threads: int, **numbers: float) -> Simulation:
    """Return a scenario, ready to run."""
    file = folder / "scenario.yaml"
    file.write_text(SCENARIO.format(lr=LR, **numbers))
    return Simulation(load(file)[0].scenario, threads=threads)


def written(simulation: Simulation, file: Path, steps: int, batch: int) -> None:
    """Write the texts of all devices as numbers, for those who know nothing of wfl_sim."""
    learner = simulation.learner
    arrays: dict[str, object] = {}
    for device, examples in enumerate(learner.shards.train):
        encoded = learner.examples.encoded("train", device, examples.fingerprint())
        arrays[f"ids_{device}"] = encoded.ids.numpy()
        arrays[f"mask_{device}"] = encoded.mask.numpy()
        arrays[f"labels_{device}"] = encoded.labels.numpy()
    arrays |= {"clients": len(learner.shards.train), "classes": len(learner.shards.classes)}
    np.savez(file, model=str(builtin("tiny-bert")), steps=steps, batch=batch, lr=LR, **arrays)


def run(simulation: Simulation, executor: Executor, rounds: int, stores: Path) -> Times:
    """Return the times of a round of a run that finds nothing in its store.

    The store stays: some file systems are slow at making files just after others were removed.
    """
    object.__setattr__(simulation.scenario, "execution", executor)
    store = Path(tempfile.mkdtemp(dir=stores))
    return timed(lambda: simulation.run(Store(store)), rounds)


def looped(loop: plain.Plain, rounds: int) -> Times:
    """Return the times of a round of the plain loop."""

    def work() -> None:
        values = loop.values()
        for number in range(rounds):
            values = loop.round(values, number)

    return timed(work, rounds)


def timed(work: Callable[[], object], rounds: int) -> Times:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return (time.perf_counter() - wall) / rounds, (time.process_time() - cpu) / rounds


def flower(python: str, data: Path, rounds: int, cpus: int) -> Times:
    """Return the times of a round of Flower, without its start."""
    here = Path(__file__).parent
    command = [python, str(here / "flower.py"), str(data), str(rounds + 1), str(cpus)]
    environment = {**os.environ, "PYTHONPATH": str(here), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    for line in done.stdout.splitlines():
        if line.startswith("RESULT"):
            return tuple(json.loads(line.removeprefix("RESULT")))
    sys.exit(f"Flower did not finish:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")


def compared(
    title: str, ways: dict[str, Callable[[], Times]], first: str, repeat: int, clients: int
) -> None:
    """Run all ways in turn and print their times, and how many times as long `first` takes."""
    best: dict[str, Times] = {}
    for _ in range(repeat):
        for name, way in ways.items():
            times = way()
            best[name] = tuple(map(min, zip(best.get(name, times), times, strict=True)))
    print(f"\n{title}\n{'':40}{'ms per client and round':^26}{first + ' / this':^20}")
    print(f"{'':40}{'wall':>13}{'CPU':>13}{'wall':>10}{'CPU':>10}")
    for name, (wall, cpu) in best.items():
        ratios = f"{best[first][0] / wall:10.3f}{best[first][1] / cpu:10.3f}"
        print(
            f"{name:40}{1e3 * wall / clients:13.2f}{1e3 * cpu / clients:13.2f}{ratios}", flush=True
        )


def main() -> None:
    parser = script_options(__doc__)
    parser.add_argument("--flower", help="Python of an environment with requirements.txt")
    parser.add_argument("--repeat", type=at_least(1), default=3)
    parser.add_argument("--cpus", type=at_least(1), default=os.cpu_count())
    options = parser.parse_args()
    if options.flower and shutil.which(options.flower) is None:
        parser.error(f"argument --flower: {options.flower} cannot be run")
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        clients, rounds, steps, batch = 16, 8, 8, 16
        sizes = {"clients": clients, "rounds": rounds, "steps": steps, "batch": batch}
        alone = simulation_of(folder, 1, **sizes)
        written(alone, folder / "texts.npz", steps, batch)
        loop = plain.Plain(folder / "texts.npz")
        run(alone, Inline(), rounds, folder)  # loads the network
        compared(
            f"{clients} clients x {steps} steps of batch {batch}, one thread",
            {
                "plain PEFT loop": lambda: looped(loop, rounds),
                "wfl_sim, inline": lambda: run(alone, Inline(), rounds, folder),
            },
            "plain PEFT loop",
            options.repeat,
            clients,
        )

        for batch in (1, 2):
            small(folder, batch, options)


def small(folder: Path, batch: int, options: argparse.Namespace) -> None:
    """Compare all ways on 64 clients whose steps are mostly overhead."""
    clients, rounds, steps = 64, 6, 4
    sizes = {"clients": clients, "rounds": rounds, "steps": steps, "batch": batch}
    alone = simulation_of(folder, 1, **sizes)
    several = simulation_of(folder, options.cpus, **sizes)
    data = folder / f"small-{batch}.npz"
    written(alone, data, steps, batch)
    loop = plain.Plain(data)
    run(alone, Inline(), rounds, folder)
    run(several, Grouped(size=64), rounds, folder)
    ways = {
        "plain PEFT loop, one thread": lambda: looped(loop, rounds),
        "wfl_sim, inline, one thread": lambda: run(alone, Inline(), rounds, folder),
        "wfl_sim, grouped, one thread": lambda: run(alone, Grouped(size=64), rounds, folder),
        f"wfl_sim, grouped, {options.cpus} threads": lambda: run(
            several, Grouped(size=64), rounds, folder
        ),
    }
    first = "plain PEFT loop, one thread"
    if options.flower:
        first = f"Flower, {options.cpus} actors"
        ways[first] = lambda: flower(options.flower, data, rounds, options.cpus)
    title = f"{clients} clients x {steps} steps of batch {batch}"
    compared(title, ways, first, options.repeat, clients)


if __name__ == "__main__":
    run_script(main)
