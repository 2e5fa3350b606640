"""CPU time of the task graph and the store, per client and round: neither learner nor radio.

100 devices, 8 rounds; a learner that computes nothing returns states of the shapes of FedIT with
rank 8 on builtin:tiny-bert (10 tensors, 37 kB). CPU and not wall time, so that other work on the
machine hardly matters; best of three. Takes three seconds.

    .venv/bin/python benchmarks/store_overhead.py
"""

import tempfile
import time
from pathlib import Path

import numpy as np

from wfl_sim.cli.scripts import run_script, script_options
from wfl_sim.data.examples import Examples, Shards
from wfl_sim.execution.graph import TaskGraph
from wfl_sim.execution.plan import ReceivedUpload
from wfl_sim.execution.store import Store
from wfl_sim.execution.task import Evaluate, InitialPrivate, LocalUpdate, Result
from wfl_sim.execution.training_plan import TrainingPlan

DEVICES, ROUNDS = 100, 8
SIDES = {"A": (8, 128), "B": (128, 8)}


class Idle:
    """Returns at once."""

    recipe = "idle"
    sends_news = False
    keeps = varies = False

    def __init__(self):
        rng = np.random.default_rng(0)
        shapes = {f"lora/{n}.{side}": size for n in range(4) for side, size in SIDES.items()}
        shapes |= {"head/weight": (8, 128), "head/bias": (8,)}
        self.state = {name: rng.normal(size=s).astype(np.float32) for name, s in shapes.items()}

    def run(self, task, inputs):
        match task:
            case LocalUpdate():
                new = {name: array + 1 for name, array in self.state.items()}
                return Result({"upload": new, "private": {}}, {"train_loss": 1.0})
            case Evaluate():
                return Result({}, {"accuracy": 1.0, "loss": 0.5})
            case InitialPrivate():
                return Result({"private": {}})
            case _:
                return Result({"shared": dict(self.state)})


def spent(folder: Path) -> tuple[float, float, float]:
    """Return ms of naming tasks, of the main thread, and of all threads."""
    each = tuple(Examples((f"text {device}",), [0]) for device in range(DEVICES))
    shards = Shards(each, each, each[0], ("class",))
    with Store(folder) as store, TaskGraph(Idle(), store) as graph:
        start = time.process_time()
        plan = TrainingPlan(graph, Idle(), shards, seed=1, overall=True)
        shared = plan.initial_shared()
        for number in range(ROUNDS):
            uploads = [(d, plan.local_update(d, number, shared)) for d in range(DEVICES)]
            shared = plan.aggregate(
                shared, [ReceivedUpload(device=d, upload=u) for d, u in uploads]
            )
        overall, personal = plan.evaluate(shared)
        named, own = time.process_time(), time.thread_time()
        graph.compute([shared.key, *personal, *filter(None, [overall])])
        main, everything = time.thread_time() - own, time.process_time() - named
    return tuple(1e3 * x / (DEVICES * ROUNDS) for x in (named - start, main, everything))


def main() -> None:
    script_options(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as name:
        best = np.min([spent(Path(name) / str(n)) for n in range(3)], axis=0)
    print(f"{DEVICES} devices x {ROUNDS} rounds, CPU ms per client and round")
    print(f"naming tasks            {best[0]:8.3f}")
    print(f"executing, main thread  {best[1]:8.3f}")
    print(f"executing, all threads  {best[2]:8.3f}")


if __name__ == "__main__":
    run_script(main)
