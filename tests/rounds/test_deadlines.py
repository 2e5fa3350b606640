"""Deadlines that a rounds policy sets reach the allocators."""

import pytest

from tests.fixtures.runs import BASE, scenario
from wfl_sim.execution.plan import NetworkOnly
from wfl_sim.simulation.build import build_federation
from wfl_sim.simulation.simulation import Simulation

ALIKE = BASE[: BASE.index("devices:")] + "devices: [{count: 4, hardware: jetson-orin-nano}]\n"
NLOS = "{kind: uma, condition: nlos}"
STILL = f"cells.0.channel={{pathloss: {NLOS}, fading: static, shadowing: {{sigma: 0 dB}}}}"


LEAN = "devices.0.hardware={base: jetson-orin-nano, transmit_circuit_power: 0 W}"


def uploads(tmp_path, allocator, deadlines, *more):
    """Upload spans of one round in which device i has deadlines[i]."""
    settings = (f"cells.0.uplink.allocator={allocator}", STILL, *more)
    ready = Simulation(scenario(tmp_path, *settings, text=ALIKE), network_only=True)
    federation = build_federation(
        ready.scenario, ready.placement, ready.workloads, NetworkOnly(ready.learner)
    )
    deliveries = federation.server.send_out(federation.devices, 0)
    parts = [
        device.participate(0, deliveries[device.index], deadline=deadlines[device.index])
        for device in federation.devices
    ]
    federation.env.run(federation.env.all_of(parts))
    spans = [span for span in federation.context.spans if span.activity == "upload"]
    return {int(span.actor.removeprefix("device-")): span for span in spans}


def test_earliest_deadline_serves_in_the_order_of_the_deadlines(tmp_path):
    for deadlines in ([4.0, 2.0, 3.0, 1.0], [1.0, 3.0, 4.0, 2.0]):
        spans = uploads(tmp_path, "earliest-deadline", deadlines)
        ends = [spans[device].end for device in range(4)]
        assert sorted(range(4), key=ends.__getitem__) == sorted(range(4), key=deadlines.__getitem__)


def test_minimum_energy_takes_the_time_that_the_deadline_leaves(tmp_path):
    """On a static channel all end with the deadline; more time means less power on the air."""
    allocator = "{kind: minimum-energy, within: 60 s, reserve: 0}"
    soon, late = (uploads(tmp_path, allocator, [end] * 4, LEAN) for end in (3.0, 6.0))
    for spans, end in ((soon, 3.0), (late, 6.0)):
        assert [spans[i].end for i in range(4)] == pytest.approx([end] * 4, rel=1e-3)
    assert all(late[i].mean_sinr_db < soon[i].mean_sinr_db - 3 for i in range(4))


def test_what_is_kept_in_reserve_is_left_at_the_end(tmp_path):
    """A share of what is left would be nothing at the deadline, and uploads late by a wire."""
    allocator = "{kind: minimum-energy, within: 60 s, reserve: 0.25}"
    spans = uploads(tmp_path, allocator, [6.0] * 4, LEAN)
    for span in spans.values():
        assert 6.0 - span.end == pytest.approx(0.25 * (6.0 - span.start), rel=1e-2)


def test_with_circuits_that_draw_nobody_waits_for_the_deadline(tmp_path):
    allocator = "{kind: minimum-energy, within: 60 s, reserve: 0}"
    spans = uploads(tmp_path, allocator, [6.0] * 4)
    assert max(span.end for span in spans.values()) < 3.0
