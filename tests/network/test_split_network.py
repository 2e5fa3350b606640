"""A split network on the air: bits, joules and departures of steps that cross a cut."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fixtures.churn import check_laws, of, simulated
from tests.fixtures.runs import scenario
from wfl_sim.config.errors import ScenarioError

SPLIT = """
name: split
seed: 3
model:
  kind: synthetic
  payload: 2 Mbit
  flops_per_step: 20 GFLOP
  cut: {activations: 1 Mbit, device_share: 0.25}
method: {kind: splitlora, local: {steps: 3}}
rounds: {kind: synchronous, count: 2}
cells: [{bandwidth: 10 MHz, channel: {pathloss: macro, shadowing: {sigma: 6 dB}}}]
devices:
  - {count: 2, hardware: jetson-orin-nano, area: {radius: 300 m}}
  - {count: 1, hardware: raspberry-pi-5, area: {radius: 300 m}}
"""


def test_bits_flops_and_turns_at_the_server(tmp_path):
    federation = simulated(tmp_path, text=SPLIT)
    for device in federation.devices:
        up = [s.bits for s in of(federation, device.name, "upload")]
        down = [s.bits for s in of(federation, device.name, "download")]
        assert up == 2 * [10**6, 10**6, 10**6, 2 * 10**6]
        assert down == 2 * [2 * 10**6, 10**6, 10**6, 10**6]
        flops = [s.flops for s in of(federation, device.name, "compute")]
        # A quarter of 20 GFLOP, a third of it before the activations go.
        assert flops == pytest.approx(6 * [5e9 / 3, 10e9 / 3])
        seconds = sum(s.end - s.start for s in of(federation, device.name, "compute"))
        assert seconds == pytest.approx(2 * device.expected_compute, rel=1e-9)
    served = sorted(of(federation, "server", "compute"), key=lambda span: span.start)
    assert len(served) == 2 * 3 * 3
    assert all(a.end <= b.start for a, b in pairwise(served))
    for span in served:
        assert span.flops == 15e9
        assert span.end - span.start == pytest.approx(federation.server.hardware.seconds(15e9))
    traffic = federation.context.traffic
    assert traffic.sent_up == traffic.received_up
    # Gradients are for one device each, the shared state is broadcast.
    assert traffic.sent_down == 2 * 2 * 10**6 + 18 * 10**6


@given(
    on=st.floats(0.2, 6),
    off=st.floats(0.1, 3),
    policy=st.sampled_from(
        ["{kind: synchronous, count: 3}", "{kind: deadline, count: 3, deadline: 0.8 s}"]
    ),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=12)
def test_the_laws_hold_when_devices_come_and_go(tmp_path_factory, on, off, policy, seed):
    federation = simulated(
        tmp_path_factory.mktemp("any"),
        f"seed={seed}",
        f"rounds={policy}",
        "cells.0.backhaul.latency=20 ms",
        f"devices.0.availability={{kind: markov, on: {on} s, off: {off} s}}",
        f"devices.1.availability={{kind: markov, on: {on} s, off: {off} s}}",
        text=SPLIT.replace("rounds: {kind: synchronous, count: 2}\n", "rounds: {}\n"),
    )
    check_laws(federation)


def test_a_synthetic_model_must_say_what_crosses_the_cut(tmp_path):
    text = SPLIT.replace("  cut: {activations: 1 Mbit, device_share: 0.25}\n", "")
    with pytest.raises(ScenarioError, match=r":\d+: model.cut: is missing: splitlora sends"):
        scenario(tmp_path, text=text)


def test_batches_of_many_widths_cross_no_cut(tmp_path):
    model, data = "model={pretrained: builtin:tiny-bert}", "data={kind: newswire, padding: longest}"
    with pytest.raises(ScenarioError, match=r"data.padding: must be fixed for splitlora"):
        scenario(tmp_path, model, data, text=SPLIT)


def test_a_server_that_trains_alone_computes_both_parts(tmp_path):
    """Of 20 GFLOP a device holds a quarter; the server has what the whole network takes."""
    federation = simulated(tmp_path, "rounds={kind: centralised, count: 1, clients: 2}", text=SPLIT)
    assert [s.flops for s in of(federation, "server", "compute")] == pytest.approx([60e9, 60e9])


def test_edge_servers_hold_no_upper_part(tmp_path):
    links = "[{hub: edge, ends: [cells]}, {hub: server, ends: [edge]}]"
    edges = f"backhaul={{links: {links}, edge_servers: [edge]}}"
    with pytest.raises(ValueError, match="method: must not split the network"):
        scenario(tmp_path, edges, "rounds={kind: hierarchical, count: 2}", text=SPLIT)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("activations: 1 Mbit", "activations: 0 bit", "model.cut.activations: must be at least 1"),
        ("device_share: 0.25", "device_share: 1.5", "model.cut.device_share: "),
        (
            "local: {steps: 3}",
            "device_blocks: 0",
            "method.device_blocks: must be at least 1, got 0",
        ),
    ],
)
def test_bad_input_is_one_located_line(tmp_path, old, new, message):
    with pytest.raises(ValueError, match=message) as caught:
        scenario(tmp_path, text=SPLIT.replace(old, new))
    assert "\n" not in str(caught.value)
