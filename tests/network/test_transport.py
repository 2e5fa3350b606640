"""Slow start and handshakes against their closed form on links of constant rate."""

import numpy as np
import pytest
import simpy

from tests.fixtures.runs import outcome, scenario
from tests.radio.test_ofdma import BLOCK, BLOCKS, NOISE, make_band
from tests.simulation.test_simulation import check_laws
from wfl_sim.network.carriers.backhaul import WiredLinks
from wfl_sim.network.carriers.carrier import Carrier
from wfl_sim.network.carriers.transfer import TransferRequest, Window
from wfl_sim.radio.procedures.transport import Transport
from wfl_sim.simulation.scenario_remarks import window_remarks

RATE, RTT, FIRST = 50e6, 0.04, 116_800.0


def seconds(bits, rate=RATE, largest=np.inf, first=FIRST):
    """k round trips, as long as a window ends before its acknowledgements, and the rest."""
    trips, window = 0, first
    while bits > window and window / rate < RTT:
        bits, window, trips = bits - window, min(2 * window, largest), trips + 1
    return trips * RTT + bits / rate


def carrier(env, medium=None):
    return Carrier(env, "link", medium or WiredLinks([[0], [0]], [RATE]))


def request(bits, link=0, first=FIRST, largest=np.inf, **more):
    return TransferRequest((link,), bits, window=Window(first, RTT, largest), **more)


@pytest.mark.parametrize("windows", [0.5, 1.0, 1.01, 2.9, 3.0, 7.5, 15, 16, 31, 40, 200.0])
def test_a_transfer_takes_its_round_trips_and_the_rest_at_the_rate(windows):
    """The pipe of 2 Mbit is full with the sixth window, which has 32 of the first."""
    env = simpy.Environment()
    sent = carrier(env).send(request(windows * FIRST))
    env.run(sent.done)
    assert sent.end == pytest.approx(seconds(windows * FIRST), rel=1e-12)


def test_a_request_may_be_sent_again():
    """Its window is the first one, whatever became of it before."""
    env, asked = simpy.Environment(), request(7.5 * FIRST)
    wire = carrier(env)
    for _ in range(2):
        sent = wire.send(asked)
        env.run(sent.done)
        assert sent.end - sent.start == pytest.approx(seconds(7.5 * FIRST), rel=1e-12)


def test_a_bound_of_the_window_is_a_bound_of_the_rate():
    env = simpy.Environment()
    sent = carrier(env).send(request(100 * FIRST, largest=4 * FIRST))
    env.run(sent.done)
    assert sent.end == pytest.approx(seconds(100 * FIRST, largest=4 * FIRST), rel=1e-12)
    assert sent.mean_rate < 4 * FIRST / RTT


def test_others_have_the_link_while_a_window_waits():
    """Half of the link for the first window, all until 40 ms, half again for the second window."""
    env = simpy.Environment()
    link = carrier(env)
    slow, other = link.send(request(3 * FIRST)), link.send(TransferRequest((1,), 3e6))
    env.run(env.all_of([slow.done, other.done]))
    assert slow.end == pytest.approx(RTT + 4 * FIRST / RATE, rel=1e-12)
    assert other.end == pytest.approx((3e6 + 3 * FIRST) / RATE, rel=1e-12)


def test_power_is_radiated_in_windows_alone_and_reported():
    env, reports = simpy.Environment(), []
    sent = carrier(env, make_band([1e-11])).send(
        request(3 * FIRST, on_power=lambda watts, duty: reports.append((env.now, watts)))
    )
    env.run(sent.done)
    rate = BLOCKS * BLOCK * np.log2(1 + 0.2 / BLOCKS * 1e-11 / (NOISE * BLOCK))
    assert sent.radiated == pytest.approx(0.2 * 3 * FIRST / rate)
    assert sent.end == pytest.approx(RTT + 2 * FIRST / rate)
    times, watts = zip(*reports, strict=True)
    assert watts == pytest.approx([0.2, 0.0, 0.2])
    assert times == pytest.approx([0.0, FIRST / rate, RTT])


@pytest.mark.parametrize("when", [0.001, 0.02, 0.041])
def test_a_link_may_leave_while_its_window_waits(when):
    env = simpy.Environment()
    link = carrier(env)
    sent = link.send(request(30 * FIRST))
    env.run(when)
    arrived = link.leave(sent, 0)
    env.run(1.0)
    expected = min(when * RATE, FIRST) + max((when - RTT) * RATE, 0.0)
    assert arrived.value == pytest.approx(expected, rel=1e-9)
    assert link.left(sent) >= 0.0
    again = link.send(TransferRequest((0,), 1e6))
    env.run(again.done)
    assert again.end == pytest.approx(1.0 + 1e6 / RATE)


def test_the_end_of_a_run_counts_what_has_arrived():
    env = simpy.Environment()
    link = carrier(env)
    sent = link.send(request(30 * FIRST))
    env.run(0.03)
    assert link.finish() == [(sent, pytest.approx(29 * FIRST))]


WIRED = "cells=[{wired: 50 Mbit/s, transport: {TRANSPORT}}]"
ONE = "devices.0.count=1", "devices.1.count=1", "rounds.clients=1", "rounds.count=2"


def uploads(tmp_path, transport, *more):
    result = outcome(tmp_path, WIRED.replace("TRANSPORT", transport), *ONE, *more)
    check_laws(result)
    return [span for span in result.spans if span.activity == "upload"]


@pytest.mark.parametrize(("transport", "trips"), [("", 2), ("kind: quic", 1), ("handshake: 0", 0)])
def test_a_round_begins_with_a_handshake_and_slow_start(tmp_path, transport, trips):
    """The download of a round makes the connection, so an upload has its window alone."""
    first = uploads(tmp_path, transport)[0]
    assert first.end - first.start == pytest.approx(seconds(2e6), rel=1e-9)
    apart = uploads(tmp_path, f"{transport}{', ' if transport else ''}idle: 0 s")[0]
    assert apart.end - apart.start == pytest.approx(trips * RTT + seconds(2e6), rel=1e-9)


@pytest.mark.parametrize("windows", [1, 3, 4])
def test_a_window_counts_segments_and_not_their_headers(tmp_path, windows):
    """Ten segments are one window, however many bits their headers have on the air."""
    wire = "cells=[{wired: 50 Mbit/s, transport: {handshake: 0}, uplink: {header: 25 %}}]"
    asked = f"model.payload={int(windows * FIRST)} bit"
    spans = outcome(tmp_path, wire, *ONE, asked, "rounds.count=1").spans
    (sent,) = (span for span in spans if span.activity == "upload")
    expected = seconds(1.25 * windows * FIRST, first=1.25 * FIRST)
    assert sent.end - sent.start == pytest.approx(expected, rel=1e-9)


def test_a_window_is_kept_for_a_while(tmp_path):
    """Within `restart` the next upload begins with the window that the last one had."""
    spans = uploads(tmp_path, "restart: 1 h", "rounds.clients=2", "rounds.count=3")
    by_actor = {}
    for span in spans:
        by_actor.setdefault(span.actor, []).append(span)
    alone = [each for each in by_actor.values() if len(each) > 1]
    assert alone
    for first, second, *_ in alone:
        assert second.end - second.start < first.end - first.start


def test_without_transport_nothing_changes_and_broadcasts_have_none(tmp_path):
    plain = outcome(tmp_path, *ONE)
    none = outcome(tmp_path, *ONE, "cells.0.transport=null")
    assert [span.end for span in plain.spans] == [span.end for span in none.spans]
    radio = outcome(tmp_path, "cells.0.transport={}")
    check_laws(radio)
    down = [span for span in radio.spans if span.activity == "download"]
    all_at_once = [span for span in outcome(tmp_path).spans if span.activity == "download"]
    assert down[0].end == pytest.approx(all_at_once[0].end)


def test_a_window_below_the_first_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"largest_window: must be at least the initial window"):
        scenario(tmp_path, "cells.0.transport={largest_window: 1 kB}")
    assert Transport(kind="quic").round_trips == 1


def test_who_plans_by_what_is_left_is_said_beside_windows(tmp_path):
    windows, energy = "cells.0.transport={}", "{kind: minimum-energy, within: 3 s}"
    planned = f"cells.0.uplink.allocator={energy}"
    ((path, line),) = window_remarks(scenario(tmp_path, windows, planned))
    assert path == ("cells", 0, "transport")
    assert line.startswith("minimum-energy plans with the bits of the present window")
    assert [*window_remarks(scenario(tmp_path, planned))] == []
    assert [*window_remarks(scenario(tmp_path, windows))] == []
