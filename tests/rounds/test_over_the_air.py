"""Rounds over the air: one transmission for all, truncation, energy, and noise that is learned."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fixtures.churn import of, simulated
from tests.fixtures.runs import scenario
from tests.rounds.test_rounds import check_plain_laws
from tests.rounds.test_rounds_training import TRAINING
from wfl_sim.execution.store import Store
from wfl_sim.methods import FedIT, SplitLoRA
from wfl_sim.methods.aggregation import Upload
from wfl_sim.methods.server import AggregationConfig, server_update
from wfl_sim.results import digest_spans, digest_states
from wfl_sim.simulation.scenario_remarks import flat_remarks
from wfl_sim.simulation.simulation import Simulation

AIR = """
name: air
seed: 4
model: {kind: synthetic, payload: 3.2 Mbit, flops_per_step: 20 GFLOP}
method: {kind: fedit, local: {steps: 2}}
rounds: {kind: over-the-air, count: 6, threshold: 0.3}
cells:
  - bandwidth: 10 MHz
    channel: {pathloss: macro, shadowing: {sigma: 6 dB}, \
fading: {kind: rayleigh, profile: tdl-a, delay_spread: 1 ns}}
devices:
  - {count: 5, hardware: jetson-orin-nano, area: {radius: 300 m}, speed: 30 km/h}
  - {count: 2, hardware: raspberry-pi-5, area: {radius: 300 m}, speed: 30 km/h}
"""


def senders(federation):
    """Return the spans on the air of each round."""
    found = defaultdict(list)
    for span in federation.context.spans:
        if span.activity == "upload":
            found[span.round].append(span)
    return found


def test_all_send_at_once_as_soon_as_the_slowest_is_ready(tmp_path):
    federation = simulated(tmp_path, text=AIR)
    check_plain_laws(federation)
    # 100 000 values, two a symbol, on 24 blocks of 360 kHz less 8 % and the cyclic prefix.
    lasts = 100_000 / 2 / (24 * 360e3 * 0.92 * 14 / 15)
    for number, spans in senders(federation).items():
        ready = [
            s.end for s in federation.context.spans if (s.activity, s.round) == ("compute", number)
        ]
        assert len(ready) == 7
        assert {s.start for s in spans} == {max(ready)}
        for span in spans:
            assert span.end - span.start == pytest.approx(lasts, rel=1e-9)
            assert span.bits == 0


def test_who_fades_stays_out_and_the_others_are_averaged(tmp_path):
    federation = simulated(tmp_path, text=AIR)
    sent = senders(federation)
    numbers = [
        sorted(int(s.actor.split("-")[1]) for s in spans) for _, spans in sorted(sent.items())
    ]
    assert numbers == federation.context.plan.combined
    assert any(len(each) < 7 for each in numbers)
    named = sorted(federation.context.plan.named)
    # Who stays out has trained all the same.
    assert len(named) == 6 * 7


def test_rounds_in_which_nobody_sends_are_counted(tmp_path):
    federation = simulated(tmp_path, "rounds.threshold=50", text=AIR)
    assert not senders(federation)
    assert federation.context.aggregations == federation.context.empty_aggregations == 6


def test_power_is_that_of_the_inversion(tmp_path):
    federation = simulated(tmp_path, "rounds.count=1", text=AIR)
    (spans,) = senders(federation).values()
    start = spans[0].start
    devices = [federation.devices[int(s.actor.split("-")[1])] for s in spans]
    cell = devices[0].cell
    federation.env._now = start  # the channel is a function of time
    gain = cell.uplink_gains([device.index for device in devices])
    watts = 1 / gain / max(1 / gain) * devices[0].power
    for device, span, power in zip(devices, spans, watts, strict=True):
        sending = device.transceiver.radio.transmit_power(power)
        drawn = device.reachability.idle_power + sending
        assert span.joules == pytest.approx(drawn * (span.end - span.start), rel=1e-9)


def test_the_share_of_senders_is_that_of_rayleigh(tmp_path):
    text = AIR.replace("count: 6", "count: 60").replace("count: 5", "count: 20")
    federation = simulated(tmp_path, text=text)
    sent = sum(len(spans) for spans in senders(federation).values())
    share, expected = sent / (60 * 22), np.exp(-0.3)
    # Fading goes on between rounds, so draws are almost independent.
    assert share == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / 1320))


def test_time_on_the_air_does_not_grow_with_the_devices(tmp_path):
    few = senders(simulated(tmp_path, "rounds.clients=2", text=AIR))
    many = senders(simulated(tmp_path, text=AIR))
    lasted = {round(s.end - s.start, 9) for runs in (few, many) for v in runs.values() for s in v}
    assert len(lasted) == 1


@given(on=st.floats(0.2, 5), off=st.floats(0.1, 2), seed=st.integers(0, 1000))
@settings(max_examples=10)
def test_the_laws_hold_when_devices_come_and_go(tmp_path_factory, on, off, seed):
    federation = simulated(
        tmp_path_factory.mktemp("any"),
        f"seed={seed}",
        f"devices.0.availability={{kind: markov, on: {on} s, off: {off} s}}",
        f"devices.1.availability={{kind: markov, on: {on} s, off: {off} s}}",
        text=AIR,
    )
    check_plain_laws(federation)
    for device in federation.devices:
        joules = sum(s.joules for s in of(federation, device.name))
        total = federation.context.ledger.drawn(federation.env.now)[device.index]
        assert joules == pytest.approx(total, rel=1e-9)


def test_the_error_of_the_average_is_the_share_of_the_largest_change():
    rng = np.random.default_rng(0)
    shape = (400, 500)
    start = {"lora/a": rng.normal(size=shape).astype(np.float32)}
    moves = [0.1 * rng.normal(size=shape), 0.5 * rng.normal(size=shape)]
    uploads = [
        Upload({"lora/a": (start["lora/a"] + move).astype(np.float32)}, weight)
        for move, weight in zip(moves, (1.0, 3.0), strict=True)
    ]
    exact = server_update(FedIT(), AggregationConfig(), start, uploads)["lora/a"]
    again = [
        server_update(
            FedIT(),
            AggregationConfig(),
            start,
            uploads,
            noise=0.02,
            rng=np.random.default_rng(seed),
        )["lora/a"]
        for seed in (1, 1, 2)
    ]
    assert (again[0] == again[1]).all()
    assert (again[0] != again[2]).any()
    # The standard error of a standard deviation of 200 000 values is 0.16 %.
    assert (again[0] - exact).std() == pytest.approx(0.02 * 0.5, rel=0.01)
    assert abs((again[0] - exact).mean()) < 4 * 0.01 / np.sqrt(exact.size)


def test_what_a_download_has_lost_is_no_change_of_a_device():
    """Noise is scaled by what devices send: their change since the state they have received."""
    start, received = ({"lora/a": np.full((400, 500), value, np.float32)} for value in (1.0, 0.5))
    upload = Upload({"lora/a": received["lora/a"] + np.float32(0.1)}, 1.0, base=received)
    made, exact = (
        server_update(
            FedIT(),
            AggregationConfig(),
            start,
            [upload],
            noise=noise,
            rng=np.random.default_rng(1),
        )["lora/a"]
        for noise in (0.02, 0.0)
    )
    assert (made - exact).std() == pytest.approx(0.02 * 0.1, rel=0.01)


def test_what_never_leaves_the_server_has_no_noise_of_the_air():
    """The upper blocks and the head of a split network; nor do their changes scale the noise."""
    rng = np.random.default_rng(0)
    names = ("lora/layer.0.a", "lora/layer.1.a", "head/weight")
    start = {name: rng.normal(size=(400, 500)).astype(np.float32) for name in names}
    moved = {n: a + np.float32(0.1 if n == names[0] else 10) for n, a in start.items()}
    made, exact = (
        server_update(
            SplitLoRA(device_blocks=1),
            AggregationConfig(),
            start,
            [Upload(moved, 1.0)],
            noise=noise,
            rng=np.random.default_rng(1),
        )
        for noise in (0.02, 0.0)
    )
    errors = [float((made[name] - exact[name]).std()) for name in names]
    assert errors == pytest.approx([0.02 * 0.1, 0, 0], rel=0.01)


def test_noise_is_learned_and_repeats(tmp_path):
    air = "rounds={kind: over-the-air, count: 2, threshold: 1e-6}"
    runs = [
        Simulation(scenario(tmp_path, *more, text=TRAINING)).run(Store(tmp_path / name))
        for name, more in (
            ("one", [air]),
            ("two", [air]),
            ("quiet", ["rounds={kind: synchronous, count: 2}"]),
        )
    ]
    one, two, quiet = (digest_states(run.states) for run in runs)
    assert one == two
    assert one != quiet
    for name, array in runs[2].states["shared"].items():
        # At these distances the error is small beside the values.
        assert runs[0].states["shared"][name] == pytest.approx(array, abs=0.05)
    network = Simulation(scenario(tmp_path, air, text=TRAINING), network_only=True).run()
    assert digest_spans(network.spans) == digest_spans(runs[0].spans)


def test_the_noise_of_a_round_is_the_same_whatever_is_measured(tmp_path):
    """Its stream was named by the state before, and so by all code, libraries and metrics."""
    air = "rounds={kind: over-the-air, count: 1}"
    one, other = (
        Simulation(scenario(tmp_path, air, *more, text=TRAINING)).run(Store(tmp_path / "store"))
        for more in ([], ["evaluation.metrics=[macro-f1]"])
    )
    assert digest_states(one.states) == digest_states(other.states)


@pytest.mark.parametrize(("spread", "said"), [("19 ns", 0), ("21 ns", 1)])
def test_a_band_that_is_not_flat_is_said(tmp_path, spread, said):
    """Inverting each of 24 blocks takes more power than inverting their mean, by 9 % from here."""
    setting = f"cells.0.channel.fading.delay_spread={spread}"
    assert len([*flat_remarks(scenario(tmp_path, setting, text=AIR))]) == said
    digital = "rounds={kind: synchronous, count: 2}"
    assert not [*flat_remarks(scenario(tmp_path, setting, digital, text=AIR))]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("rounds.threshold=0", "rounds.threshold: must be greater than 0, got 0"),
        ("method=pftt", ""),
        ("method=local-only", "method: over the air needs a method that averages uploads"),
        ("payload.upload=fp16", "payload.upload: must be fp32: values go over the air"),
        ("server.weights=equal", "server.weights: must be examples"),
        ("cells=[{position: [-500, 0]}, {position: [500, 0]}]", "cells: over the air only one"),
        ("devices.1.reach=outage", r"devices\.1\.reach: must not be outage"),
        ("privacy.secure_aggregation={}", "secure_aggregation: has nothing to mask over the air"),
    ],
)
def test_bad_input_is_one_located_line(tmp_path, setting, message):
    if not message:
        assert scenario(tmp_path, setting, text=AIR)
        return
    with pytest.raises(ValueError, match=message) as caught:
        scenario(tmp_path, setting, text=AIR)
    assert "\n" not in str(caught.value)
