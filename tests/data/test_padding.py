"""Runs in which a local update costs what its batches cost."""

import csv

import numpy as np

from tests.fixtures.runs import scenario
from wfl_sim.execution.store import Store
from wfl_sim.results import digest_spans
from wfl_sim.simulation.simulation import Simulation

UNEVEN = """
name: padding
seed: 3
model: {pretrained: builtin:tiny-bert}
data: {kind: csv, path: uneven.csv, tokens: 64, padding: longest, partition: iid}
method: {kind: fedit, lora: {rank: 2}, local: {steps: 2, batch: 4}}
rounds: {kind: synchronous, count: 3}
evaluation: {every: 100, global_examples: 8, personal_examples: 4}
devices:
  - {count: 3, hardware: jetson-orin-nano, area: {radius: 300 m}}
"""


def test_seconds_follow_the_texts_and_are_known_before_training(tmp_path):
    rng = np.random.default_rng(0)
    with (tmp_path / "uneven.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        for number in range(60):
            rows.writerow([" ".join(["market"] * int(rng.integers(2, 60))), number % 2])
    written = scenario(tmp_path, text=UNEVEN)
    network = Simulation(written, network_only=True).run()
    flops = {s.flops for s in network.spans if s.activity == "compute" and s.actor == "device-0"}
    assert len(flops) == 3
    trained = Simulation(written).run(Store(tmp_path / "store"))
    assert digest_spans(trained.spans) == digest_spans(network.spans)
    fixed = Simulation(scenario(tmp_path, "data.padding=fixed", text=UNEVEN), network_only=True)
    most = max(s.flops for s in fixed.run().spans if s.activity == "compute")
    assert max(flops) < most
