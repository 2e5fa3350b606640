"""Closed-loop power control against its steps on static links."""

import numpy as np
import pytest
import simpy

import channel_models as cm
from tests.fixtures.runs import outcome
from tests.simulation.test_simulation import check_laws
from wfl_sim.network.carriers.band import band
from wfl_sim.radio.power.power_control import ClosedLoop

NOISE = cm.thermal_noise_density() * 360e3


def channel(gains, sinr="10 dB", target=-90, **uplink):
    env = simpy.Environment()
    control = {"target": f"{target} dBm", "alpha": 0, "closed": {"sinr": sinr}}
    uplink |= {"rate": "shannon", "overhead": 0, "noise_figure": 0, "power_control": control}
    made = band(
        "3.6 MHz",
        env=env,
        gains=gains,
        allocator="equal",
        channel={"fading": "static"},
        ideal_blocks=10,
        speed=0,
        uplink=uplink,
    )
    return env, made


def send(gain, bits, **settings):
    env, made = channel([gain], **settings)
    sent = made.send(0, bits)
    env.run(sent.done)
    return sent


def test_commands_are_those_of_the_table():
    """-1, 0, 1 and 3 dB (TS 38.213 Table 7.1.1-1), the nearest to what is missing."""
    loop = ClosedLoop(sinr=10.0)
    missing = [-5.0, -0.6, -0.4, 0.4, 0.6, 1.9, 2.1, 30.0]
    commands = [loop.command(10.0 - each) for each in missing]
    assert commands == [-1.0, -1.0, 0.0, 0.0, 1.0, 1.0, 3.0, 3.0]


@pytest.mark.parametrize(
    ("start", "steps"),
    [(2.0, [3, 3, 1, 1]), (9.7, []), (12.2, [-1, -1]), (8.4, [1, 1]), (-20.2, [3] * 10)],
)
def test_a_static_link_follows_its_commands_to_the_target(start, steps):
    """The time of a transfer is that of the SINR after 0, 1, 2, ... commands, 20 ms apart."""
    gain = 1e-11
    open_loop = 10 * np.log10(10 ** (start / 10) * NOISE / gain / 2) + 30
    bits = 12e6
    sent = send(gain, bits, target=open_loop)
    levels = start + np.cumsum([0, *steps])
    assert abs(levels[-1] - 10) <= 0.5 + 1e-9
    rates = 3.6e6 * np.log2(1 + 10 ** (levels / 10))
    before = 0.02 * rates[:-1].sum()
    expected = 0.02 * len(steps) + (bits - before) / rates[-1]
    assert sent.end == pytest.approx(expected, rel=1e-6)
    watts = 10 * 10 ** (levels / 10) * NOISE / gain
    joules = 0.02 * watts[:-1].sum() + watts[-1] * (expected - 0.02 * len(steps))
    assert sent.radiated == pytest.approx(joules, rel=1e-6)


WEAK = 10 * NOISE / 10**-0.7 * 10**0.55
"""Gain that gives 5.5 dB on ten blocks at full power."""


def test_a_device_that_lacks_power_sits_at_its_limit():
    sent = send(WEAK, 40e6, target=12)
    assert sent.radiated == pytest.approx(10**-0.7 * sent.end, rel=1e-9)
    assert sent.mean_sinr_db == pytest.approx(5.5)
    less = send(WEAK, 40e6, target=12, power_reduction={})
    assert less.radiated == pytest.approx(10**-1.0 * less.end, rel=1e-9)


def test_commands_up_do_not_accumulate_at_the_limit():
    """After a second at the limit on ten blocks, the power on two is still that of f = 0 dB."""
    env, made = channel([WEAK] * 5, target=14)
    made.send(0, 1e9)
    env.run(1.0)
    for link in range(1, 5):
        made.send(link, 1e9)
    env.run(1.01)
    heard = made.access.carriers[0]["uplink"].carrier.on_air(range(1))
    (_, sinr_db, watts, _) = heard[0]
    assert watts == pytest.approx(2 * 2 * 10**-1.6)
    assert sinr_db == pytest.approx(5.5 + 10 * np.log10(2 * 10**-1.6 / 10**-1.7))


def test_interference_of_another_cell_is_answered(tmp_path):
    """Two cells whose devices disturb each other: with commands the SINR is near its target."""
    cell = "channel: {pathloss: macro, fading: static, shadowing: {kind: log-normal, sigma: 0}}"
    cells = "cells=[{{CELL, uplink: {{UP}}}}, {{position: [700 m, 0 m], CELL, uplink: {{UP}}}}]"
    loop = "power_control: {target: -100 dBm, alpha: 0.8, closed: {sinr: 6 dB}}, rate: shannon"
    text = cells.format().replace("CELL", cell)
    settings = "model.payload=10 Mbit", "rounds.count=1", "devices.1.count=2"

    def error(control):
        result = outcome(tmp_path, text.replace("UP", control), *settings)
        check_laws(result)
        spans = [each for each in result.spans if each.activity == "upload"]
        return max(abs(each.mean_sinr_db - 6) for each in spans)

    assert error(loop) < 1.5
    assert error(loop.replace(", closed: {sinr: 6 dB}", "")) > 3
