"""A band in a SimPy model: closed forms, the same bits as in a scenario, and clear refusals."""

import math
import subprocess
import sys

import numpy as np
import pytest
import simpy

import channel_models as cm
import wfl_sim
from tests.fixtures.runs import scenario
from wfl_sim.config.errors import ScenarioError
from wfl_sim.simulation.simulation import Simulation

STATIC = {"fading": "static", "shadowing": {"kind": "log-normal", "sigma": 0.0}}


def ends(band, env, sent):
    transfers = [band.send(link, bits) for link, bits in sent]
    env.run(simpy.AllOf(env, [each.done for each in transfers]))
    return [each.end for each in transfers]


def capacity(bandwidth, gain, watts, noise_figure):
    noise = cm.thermal_noise_density() * float(cm.db_to_linear(noise_figure))
    return bandwidth * math.log2(1 + watts * gain / (noise * bandwidth))


def test_a_transfer_alone_has_the_rate_of_shannon():
    """One link on all 51 blocks of 360 kHz less 8 % and the prefix, and two that share them."""
    env = simpy.Environment()
    uplink = {"rate": "shannon"}
    band = wfl_sim.band("20 MHz", env=env, gains=[1e-10], channel=STATIC, uplink=uplink, power=0.2)
    (end,) = ends(band, env, [(0, "10 Mbit")])
    rate = 0.92 * 14 / 15 * capacity(51 * 360e3, 1e-10, 0.2, 5.0)
    assert end == pytest.approx(10e6 / rate, rel=1e-6)

    env = simpy.Environment()
    band = wfl_sim.band(
        "20 MHz",
        env=env,
        gains=[1e-10, 1e-10],
        channel=STATIC,
        uplink=uplink,
        power=0.2,
        allocator="equal",
    )
    half = 0.92 * 14 / 15 * capacity(51 * 180e3, 1e-10, 0.2, 5.0)
    assert ends(band, env, [(0, 5e6), (1, 5e6)]) == pytest.approx([5e6 / half] * 2, rel=1e-6)


class Second:
    """The whole band to the transfer that began last; an object without a name."""

    def shares(self, demands):
        last = np.arange(len(demands.bits_left)) == len(demands.bits_left) - 1
        return demands.flat(last.astype(float))


def test_an_allocator_of_ones_own_decides():
    env = simpy.Environment()
    band = wfl_sim.band(
        "5 MHz",
        env=env,
        distances=["50 m", 60],
        allocator=Second(),
        channel={"pathloss": "macro"},
        speed=1.0,
    )
    first, second = ends(band, env, [(0, 1e6), (1, 1e6)])
    assert second < first
    assert repr(band) == "Band(uplink, 2 links)"


def test_the_band_has_the_channel_of_a_scenario_with_the_same_seed(tmp_path):
    one = scenario(
        tmp_path,
        "rounds={kind: synchronous, count: 1, clients: 1}",
        "devices=[{count: 1, hardware: jetson-orin-nano, area: {radius: 300 m}, speed: 3 km/h}]",
    )
    simulation = Simulation(one, network_only=True)
    (upload,) = (each for each in simulation.run().spans if each.activity == "upload")
    env = simpy.Environment(initial_time=upload.start)
    band = wfl_sim.band(
        "10 MHz",
        env=env,
        gains=simulation.placement.gains[0],
        channel={"pathloss": "macro", "fading": one.cells[0].channel.fading},
        power=one.devices[0].power,
        speed="3 km/h",
        seed=one.seed,
    )
    assert ends(band, env, [(0, upload.bits)]) == [upload.end]


def test_a_link_that_moves_away_is_slower_from_then_on():
    times = []
    for gain in (1e-10, 1e-12):
        env = simpy.Environment()
        band = wfl_sim.band("20 MHz", env=env, gains=[1e-10], channel=STATIC)
        transfer = band.send(0, 1e6)
        env.run(0.001)
        band.move(0, gain)
        env.run(transfer.done)
        times.append(transfer.end)
    assert times[0] < times[1]


def test_one_payload_to_several_takes_as_long_as_to_the_worst():
    def lasts(links):
        env = simpy.Environment()
        band = wfl_sim.band(
            "20 MHz", env=env, gains=[1e-10, 1e-13], channel=STATIC, direction="downlink"
        )
        return ends(band, env, [(links, "1 MB")])[0]

    assert lasts(0) < lasts(1) == pytest.approx(lasts([0, 1]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bandwidth": "20 dBm"}, r"^cell\.bandwidth: .*'20 dBm'"),
        ({"allocator": "max-co"}, r"^cell\.uplink\.allocator: unknown allocator 'max-co', did you"),
        ({"distances": [], "gains": []}, "^distances: give them, or gains, for at least one link"),
        ({"gains": [1e-9]}, "^distances: give them, or gains, for at least one link, not both"),
        ({"distances": ["5 m"]}, "^distances: distance must be at least 10 m for UMa, got 5 m"),
        ({"direction": "up"}, "^direction: must be 'uplink' or 'downlink', got 'up'"),
        ({"power": "3 m"}, "^power: "),
        ({"env": None}, "^env: must be a simpy.Environment, got nothing"),
        ({"seed": 1.5}, "^seed: must be an integer, got 1.5"),
        ({"distances": 5}, "^distances: must be a list, got 5"),
        ({"distances": [], "gains": [-90.0]}, r"^gains\.0: must be greater than 0, got -90"),
        ({"distances": [], "gains": [90.0]}, r"^gains\.0: must be at most 1, got 90"),
        ({"allocator": Second}, "^allocator: must be a name, a mapping with `kind` or an object"),
        ({"allocator": 5}, "^allocator: must be a name, a mapping with `kind` or an object"),
        ({"uplink": "x", "allocator": "equal"}, r"^cell\.uplink: unknown key 'kind'"),
        ({"carier": 1e9}, r"^cell\.carier: unknown key 'carier', did you mean 'carrier'"),
        ({"traffic": [{"interval": "1 s"}]}, "^traffic: has no part in a band"),
        ({"access": {}}, "^access: has no part in a band"),
    ],
)
def test_what_is_wrong_is_said(change, message):
    given = {"bandwidth": "20 MHz", "distances": [100.0], "env": simpy.Environment(), **change}
    with pytest.raises(ScenarioError, match=message):
        wfl_sim.band(given.pop("bandwidth"), **given)


def test_no_such_link_is_refused():
    band = wfl_sim.band("20 MHz", env=simpy.Environment(), gains=[1e-10], channel=STATIC)
    with pytest.raises(ValueError, match="link must be from 0 to 0, got 1"):
        band.send(1, 1e6)
    with pytest.raises(ValueError, match="link must be from 0 to 0, got 1"):
        band.move(1, 1e-10)
    for link in (-1, 0.5, True, "a"):
        with pytest.raises(ValueError, match="link must be from 0 to 0, got "):
            band.block_gains(link)
    assert band.send(np.int64(0), 1e6).links == (0,)


@pytest.mark.parametrize(
    ("links", "options", "message"),
    [
        ([0, 1], {}, r"^an uplink transfer has one sender, got the links \[0, 1\]"),
        (0, {"weight": -1.0}, "^weight must be a number of at least 0, got -1.0"),
        (0, {"weight": math.nan}, "^weight must be a number of at least 0, got nan"),
        (0, {"deadline": math.nan}, "^must be a number of s, got NaN"),
    ],
)
def test_transfers_that_cannot_be_are_refused(links, options, message):
    band = wfl_sim.band("20 MHz", env=simpy.Environment(), gains=[1e-10] * 2, channel=STATIC)
    with pytest.raises(ValueError, match=message):
        band.send(links, 1e6, **options)


@pytest.mark.parametrize("gain", [0.0, -1.0, 2.0, math.nan, math.inf])
def test_a_gain_that_no_link_has_is_refused(gain):
    band = wfl_sim.band("20 MHz", env=simpy.Environment(), gains=[1e-10], channel=STATIC)
    with pytest.raises(ValueError, match="gain must be greater than 0 and at most 1"):
        band.move(0, gain)


def test_kinds_are_known_where_nothing_else_was_imported():
    code = (
        "import simpy, wfl_sim\n"
        "options = dict(env=simpy.Environment(), gains=[1e-10], channel={'fading': 'static'})\n"
        "print(wfl_sim.band('20 MHz', **options))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "Band(uplink, 1 links)\n"


def test_links_that_would_wait_for_ever_are_said(recwarn):
    wifi = {"wifi": {}, "carrier": "5.2 GHz", "speed": "3 km/h"}
    wfl_sim.band("20 MHz", env=simpy.Environment(), gains=[1e-9, 1e-12], **wifi)
    (warned,) = recwarn
    assert str(warned.message).startswith("band: link 1 is out of reach: -97 dBm on the uplink")
    assert warned.filename == __file__


def test_terminals_whose_speed_is_not_given_are_said_to_stand_still(recwarn):
    for given in ({"speed": 0}, {"channel": STATIC}, {"channel": {"fading": "block"}}, {}):
        assert not recwarn
        wfl_sim.band("20 MHz", env=simpy.Environment(), gains=[1e-10], **given)
    (warned,) = recwarn
    assert str(warned.message) == (
        "band: 0 m/s freezes the fading: each link keeps one draw; give `speed`"
    )
    assert warned.filename == __file__


def test_proportional_fair_is_equal_time_where_nothing_changes():
    """Sum of log rates is largest at equal time, also where some have equal gains and one has not.

    Downlink, since its power goes with the share; files end from the best link to the worst.
    """
    gains = [3e-9] + 5 * [1e-10] + 3 * [1e-11]
    found = {}
    for allocator in ("proportional-fair", "equal"):
        env = simpy.Environment()
        options = {"gains": gains, "channel": STATIC, "downlink": {"rate": "shannon"}}
        band = wfl_sim.band("20 MHz", env=env, direction="downlink", allocator=allocator, **options)
        found[allocator] = ends(band, env, [(link, 20e6) for link in range(len(gains))])
    assert found["proportional-fair"] == pytest.approx(found["equal"], rel=0.08)
