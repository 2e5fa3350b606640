"""Python orders sets of texts by a seed of its own; no result depends on it."""

import os
import subprocess
import sys

WORDS = (("virus", "1"), ("lab", "01"), ("match", "2"), ("opera", "001"))
SCENARIO = """
name: labels
seed: 1
model: {pretrained: builtin:tiny-bert}
data: {kind: csv, path: labels.csv, tokens: 16, partition: iid}
method: {kind: hetlora, lora: {rank: 2}, local: {steps: 1, batch: 4}}
rounds: {kind: synchronous, count: 1}
evaluation: {global_examples: 16, personal_examples: 8}
devices:
  - {count: 1, hardware: jetson-orin-nano, area: {radius: 200 m}, rank: 1}
  - {count: 1, hardware: jetson-orin-nano, area: {radius: 200 m}}
"""
RUN = """
import sys
from pathlib import Path
from wfl_sim.execution.store import Store
from wfl_sim.results import digest_metrics, digest_spans, digest_states
from wfl_sim.results.tables import natural_key
from wfl_sim.scenario.loading import load
from wfl_sim.simulation.simulation import Simulation

folder = Path(sys.argv[1])
loaded = load(folder / "scenario.yaml")[0].scenario
outcome = Simulation(loaded).run(Store(folder / sys.argv[2]))
print(*loaded.data.shards(2, 1).classes)
print(*sorted({"gpu-1", "gpu-01", "gpu-001", "gpu-10"}, key=natural_key))
print(digest_spans(outcome.spans), digest_metrics(outcome.metrics), digest_states(outcome.states))
"""


def test_two_hash_seeds_give_the_same_classes_and_digests(tmp_path):
    """The labels `1` and `01` are equal as numbers, and so are those of `gpu-1` and `gpu-01`."""
    rows = [f"{word} goal stock {word},{label}" for word, label in WORDS for _ in range(6)]
    (tmp_path / "labels.csv").write_text("\n".join(["text,label", *rows, ""]))
    (tmp_path / "scenario.yaml").write_text(SCENARIO)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", RUN, tmp_path, seed],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        for seed in ("0", "2")
    ]
    said = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert said[0] == said[1]
    assert said[0].splitlines()[:2] == ["001 01 1 2", "gpu-001 gpu-01 gpu-1 gpu-10"]
