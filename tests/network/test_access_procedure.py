"""Access: requests, DRX, paging and random access against their closed forms."""

import numpy as np
import pytest
import simpy

from tests.fixtures.runs import outcome
from wfl_sim.network.carriers.access_procedure import AccessProcedure
from wfl_sim.radio.procedures.access import Access
from wfl_sim.randomness import stream

CELL = "cells=[{bandwidth: 10 MHz, channel: {pathloss: macro, shadowing: {sigma: 6 dB}}%s}]"


def procedure(**keys):
    env = simpy.Environment()
    return env, AccessProcedure(env, Access(**keys), lambda device: stream(0, "test", device))


def seconds(env, process):
    start = env.now
    env.run(env.process(process))
    return env.now - start


def test_a_connected_upload_waits_for_request_report_and_grant():
    """Uniform over the request period, then two grants: 5 ms + 2 x 2 ms on average."""
    env, cell = procedure()
    found = []
    for device in range(400):
        cell.note([device], True)
        cell.note([device], False)
        found.append(seconds(env, cell.wait("uplink", [device])))
    assert min(found) >= 4e-3
    assert max(found) <= 14e-3
    assert np.mean(found) == pytest.approx(9e-3, abs=3 * 10e-3 / 12**0.5 / 20)
    cell.note([0], True)  # a buffer that is being served needs no request
    assert seconds(env, cell.wait("uplink", [0])) == pytest.approx(2e-3)


def test_a_device_is_idle_after_inactivity_and_accesses_at_random():
    """The next occasion, response, third message, setup, and the two grants of data."""
    env, cell = procedure(inactivity=1.0)
    assert seconds(env, cell.wait("uplink", [7])) == pytest.approx(4e-3 + 2e-3 + 10e-3 + 2e-3)
    cell.note([7], True)
    cell.note([7], False)
    end = env.now
    env.run(until=end + 1.0)
    assert seconds(env, cell.wait("uplink", [7])) < 14e-3 + 1e-9  # connected just yet
    cell.note([7], True)
    cell.note([7], False)
    env.run(until=env.now + 1.0005)
    occasion = np.ceil(env.now / 10e-3) * 10e-3 - env.now
    assert seconds(env, cell.wait("uplink", [7])) == pytest.approx(occasion + 18e-3)


def test_preambles_collide_as_often_as_they_should():
    """``1 - (1 - 1/M)^(n - 1)`` of the first tries of n devices, all of them ending in the end."""
    count, preambles, collided = 10, 16, 0
    for run in range(60):
        env = simpy.Environment()
        cell = AccessProcedure(
            env,
            Access(preambles=preambles, backoff=1.0),
            lambda device, run=run: stream(run, "test", device),
        )
        process = env.process(cell.wait("uplink", range(count)))
        env.run(until=5e-3)
        collided += cell.collisions
        env.run(process)
    expected = 1 - (1 - 1 / preambles) ** (count - 1)
    deviation = (expected * (1 - expected) / (60 * count)) ** 0.5
    assert collided / (60 * count) == pytest.approx(expected, abs=4 * deviation)


def test_one_preamble_needs_a_backoff_beyond_its_occasion():
    """Two devices would meet again in every one."""
    with pytest.raises(ValueError, match="longer than occasion_period"):
        Access(preambles=1, backoff=0.01)
    assert Access(preambles=1).backoff == 0.02


def test_downloads_wait_for_on_durations_and_for_paging():
    """After DRX sets in the mean wait is ``(T - on)^2 / (2 T)``; idle devices are paged first."""
    env, cell = procedure(drx_inactivity=0.1, drx_cycle=0.16, drx_on=0.01, inactivity=50.0)
    rng, found = np.random.default_rng(3), []
    for _ in range(1500):
        cell.note([1], True)
        cell.note([1], False)
        env.run(until=env.now + rng.uniform(0.1 + 1e-9, 0.1 + 10 * 0.16))
        found.append(seconds(env, cell.wait("downlink", [1])))
    assert np.mean(found) == pytest.approx(0.15**2 / 0.32, abs=3 * 0.05 / 1500**0.5)
    cell.note([1], True)
    cell.note([1], False)
    env.run(until=env.now + 0.05)
    assert seconds(env, cell.wait("downlink", [1])) == 0.0
    paged = [seconds(env, cell.wait("downlink", [device])) for device in range(10, 310)]
    others = 5e-3 + 4e-3 + 2e-3 + 10e-3  # half an occasion period on average
    assert np.mean(paged) - others == pytest.approx(0.64, abs=3 * 0.37 / 300**0.5)


def test_rounds_wait_for_access_and_without_it_nothing_changes(tmp_path):
    plain = outcome(tmp_path, CELL % "", "rounds.count=2")
    with_access = outcome(tmp_path, CELL % ", access: {}", "rounds.count=2")
    assert with_access.totals["bits"] == plain.totals["bits"]
    first = [next(s for s in r.spans if s.activity == "download") for r in (plain, with_access)]
    waited = first[1].start - first[0].start
    assert 18e-3 < waited < 1.28 + 0.1  # paging of the slowest of four, random access, setup
    ends = [r.totals["simulated_seconds"] for r in (plain, with_access)]
    assert ends[1] > ends[0] + waited
