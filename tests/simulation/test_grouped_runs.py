"""Whole runs in groups: the spans of a run one by one, and its metrics within a tolerance."""

import numpy as np
import pytest

from tests.fixtures.runs import scenario
from wfl_sim.execution.executors import Grouped
from wfl_sim.execution.store import Store
from wfl_sim.results import digest_spans
from wfl_sim.simulation.simulation import Simulation

SMALL = """
name: grouped
seed: 3
model: {pretrained: builtin:tiny-bert}
data: {kind: newswire, examples: 40, tokens: 24, partition: iid}
method: {kind: pftt, adapter: {bottleneck: 4}, lora: {rank: 2}, local: {steps: 3, batch: 2}}
rounds: {kind: synchronous, count: 3, clients: 4}
evaluation: {global_examples: 32, personal_examples: 8}
devices:
  - {count: 6, hardware: jetson-orin-nano, area: {radius: 300 m}}
"""


def test_a_run_in_groups_measures_what_a_run_one_by_one_measures(tmp_path):
    """Losses differ by less than 1e-3 after three rounds, shared values by less than 1e-3 rms.

    AdamW's steps are of the size of `lr`, 2e-3: where a gradient is nearly zero, its sign may
    depend on the order of a sum.
    """
    store = Store(tmp_path / "store")
    alone = Simulation(scenario(tmp_path, text=SMALL)).run(store)
    grouped = scenario(tmp_path, "execution.kind=grouped", "execution.size=3", text=SMALL)
    assert isinstance(grouped.execution, Grouped)
    group = Simulation(grouped).run(store)
    assert digest_spans(group.spans) == digest_spans(alone.spans)
    execution = group.totals["execution"]
    assert execution["mode"] == "grouped"
    assert execution["largest_group"] == 3
    assert group.totals["tasks_executed"] == alone.totals["tasks_executed"]
    assert len(group.metrics) == len(alone.metrics)
    for one, other in zip(alone.metrics, group.metrics, strict=True):
        assert (one.metric, one.scope, one.device) == (other.metric, other.scope, other.device)
        if one.metric == "loss":
            assert other.value == pytest.approx(one.value, abs=1e-3)
    for name, state in alone.states.items():
        apart = [(state[n] - group.states[name][n]).ravel() for n in state]
        assert np.sqrt(np.mean(np.square(np.concatenate(apart)))) < 1e-3
