"""Runs that train for real: determinism, resume, and a network that does not notice."""

import time
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

import wfl_sim
from tests.fixtures.runs import outcome, scenario
from tests.fixtures.scenario_files import GOOD
from wfl_sim.config.errors import LocatedError, ScenarioError
from wfl_sim.execution.store import Store
from wfl_sim.execution.task import LocalUpdate
from wfl_sim.results import digest_metrics, digest_spans, digest_states
from wfl_sim.scenario.loading import load
from wfl_sim.simulation import run as running
from wfl_sim.simulation.feasibility import OutOfReach
from wfl_sim.simulation.remarks import remarks
from wfl_sim.simulation.round_remarks import robust_remarks, stale_remarks, warm_up_remarks
from wfl_sim.simulation.simulation import Simulation

TRAINING = """
name: training
seed: 3
model: {pretrained: builtin:tiny-bert}
data: {kind: newswire, examples: 40, tokens: 24, partition: iid}
method: {kind: pftt, adapter: {bottleneck: 4}, lora: {rank: 2}, local: {steps: 2, batch: 8}}
rounds: {kind: synchronous, count: 2, clients: 3}
evaluation: {global_examples: 16, personal_examples: 8}
devices:
  - {count: 4, hardware: jetson-orin-nano, area: {radius: 300 m}}
"""


def digests(outcome):
    return (
        digest_spans(outcome.spans),
        digest_metrics(outcome.metrics),
        digest_states(outcome.states),
    )


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    folder = tmp_path_factory.mktemp("straight")
    return Simulation(scenario(folder, text=TRAINING)).run(Store(folder / "store"))


def test_two_runs_give_the_same_digests(tmp_path, straight):
    again = Simulation(scenario(tmp_path, text=TRAINING)).run(Store(tmp_path / "store"))
    assert digests(again) == digests(straight)


def test_network_only_gives_the_same_spans(tmp_path, straight):
    network = Simulation(scenario(tmp_path, text=TRAINING), network_only=True).run()
    assert digest_spans(network.spans) == digest_spans(straight.spans)
    assert network.metrics == ()


def test_a_slow_learner_changes_no_span(tmp_path, straight):
    simulation = Simulation(scenario(tmp_path, text=TRAINING))
    quick = simulation.learner

    class Sleepy:
        recipe = quick.recipe
        workload = quick.workload
        sends_news = False
        keeps = quick.keeps
        varies = quick.varies

        def run(self, task, inputs):
            time.sleep(0.02)
            return quick.run(task, inputs)

    simulation.learner = Sleepy()
    assert digests(simulation.run(Store(tmp_path / "store"))) == digests(straight)


def test_a_run_without_training_left_loads_no_weights(tmp_path, straight, monkeypatch):
    store = Store(tmp_path / "store")
    Simulation(scenario(tmp_path, text=TRAINING)).run(store)
    simulation = Simulation(scenario(tmp_path, text=TRAINING))

    def refuse(*_):
        raise AssertionError("nothing is left to train")

    monkeypatch.setattr(type(simulation.learner), "run", refuse)
    again = simulation.run(Store(tmp_path / "store"))
    assert digests(again) == digests(straight)
    assert again.totals["tasks_executed"] == 0


def test_another_radio_trains_nothing_again(tmp_path, straight):
    store = Store(tmp_path / "store")
    Simulation(scenario(tmp_path, text=TRAINING)).run(store)
    narrow = scenario(tmp_path, "cells=[{bandwidth: 5 MHz}]", text=TRAINING)
    outcome = Simulation(narrow).run(store)
    assert outcome.totals["tasks_executed"] == 0
    assert digest_states(outcome.states) == digest_states(straight.states)
    assert digest_spans(outcome.spans) != digest_spans(straight.spans)


def test_training_learns_and_private_parts_stay_private(tmp_path, straight):
    assert {name.split("/")[0] for name in straight.states["shared"]} == {"adapter", "head"}
    assert {name.split("/")[0] for name in straight.states["device-0"]} == {"lora"}
    losses = [m.value for m in straight.metrics if (m.metric, m.scope) == ("loss", "personal_mean")]
    assert losses[-1] < losses[0]


def test_metrics_are_stamped_with_the_time_and_the_totals_of_their_round(straight):
    ends = {s.round: s.end for s in straight.spans if s.activity == "aggregate"}
    uploads = {}
    for span in straight.spans:
        if span.activity == "upload":
            uploads[span.round] = uploads.get(span.round, 0) + span.bits
    for metric in straight.metrics:
        assert metric.time == (0.0 if metric.round == -1 else ends[metric.round])
        sent = sum(bits for number, bits in uploads.items() if number <= metric.round)
        assert metric.bits_up == sent


def test_diverged_training_is_one_line_at_the_method(tmp_path):
    file = tmp_path / "scenario.yaml"
    file.write_text(TRAINING.replace("batch: 8}", "batch: 8, lr: 1e30, optimizer: sgd}"))
    with pytest.raises(
        ScenarioError,
        match=r"scenario.yaml:6: method: training diverged: .*lr 1e.*\(device-\d, round 0\)",
    ):
        wfl_sim.run(file, out=tmp_path / "runs")
    assert not list((tmp_path / "runs").glob("training*"))


def test_training_that_diverges_in_its_last_step_is_said_once(tmp_path):
    """The loss of that step is finite: only its outcome is not."""
    once = {"steps: 2, batch: 8": "steps: 1, batch: 8, lr: 1e300, optimizer: sgd"}
    once |= {"count: 2, clients: 3": "count: 1", "{count: 4": "{count: 2"}
    text = TRAINING
    for old, new in once.items():
        text = text.replace(old, new)
    alone = text.replace("kind: pftt, adapter: {bottleneck: 4}", "kind: local-only")
    totals = Simulation(scenario(tmp_path, text=alone)).run(Store(tmp_path / "store")).totals
    assert totals["not_finite"] == ["device-0", "device-1"]
    assert remarks(totals) == [
        "training has diverged: values that are not finite in the states of device-0, device-1"
    ]
    sent = Simulation(scenario(tmp_path, text=text))
    line = r"^training diverged: what device-0, device-1 sent is not finite; lr may be too large$"
    with pytest.raises(LocatedError, match=line):
        sent.run(Store(tmp_path / "store"))
    central = text.replace("synchronous", "centralised").replace(
        "kind: pftt", "kind: adapters-only"
    )
    with pytest.raises(LocatedError, match="what the server sent is not finite"):
        Simulation(scenario(tmp_path, text=central.replace("lora: {rank: 2}, ", ""))).run(
            Store(tmp_path / "store")
        )


LIAR = """
from dataclasses import dataclass
import numpy as np
from wfl_sim.methods import FedIT, FlexLoRA
from wfl_sim.protocols import LocalResult, train_phases

@dataclass(frozen=True, kw_only=True)
class Liar(FedIT):
    liars: tuple[int, ...] = (1, 3)

    def local_update(self, received, kept, client):
        end = yield from train_phases(self.phases, {**received, **kept})
        if client.device in self.liars:
            end = {name: np.full_like(array, np.nan) for name, array in end.items()}
        return LocalResult(upload=end, kept={})

@dataclass(frozen=True, kw_only=True)
class Factors(FlexLoRA):
    liars: tuple[int, ...] = (2,)
    local_update = Liar.local_update
"""


def test_robust_rules_leave_out_uploads_that_are_not_finite(tmp_path):
    """The median of the four that are left is that of a cohort without the two others."""
    (tmp_path / "liar.py").write_text(LIAR)
    text = TRAINING.replace("kind: pftt, adapter: {bottleneck: 4}", "kind: ./liar.py:Liar")
    text = text.replace("count: 2, clients: 3", "count: 2, clients: 6").replace(
        "{count: 4", "{count: 6"
    )
    (tmp_path / "s.yaml").write_text(text)

    def run(*settings):
        return wfl_sim.run(
            tmp_path / "s.yaml", settings=settings, out=tmp_path / "runs", allow_plugins=True
        )[0]

    for rule in ("median", "krum", "{kind: trimmed-mean, share: 0.4}"):
        robust = run(f"server.robust={rule}")
        assert robust.manifest["uploads_left_out"] == {"device-1": [0, 1], "device-3": [0, 1]}
        assert np.isfinite(robust.series("accuracy", "global").value).all()
    nobody = run("server.robust=median", "method.liars=[0, 1, 2, 3, 4, 5]")
    assert len(set(nobody.series("loss", "global").value)) == 1
    line = r"method: training diverged: what device-{} sent is not finite"
    with pytest.raises(ScenarioError, match=line.format("1, device-3")):
        run()
    with pytest.raises(ScenarioError, match=line.format(2)):  # where nothing can be decomposed
        run(f"method={{kind: {tmp_path}/liar.py:Factors, local: {{steps: 1, batch: 8}}}}")


@pytest.mark.parametrize(
    ("rule", "rounds", "said"),
    [
        ("{kind: trimmed-mean, share: 0.3}", "", "leaves out none of at most 3 uploads"),
        ("{kind: trimmed-mean, share: 0.34}", "", None),
        ("{kind: krum, wrong: 0, take: 3}", "", "takes 3 of at most 3 uploads"),
        ("krum", "", "krum needs 5, and an aggregation has at most 3"),
        ("{kind: krum, wrong: 0}", "", None),
        ("median", "", None),
        ("median", "{kind: asynchronous, count: 1, buffer: 2}", "of one or two uploads is their"),
        # What is folded in comes on top of what is asked for: four devices at most.
        (
            "{kind: krum, wrong: 0, take: 2}",
            "{kind: deadline, count: 1, deadline: 1, clients: 2, late: fold}",
            None,
        ),
    ],
)
def test_a_rule_that_so_few_uploads_disarm_is_said(tmp_path, rule, rounds, said):
    settings = [f"server.robust={rule}", *([f"rounds={rounds}"] if rounds else [])]
    found = [*robust_remarks(scenario(tmp_path, *settings, text=TRAINING))]
    assert [path for path, _ in found] == [("server", "robust")] * bool(said)
    assert not said or said in found[0][1]


@pytest.mark.parametrize(
    ("method", "rounds", "key"),
    [
        ("hetlora", "{kind: asynchronous, count: 1, buffer: 2}", "kind"),
        ("hetlora", "{kind: deadline, count: 1, deadline: 1, late: fold}", "late"),
        ("scaffold", "{kind: tiers, count: 1, tiers: 2}", "kind"),
        ("fedit", "{kind: asynchronous, count: 1, buffer: 2}", None),
        ("hetlora", "{kind: deadline, count: 1, deadline: 1}", None),
        ("local-only", "{kind: asynchronous, count: 1, buffer: 2}", None),
    ],
)
def test_that_staleness_does_not_count_is_said(tmp_path, method, rounds, key):
    settings = [f"rounds={rounds}", f"method={method}"]
    found = [*stale_remarks(scenario(tmp_path, *settings, text=TRAINING))]
    assert [path for path, _ in found] == [("rounds", key)] * (key is not None)


@pytest.mark.parametrize(
    ("rounds", "rise", "said"), [("count: 3", 3, False), ("count: 3", 4, True), ("until: 9", 4, 0)]
)
def test_a_warm_up_that_outlasts_the_run_is_said(tmp_path, rounds, rise, said):
    """Round r, from 0 on, has the share (r + 1) / warmup_rounds of the rate.

    Runs until a time have no number of rounds, and every one of them ended in a traceback.
    """
    settings = [f"rounds={{kind: synchronous, {rounds}}}", f"method.local.warmup_rounds={rise}"]
    found = [*warm_up_remarks(scenario(tmp_path, *settings, text=TRAINING))]
    assert [path for path, _ in found] == [("method", "local", "warmup_rounds")] * said


def test_uploads_that_were_left_out_are_said_by_device_and_round(tmp_path):
    totals = outcome(tmp_path).totals
    left_out = {f"device-{i}": [0, 2, 3, 5][: 4 - i] for i in range(4)}
    assert remarks({**totals, "uploads_left_out": left_out}) == [
        "uploads that are not finite were left out: device-0 in round 0, 2, 3, ...; "
        "device-1 in round 0, 2, 3; device-2 in round 0, 2; ..."
    ]


def test_progress_counts_every_task_once(tmp_path):
    seen = []
    Simulation(scenario(tmp_path, text=TRAINING)).run(
        Store(tmp_path / "store"), lambda task, done, needed: seen.append((task, done, needed))
    )
    assert sum(isinstance(task, LocalUpdate) for task, _, _ in seen) == 6
    assert [done for _, done, _ in seen] == list(range(1, len(seen) + 1))
    assert {needed for _, _, needed in seen} == {len(seen)}


def test_what_the_simulation_warns_of_is_said_without_a_path_of_the_code(files, caplog, recwarn):
    plan = GOOD.replace("synchronous", "joint-plan").replace("clients: 2", "within: 10 ms")
    files.write(plan.replace("proportional-fair", "assigned"))
    wfl_sim.run(files.folder / "s.yaml", out=files.folder / "runs")
    (line,) = caplog.messages
    assert line.startswith("joint-plan: devices that cannot compute and send `within` its time")
    assert not [each for each in recwarn if "joint-plan" in str(each.message)]


def test_warnings_of_the_preparation_are_shown_once_and_end(tmp_path, monkeypatch):
    simulation = SimpleNamespace(
        inspection=None, shards=None, excluded=(), out_of_reach=OutOfReach()
    )

    def warns(loaded, **_):
        warnings.warn("a library has something to say", FutureWarning, stacklevel=1)
        return simulation

    monkeypatch.setattr(running, "Simulation", warns)
    file = tmp_path / "scenario.yaml"
    file.write_text(TRAINING)
    with pytest.warns(FutureWarning, match="something to say") as shown:
        assert running.prepare(load(file)[0], lambda text: None) is simulation
    assert len(shown) == 1
