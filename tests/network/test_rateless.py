"""Broadcasts with rateless codes: everybody ends on its own."""

import numpy as np
import pytest
import simpy

import channel_models as cm
from tests.fixtures.churn import simulated
from tests.fixtures.runs import outcome
from tests.radio.test_ofdma import BLOCK, BLOCKS, make_band, shannon
from tests.simulation.test_simulation import check_laws
from wfl_sim.config.errors import ScenarioError
from wfl_sim.network.carriers.carrier import Carrier
from wfl_sim.network.carriers.transfer import BroadcastGroup, TransferRequest
from wfl_sim.radio.allocation import MaxCI, ProportionalFair

RATELESS = "cells.0.downlink.rateless=true"
BAND = BLOCKS * BLOCK


def broadcast(carrier, links, bits):
    group = BroadcastGroup()
    return [carrier.send(TransferRequest([link], bits, group=group)) for link in links]


def test_each_receiver_ends_after_bits_over_its_own_rate():
    gains, env = [1e-12, 3e-14, 1e-11], simpy.Environment()
    carrier = Carrier(env, "air", make_band(gains, direction="downlink"))
    sent = broadcast(carrier, range(3), 1e6)
    env.run(env.all_of([each.done for each in sent]))
    for each, gain in zip(sent, gains, strict=True):
        assert each.end == pytest.approx(1e6 / shannon(0.2, gain, BAND), rel=1e-9)
    # The cell radiates once, whoever listens.
    assert sum(each.radiated for each in sent) == pytest.approx(0.2 * sent[1].end)


@pytest.mark.parametrize("allocator", [None, ProportionalFair(), MaxCI()])
def test_a_transmission_competes_as_one(allocator):
    """Three who listen together and one apart, all alike: two halves of the band."""
    env = simpy.Environment()
    band = make_band([1e-12] * 4, direction="downlink", allocator=allocator)
    carrier = Carrier(env, "air", band)
    together = broadcast(carrier, range(3), 1e6)
    alone = carrier.send(TransferRequest([3], 1e6))
    env.run(env.all_of([each.done for each in (*together, alone)]))
    half = 2e6 / shannon(0.2, 1e-12, BAND)
    assert [each.end for each in together] == pytest.approx([together[0].end] * 3)
    assert max(alone.end, together[0].end) == pytest.approx(half, rel=1e-9)


def test_under_rayleigh_fading_nobody_waits_for_the_worst():
    """At low SNR each receives at its own mean rate, n times that of the worst of n at a time."""
    count, snr = 4, 1e-3
    gain = snr * 1e-20 * BAND / 0.2
    band = make_band(
        [gain] * count,
        direction="downlink",
        fading=cm.Rayleigh(sinusoids=32),
        doppler=20.0,
        step=0.005,
    )
    env = simpy.Environment()
    carrier = Carrier(env, "air", band)
    bits = 40.0 * snr / np.log(2) * BAND
    sent = broadcast(carrier, range(count), bits)
    env.run(env.all_of([each.done for each in sent]))
    assert np.mean([each.end for each in sent]) == pytest.approx(40.0, rel=0.05)


def test_one_leaves_and_the_others_go_on():
    env, log = simpy.Environment(), []
    carrier = Carrier(env, "air", make_band([1e-12, 1e-13], direction="downlink"))
    first, second = broadcast(carrier, range(2), 1e6)

    def leaving():
        yield env.timeout(0.01)
        log.append((yield carrier.leave(first, 0)))

    env.process(leaving())
    env.run(second.done)
    assert log == [pytest.approx(0.01 * shannon(0.2, 1e-12, BAND))]
    assert second.end == pytest.approx(1e6 / shannon(0.2, 1e-13, BAND), rel=1e-9)
    assert first.has_receivers


def test_a_scenario_ends_sooner_for_most_and_counts_a_broadcast_once(tmp_path):
    worst, own = outcome(tmp_path), outcome(tmp_path, RATELESS)
    check_laws(own)
    assert own.totals["bits"]["sent_down"] == worst.totals["bits"]["sent_down"]
    assert own.totals["bits"]["received_down"] == worst.totals["bits"]["received_down"]

    def downloads(result):
        return [s.end for s in result.spans if s.activity == "download" and s.round == 0]

    assert np.mean(downloads(own)) < np.mean(downloads(worst))
    # The slowest hears at least as much as when the code is that of the worst.
    assert max(downloads(own)) <= max(downloads(worst)) * (1 + 1e-9)


@pytest.mark.parametrize("interference", ["coupled", "load-average"])
def test_two_cells_with_devices_that_come_and_go(tmp_path, interference):
    cells = "cells=[{position: [-250, 0], downlink: {rateless: true}}, {position: [250, 0]}]"
    churn = "devices.0.availability={kind: markov, on: 600 ms, off: 200 ms}"
    federation = simulated(tmp_path, cells, churn, f"interference={interference}", "rounds.count=6")
    spans = [span for span in federation.context.spans if span.activity == "download"]
    assert {span.outcome for span in spans} >= {"done"}
    arrived = sum(span.bits for span in spans if span.outcome == "done")
    assert federation.context.traffic.received_down == arrived
    lost = sum(span.bits for span in spans if span.outcome == "dropped")
    assert federation.context.traffic.lost_down == lost
    assert federation.context.traffic.sent_down <= arrived + lost


@pytest.mark.parametrize("key", ["rateless=true", "share=0.5"])
def test_what_is_of_broadcasts_needs_them(tmp_path, key):
    setting = f"cells.0.downlink.{key}"
    with pytest.raises(ScenarioError, match="is of broadcasts, and `broadcast` is false"):
        outcome(tmp_path, setting, "cells.0.downlink.broadcast=false")
