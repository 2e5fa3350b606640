"""Wi-Fi: Bianchi's throughput against a play of slots, equal turns, rates of frames, wires."""

import re

import numpy as np
import pytest

from tests.fixtures.runs import outcome, scenario
from wfl_sim.config.errors import LocatedError, ScenarioError
from wfl_sim.radio.cell import CellConfig
from wfl_sim.radio.wifi import Wifi, attempts
from wfl_sim.simulation.scenario_remarks import modem_remarks, wifi_remarks
from wfl_sim.simulation.simulation import Simulation

CELL = (
    "cells=[{carrier: 5.2 GHz, bandwidth: 20 MHz, "
    "channel: {pathloss: {kind: inh, condition: nlos}, fading: static, shadowing: {sigma: 0 dB}}, "
    "downlink: {power: 20 dBm}, backhaul: {latency: 0 s}, %s}]"
)
NEAR = ["devices.*.area={radius: 8 m, min_distance: 7 m}", "devices.*.power=20 dBm"]


def play(count, wifi, seconds, slots, rng):
    """Play DCF slot by slot: mean s for each success, and successes by station."""
    difs = wifi.sifs + 2 * wifi.slot
    stage, won = np.zeros(count, int), np.zeros(count, int)
    left = rng.integers(0, wifi.window, count)
    clock = 0.0
    for _ in range(slots):
        sends = np.flatnonzero(left == 0)
        left -= 1
        if not sends.size:
            clock += wifi.slot
            continue
        alone = sends.size == 1
        clock += seconds[sends].max() + difs + alone * (wifi.sifs + wifi.acknowledgement)
        won[sends] += alone
        stage[sends] = 0 if alone else np.minimum(stage[sends] + 1, wifi.stages)
        left[sends] = rng.integers(0, wifi.window * 2 ** stage[sends])
    return clock / won.sum(), won


@pytest.mark.parametrize("count", [1, 3, 10])
def test_throughput_is_that_of_contending_stations(count):
    """Bianchi 2000, equations 7 to 13, on stations of two lengths of frames; equal turns."""
    wifi = Wifi()
    seconds = np.where(np.arange(count) % 2, 3e-3, 0.6e-3)
    spent, won = play(count, wifi, seconds, 25_000, np.random.default_rng(count))
    assert wifi.cycle(seconds)[0] == pytest.approx(spent, rel=0.06)
    assert won.min() > 0.6 * won.mean()


def test_the_chain_has_its_closed_form():
    assert attempts(1, 16, 6) == pytest.approx((2 / 17, 0.0))
    for count in (2, 7, 40):
        tau, p = attempts(count, 32, 5)
        expected = 2 * (1 - 2 * p) / ((1 - 2 * p) * 33 + p * 32 * (1 - (2 * p) ** 5))
        assert tau == pytest.approx(expected, rel=1e-9)
        assert p == pytest.approx(1 - (1 - tau) ** (count - 1), rel=1e-9)


def test_rates_and_aggregates_are_those_of_the_standard():
    """MCS 0 and 11 on 20 MHz, 8.6 and 143.4 Mbit/s; MCS 9 on 160 MHz 960.8 Mbit/s."""
    wifi = Wifi(frames=1)
    for scheme, width, rate in ((0, 20e6, 8.603e6), (11, 20e6, 143.38e6), (9, 160e6, 960.8e6)):
        bits, seconds = wifi.air(np.array([scheme]), width)
        assert bits[0] == 12_000
        assert 12_384 / (seconds[0] - wifi.preamble) == pytest.approx(rate, rel=1e-3)
    many = Wifi()
    bits, seconds = many.air(np.array([0, 11]), 20e6)
    assert bits.tolist() == [3 * 12_000, 32 * 12_000]
    assert seconds.max() <= 5.484e-3
    watts = np.array([10 ** ((dbm - 30) / 10) for dbm in (-82.1, -81.9, -64.9, -40.0)])
    assert many.scheme(watts, 20e6).tolist() == [-1, 0, 6, 11]
    assert many.scheme(watts, 40e6).tolist() == [-1, -1, 4, 11]


def test_uploads_take_what_the_cycle_says(tmp_path):
    """Four equal stations at MCS 11: each transfer has a quarter of the successes."""
    result = outcome(
        tmp_path,
        CELL % "wifi: {}",
        "rounds.count=1",
        "devices.1.count=1",
        "devices.1.hardware=jetson-orin-nano",
        "rounds.clients=5",
        *NEAR,
    )
    wifi = Wifi()
    bits, seconds = wifi.air(np.array([11]), 20e6)
    spent = wifi.cycle(np.full(5, seconds[0]))[0]
    uploads = [s for s in result.spans if s.activity == "upload"]
    assert len(uploads) == 5
    for span in uploads:
        assert span.mean_rate == pytest.approx(bits[0] / (5 * spent), rel=1e-6)
    down = [s for s in result.spans if s.activity == "download"]
    assert down[0].mean_rate == pytest.approx(wifi.alone(1e-7, 20e6), rel=1e-6)
    # A fifth of the tries of a station fill its part of the air.
    tries = wifi.cycle(np.full(5, seconds[0]))[1]
    assert 0.15 < tries * seconds[0] / spent < 0.25


def test_each_receiver_has_its_own_noise_figure(tmp_path):
    def sinr_db(*figures):
        found = outcome(tmp_path, CELL % "wifi: {}", "rounds.count=1", *NEAR, *figures).spans
        return {s.activity: s.mean_sinr_db for s in found if s.mean_sinr_db is not None}

    usual = sinr_db()
    loud = sinr_db("cells.0.uplink.noise_figure=8 dB", "cells.0.downlink.noise_figure=11 dB")
    assert usual["upload"] - loud["upload"] == pytest.approx(3)
    assert usual["download"] - loud["download"] == pytest.approx(4)


def test_access_points_on_one_carrier_are_said_not_to_hear_one_another(tmp_path):
    one = "{carrier: 5.2 GHz, bandwidth: 20 MHz, wifi: {}, position: [%s, 0]}"
    two = scenario(tmp_path, f"cells=[{one % 0}, {one % 60}]")
    assert [path for path, _ in wifi_remarks(two)] == [("cells", 0, "wifi"), ("cells", 1, "wifi")]
    apart = scenario(tmp_path, f"cells=[{one % 0}, {(one % 60).replace('5.2', '5.3')}]")
    assert [*wifi_remarks(apart)] == []


def test_a_modem_of_nr_over_wifi_is_said(tmp_path):
    modem = "devices.0.modem=3 mW"
    (said,) = modem_remarks(scenario(tmp_path, CELL % "wifi: {}", modem))
    assert said[0] == ("devices", 0, "modem")
    assert [*modem_remarks(scenario(tmp_path, modem))] == []


def test_a_slow_station_slows_all():
    """The anomaly of equal turns (Heusse et al. 2003): the mean frame sets the rate of all."""
    wifi = Wifi(frames=1)
    bits, seconds = wifi.air(np.array([11, 0]), 20e6)
    fast, mixed = wifi.cycle(seconds[[0, 0]])[0], wifi.cycle(seconds)[0]
    alone = wifi.cycle(seconds[[1, 1]])[0]
    assert fast < mixed < alone
    assert bits[0] == bits[1]
    assert mixed / fast > 3


def test_wires_have_their_rate_and_radiate_nothing(tmp_path):
    result = outcome(
        tmp_path, CELL % "wired: 100 Mbit/s", "rounds.count=1", "record={radio: 1 ms}", *NEAR
    )
    for activity in ("upload", "download"):
        rates = {s.mean_rate for s in result.spans if s.activity == activity}
        assert list(rates) == pytest.approx([100e6] * len(rates))
    assert result.totals["joules"]["transmit"] == result.totals["joules"]["receive"] == 0


def test_a_wire_needs_no_distance_that_a_path_loss_allows(tmp_path):
    """UMa, the default, begins at 10 m."""
    near = "devices.*.area={radius: 5 m, min_distance: 1 m}"
    result = outcome(tmp_path, "cells=[{wired: 100 Mbit/s}]", "rounds.count=1", near)
    assert any(s.activity == "upload" for s in result.spans)


def test_an_access_point_has_the_power_of_one_unless_another_is_given():
    assert CellConfig(wifi=Wifi()).downlink.power == pytest.approx(0.1)
    assert CellConfig().downlink.power == pytest.approx(10**1.6)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("wifi: {}, wired: 1 Mbit/s", "wired: is given beside `wifi`"),
        ("wifi: {}, tdd: {pattern: DDDSU}", "tdd: that is of NR"),
        ("wifi: {}, ideal_blocks: 4, bandwidth: 30 MHz", "bandwidth: of Wi-Fi must be one of 20,"),
        ("wifi: {}, downlink: {power: 40 dBm}", "power: of an access point is at most 36 dBm"),
        ("wifi: {}, carrier: 60 GHz", "carrier: of Wi-Fi (IEEE 802.11ax)"),
        (
            "wifi: {}, carrier: 2.44 GHz, bandwidth: 80 MHz",
            "bandwidth: of Wi-Fi at 2.4 GHz must be 20 or 40 MHz",
        ),
        ("wifi: {window: 1}", "wifi.window: must be at least 2, got 1"),
        ("wifi: {stages: 1000000}", "wifi.stages: must be at most 16, got 1000000"),
        ("wifi: {slot: 1 s}", "wifi.slot: must be at most 0.005 s, got 1 s"),
        ("transport: {segment: 1 bit}", "transport.segment: must be at least 512 bit, got 1 bit"),
        ("wired: 1 Mbit/s, uplink: {loss: waterfall}", "uplink.loss: that is of NR"),
        ("wired: 1 Mbit/s, station: earth", "station: is the power of a radio"),
    ],
)
def test_what_wifi_has_not_is_refused(tmp_path, keys, message):
    kept = "bandwidth: 20 MHz, " if "bandwidth" not in keys else ""
    kept += "carrier: 5.2 GHz, " if "carrier" not in keys else ""
    text = f"cells=[{{{kept}{keys}}}]"
    with pytest.raises((ScenarioError, LocatedError), match=re.escape(message)):
        scenario(tmp_path, text)


def test_who_is_too_far_is_said(tmp_path):
    far = ["devices.*.area={radius: 150 m, min_distance: 140 m}", "cells.0.channel.pathloss=umi"]
    with pytest.raises(LocatedError, match="below what MCS 0 of Wi-Fi needs"):
        Simulation(scenario(tmp_path, CELL % "wifi: {}", *far), network_only=True)
