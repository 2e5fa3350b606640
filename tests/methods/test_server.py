"""Server optimisers, staleness weights and the error of the air, against numbers worked by hand."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from wfl_sim.config.answers import AnswerError
from wfl_sim.config.errors import ScenarioError
from wfl_sim.methods import FedIT
from wfl_sim.methods.aggregation import Upload
from wfl_sim.methods.robust import Krum, Median, TrimmedMean
from wfl_sim.methods.server import AggregationConfig, server_update
from wfl_sim.methods.server_optimizers import Adagrad, Adam, Average, Momentum, Yogi
from wfl_sim.methods.staleness import Delta, Mixing
from wfl_sim.randomness import stream
from wfl_sim.scenario.loading import load
from wfl_sim.simulation.simulation import Simulation


def one(value):
    return {"lora/a": np.float32([value])}


def stepped(optimizer, means, start=0.0):
    """Values of x after each of some averages."""
    rule, shared, seen = AggregationConfig(optimizer=optimizer), one(start), []
    for mean in means:
        shared = server_update(FedIT(), rule, shared, [Upload(one(mean), 1.0)])
        seen.append(float(shared["lora/a"][0]))
    return seen


def test_the_average_is_taken_as_it_is_and_with_a_rate_in_part():
    assert stepped(Average(), [3]) == [3]
    assert stepped(Average(lr=0.5), [4, 4]) == [2, 3]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        # 0, 1, 2, 3 and 100 in the first value; 0, 1, 2, 3 and -100 in the second.
        (Median(), [2, 1]),
        (TrimmedMean(share=0.2), [2, 1]),  # (1 + 2 + 3) / 3 and (0 + 1 + 2) / 3
        (TrimmedMean(share=0.0), [21.2, -18.8]),
        # Two neighbours: the squares sum to 2 (1 + 4), 2 (1 + 1), 4, 10 and more: the second.
        (Krum(wrong=1), [1, 1]),
        (Krum(wrong=1, take=2), [1.5, 1.5]),
    ],
)
def test_robust_aggregates_by_hand(rule, expected):
    places = [(0, 0), (1, 1), (2, 2), (3, 3), (100, -100)]
    uploads = [
        Upload({"lora/a": np.float32([a]), "lora/b": np.float32([[b]])}, weight=float(k + 1))
        for k, (a, b) in enumerate(places)
    ]
    shared = {"lora/a": np.float32([0]), "lora/b": np.float32([[0]])}
    made = server_update(FedIT(), AggregationConfig(robust=rule), shared, uploads)
    assert [made["lora/a"].item(), made["lora/b"].item()] == pytest.approx(expected)
    assert made["lora/b"].shape == (1, 1)
    alone = server_update(FedIT(), AggregationConfig(robust=rule), shared, uploads[:1])
    assert alone["lora/a"] == 0


def test_a_trimmed_share_of_a_hundred_is_as_many():
    rows = np.arange(100.0)[:, None] ** 2
    for share in (0.07, 0.28, 0.29):
        out = round(100 * share)
        assert TrimmedMean(share=share).combine(rows) == rows[out:-out].mean()


def test_momentum():
    """v = 1, x = 1; then d = 0, v = 0.9, x = 1.9."""
    assert stepped(Momentum(beta=0.9), [1, 1]) == pytest.approx([1, 1.9])


@pytest.mark.parametrize(
    ("kind", "second"),
    [
        (Adam, lambda v, d: 0.99 * v + 0.01 * d**2),
        (Yogi, lambda v, d: v - 0.01 * d**2 * np.sign(v - d**2)),
        (Adagrad, lambda v, d: v + d**2),
    ],
)
def test_adaptive_steps_by_algorithm_2(kind, second):
    optimizer = kind(lr=0.1)
    x, m, v, expected = 1.0, 0.0, optimizer.tau**2, []
    for mean in (2.0, -1.0, 0.5):
        d = mean - x
        m = optimizer.beta1 * m + (1 - optimizer.beta1) * d
        v = second(v, d)
        x += 0.1 * m / (np.sqrt(v) + optimizer.tau)
        expected.append(x)
    assert stepped(optimizer, [2.0, -1.0, 0.5], start=1.0) == pytest.approx(expected, rel=1e-5)


def test_fedbuff_by_hand():
    """x = 10; changes 4 (fresh) and 2 (three versions old, so half of it): 10 + (4 + 1) / 2."""
    uploads = [
        Upload(one(14), 1.0, 0, one(10), 0),
        Upload(one(5), 7.0, 1, one(3), 3),
    ]
    rule = AggregationConfig(staleness=Delta(exponent=0.5), weights="equal")
    assert server_update(FedIT(), rule, one(10), uploads)["lora/a"] == pytest.approx([12.5])
    eta = AggregationConfig(optimizer=Average(lr=2.0), weights="equal")
    assert server_update(FedIT(), eta, one(10), uploads)["lora/a"] == pytest.approx([15])


def test_fedasync_by_hand():
    """a = 0.6 / sqrt(1 + 3) = 0.3: 0.7 x 10 + 0.3 x 0 = 7."""
    upload = Upload(one(0), 1.0, 0, one(3), 3)
    rule = AggregationConfig(staleness=Mixing(alpha=0.6, exponent=0.5))
    assert server_update(FedIT(), rule, one(10), [upload])["lora/a"] == pytest.approx([7])


@pytest.mark.parametrize(
    "rule",
    [
        AggregationConfig(staleness=Delta()),
        AggregationConfig(staleness=Mixing()),
        AggregationConfig(weights="equal"),
    ],
)
def test_what_only_uploads_have_is_taken_as_it_is(rule):
    """A method may send more than it got, such as a loss: there is no change of it to weigh."""
    upload = Upload({**one(4), "loss": np.float32([7])}, 1.0, 0, one(2), 3)
    alone = server_update(FedIT(), rule, one(10), [replace(upload, state=one(4))])
    made = server_update(FedIT(), rule, one(10), [upload])
    assert made["loss"] == [7]
    assert made["lora/a"] == alone["lora/a"] != 4
    with pytest.raises(AnswerError, match=r"^FedIT.initial_server_state must begin with 'loss'"):
        server_update(FedIT(), replace(rule, optimizer=Adam()), one(10), [upload])


@dataclass(frozen=True)
class IgnoresOld:
    """As in the docstring of `Staleness`."""

    needs_base = False

    def present(self, shared, upload):
        return replace(upload, weight=0.0) if upload.staleness else upload


def test_uploads_without_weight_leave_the_state_as_it_is():
    old, new = Upload(one(4), 1.0, 0, one(2), 3), Upload(one(8), 1.0, 1)
    for rule in (
        AggregationConfig(staleness=IgnoresOld()),
        AggregationConfig(staleness=IgnoresOld(), robust=Median()),
    ):
        assert server_update(FedIT(), rule, one(10), [old]) == one(10)
        assert server_update(FedIT(), rule, one(10), [old, new]) == one(8)


def test_an_edge_server_only_averages():
    rule = AggregationConfig(optimizer=Momentum())
    shared = server_update(FedIT(), rule, one(0), [Upload(one(1), 1.0)])
    edge = server_update(FedIT(), rule, shared, [Upload(one(5), 1.0)], edge=True)
    assert edge["lora/a"] == [5]
    assert edge["server/optimizer/lora/a"] == shared["server/optimizer/lora/a"] == [1]


@pytest.mark.parametrize("optimizer", [Momentum(), Adam(lr=0.1), Adagrad(lr=0.1)])
def test_a_cloud_steps_towards_the_mean_of_its_edge_servers(optimizer):
    """As if their devices had sent to it; the memory that edges hold is no upload."""
    rule = AggregationConfig(optimizer=optimizer)
    shared = plain = one(0)
    for values in ((1, 3), (2, 7), (0, 1)):
        uploads = [Upload(one(value), 1.0) for value in values]
        plain = server_update(FedIT(), rule, plain, uploads)
        edges = [server_update(FedIT(), rule, shared, [each], edge=True) for each in uploads]
        shared = server_update(FedIT(), rule, shared, [Upload(each, 1.0) for each in edges])
    assert shared == plain


def test_the_air_adds_an_error_in_proportion_to_the_update():
    """The root mean square of the update is 2; a share of 0.1 makes errors of 0.2."""
    shared = {"lora/a": np.ones(100_000, np.float32)}
    upload = Upload({"lora/a": np.full(100_000, 3, np.float32)}, 1.0)
    noisy = server_update(
        FedIT(), AggregationConfig(), shared, [upload], noise=0.1, rng=stream(0, "noise")
    )
    error = noisy["lora/a"] - 3
    assert error.std() == pytest.approx(0.2, rel=0.02)
    assert abs(error.mean()) < 0.003


def test_an_optimiser_needs_an_average(tmp_path):
    (tmp_path / "s.yaml").write_text(
        "name: s\n"
        "model: {kind: synthetic, payload: 1 Mbit, flops_per_step: 1 GFLOP}\n"
        "method: flora\n"
        "rounds: {kind: synchronous, count: 1}\n"
        "server:\n"
        "  optimizer: adam\n"
        "devices: [{count: 1, hardware: jetson-orin-nano}]\n"
    )
    with pytest.raises(ScenarioError, match=r"s.yaml:6: server.optimizer: needs a method that"):
        load(tmp_path / "s.yaml")
    with pytest.raises(ScenarioError, match=r"server\.staleness: needs a method that averages"):
        load(tmp_path / "s.yaml", settings=["server.optimizer=average", "server.staleness=mixing"])
    load(tmp_path / "s.yaml", settings=["method=fedit"])
    with pytest.raises(ScenarioError, match=r"server\.optimizer\.lr: must be greater than 0"):
        load(tmp_path / "s.yaml", settings=["method=fedit", "server.optimizer.lr=0"])
    with pytest.raises(ScenarioError, match="rank: no part of fedit has a rank that differs"):
        load(tmp_path / "s.yaml", settings=["method=fedit", "devices.0.rank=2"])


def test_flora_needs_a_lossless_downlink(tmp_path):
    (tmp_path / "s.yaml").write_text(
        "name: s\n"
        "model: {kind: synthetic, payload: 1 Mbit, flops_per_step: 1 GFLOP}\n"
        "method: flora\n"
        "rounds: {kind: synchronous, count: 1}\n"
        "payload:\n"
        "  upload: int8\n"
        "  download: fp16\n"
        "devices: [{count: 1, hardware: jetson-orin-nano}]\n"
    )
    with pytest.raises(
        ScenarioError,
        match=r"s.yaml:7: payload.download: must be lossless for flora, such as fp32, and fp16 is",
    ):
        load(tmp_path / "s.yaml")
    for codec in ("bf16", "int8", "int4"):
        with pytest.raises(ScenarioError, match=rf"must be lossless .* and {codec} is not"):
            load(tmp_path / "s.yaml", settings=[f"payload.download={codec}"])
    lossless = "payload.download=fp32"
    load(tmp_path / "s.yaml", settings=[lossless])
    load(tmp_path / "s.yaml", settings=["method=fedit"])
    for codec in ("{kind: top-k, share: 0.1}", "{kind: int8, updates: true}"):
        changes = [lossless, f"payload.upload={codec}"]
        with pytest.raises(ScenarioError, match=r"upload: must encode states for flora, and .* no"):
            load(tmp_path / "s.yaml", settings=changes)
        load(tmp_path / "s.yaml", settings=[*changes, "method=fedex-lora"])
        with pytest.raises(ScenarioError, match="upload: must encode states for fedalt, and"):
            load(tmp_path / "s.yaml", settings=[*changes, "method=fedalt"])


def test_rests_that_belong_to_no_later_upload_are_refused(tmp_path):
    """FlexLoRA factors anew each round."""
    (tmp_path / "s.yaml").write_text(
        "name: s\n"
        "model: {kind: synthetic, payload: 1 Mbit, flops_per_step: 1 GFLOP}\n"
        "method: flexlora\n"
        "rounds: {kind: synchronous, count: 1}\n"
        "payload:\n"
        "  upload: {kind: top-k, share: 0.1}\n"
        "devices: [{count: 1, hardware: jetson-orin-nano}]\n"
    )
    line = r"s.yaml:6: payload.upload: must be without error feedback for flexlora \(error_feed"
    with pytest.raises(ScenarioError, match=line):
        load(tmp_path / "s.yaml")
    load(tmp_path / "s.yaml", settings=["payload.upload.error_feedback=false"])
    for other in ("hetlora", "fedex-lora", "fdlora", "scaffold"):
        load(tmp_path / "s.yaml", settings=[f"method={other}"])


@pytest.mark.parametrize(
    ("rounds", "key"),
    [
        ("{kind: asynchronous, count: 2, buffer: 2}", "kind"),
        ("{kind: tiers, count: 2, tiers: 1}", "kind"),
        ("{kind: deadline, count: 2, deadline: 1 s, late: fold}", "late"),
    ],
)
def test_fedalt_needs_rounds_that_do_not_overlap(tmp_path, rounds, key):
    """By the number of the round a device takes its own LoRA out of the mean."""
    (tmp_path / "s.yaml").write_text(
        "name: s\n"
        "model: {kind: synthetic, payload: 1 Mbit, flops_per_step: 1 GFLOP}\n"
        "method: fedalt\n"
        f"rounds: {rounds}\n"
        "devices: [{count: 2, hardware: jetson-orin-nano}]\n"
    )
    line = rf"s.yaml:4: rounds.{key}: must not let rounds overlap for fedalt"
    with pytest.raises(ScenarioError, match=line):
        load(tmp_path / "s.yaml")
    load(tmp_path / "s.yaml", settings=["method=scaffold"])


CENTRAL = """
name: central
model: {kind: synthetic, payload: 1 Mbit, flops_per_step: 1 GFLOP}
method: {kind: fedit, local: {steps: 3}}
rounds: {kind: centralised, count: 2, clients: 4}
devices: [{count: 5, hardware: jetson-orin-nano}]
"""


def test_a_central_server_works_alone(tmp_path):
    """2 rounds of 4 updates of 3 steps of 1 GFLOP, one after the other, and nothing on the air."""
    (tmp_path / "c.yaml").write_text(CENTRAL)
    (loaded,) = load(tmp_path / "c.yaml")
    outcome = Simulation(loaded.scenario).run()
    work = [span for span in outcome.spans if span.actor == "server"]
    assert [span.flops for span in work] == [3e9] * 8
    seconds = 8 * loaded.scenario.server.hardware.seconds(3e9)
    assert outcome.totals["simulated_seconds"] == pytest.approx(seconds)
    assert not any(outcome.totals["bits"].values())
    hardware = loaded.scenario.server.hardware
    drawn = outcome.totals["infrastructure_joules"]["server"]
    assert drawn == pytest.approx((hardware.idle_power + hardware.compute_power) * seconds)
    with pytest.raises(ScenarioError, match=r"rounds\.kind: needs a method without private parts"):
        load(tmp_path / "c.yaml", settings=["method=pftt"])
    with pytest.raises(ScenarioError, match=r"rounds\.kind: needs a method of one model; ditto"):
        load(tmp_path / "c.yaml", settings=["method=ditto"])
    nobody = "method={kind: fedrlhf, algorithm: grpo, weight: null}"
    with pytest.raises(ScenarioError, match=r"method\.weight: must be a number in centralised"):
        load(tmp_path / "c.yaml", settings=[nobody])
    load(tmp_path / "c.yaml", settings=[nobody.replace("grpo", "dpo")])
    load(tmp_path / "c.yaml", settings=[nobody.replace("null", "0.5")])
