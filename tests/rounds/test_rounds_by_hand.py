"""Rounds over wires, whose seconds and bits follow by hand."""

from types import SimpleNamespace

import pytest
import simpy

from tests.fixtures.churn import Naming, check_device, check_laws, of, simulated
from tests.fixtures.runs import scenario
from wfl_sim.device_models import HardwareReference
from wfl_sim.network.federation.server import Server
from wfl_sim.rounds.selection.tifl import by_speed
from wfl_sim.simulation.build import build_federation
from wfl_sim.simulation.simulation import Simulation

WIRES = """
name: wires
seed: 1
model: {kind: synthetic, payload: 1 Mbit, flops_per_step: 1 GFLOP}
method: {kind: fedit, local: {steps: 1}}
rounds: {kind: synchronous, count: 1}
cells: [{wired: 1 Mbit/s, backhaul: {capacity: 1 Tbit/s, latency: 0 s}}]
devices:
  - count: 2
    hardware: {name: board, peak: 1e9, utilisation: 1, memory: 1e9, idle_power: 1, \
compute_power: 2, receive_power: 0.5, transmit_circuit_power: 0.5, amplifier_efficiency: 0.5, \
source: made up}
"""
"""A download takes 1 s, computing 1 s, an upload 1 s."""


def test_a_round_does_not_wait_for_an_upload_that_is_too_late_on_the_backhaul(tmp_path):
    """At 0.2 Mbit/s a device has received by 6 s, sent by 8 s, and its upload arrives at 13 s."""
    federation = simulated(
        tmp_path,
        "devices.0.count=1",
        "cells.0.backhaul.capacity=0.2 Mbit/s",
        "rounds={kind: deadline, count: 2, deadline: 9 s}",
        text=WIRES,
    )
    check_device(federation, federation.devices[0], federation.env.now)
    # The device is asked again while its first upload is under way, which arrives unheard.
    (asked,) = (s for s in of(federation, "device-0", "wait") if s.round == 1)
    assert asked.start == pytest.approx(9.0)
    assert federation.env.now == pytest.approx(18.0)
    assert federation.context.traffic.received_up == 1_000_000
    assert federation.context.traffic.under_way_up == 1_000_000
    assert federation.context.empty_aggregations == 2
    assert federation.devices[0].last_upload is None


def test_called_off_on_the_backhaul_a_device_is_free_at_that_moment(tmp_path):
    """Policies of one's own wait for what `cancel` returns."""
    ready = Simulation(
        scenario(tmp_path, "cells.0.backhaul.capacity=0.2 Mbit/s", text=WIRES), network_only=True
    )
    federation = ready.federation(Naming(ready.learner))
    env, device = federation.env, federation.devices[0]
    assert device.cancel() is None
    device.participate(0, federation.server.send_out([device], 0)[0])
    env.run(10.0)
    assert device.activity_log.activity == "backhaul"
    env.run(env.all_of([device.cancel()]))
    assert env.now == 10.0
    assert device.available
    assert device.activity_log.activity == "idle"


def test_a_broadcast_that_all_leave_at_once_is_sent_once(tmp_path):
    rounds = "rounds={kind: deadline, count: 3, deadline: 500 ms}"
    federation = simulated(tmp_path, rounds, text=WIRES)
    check_laws(federation)
    traffic = federation.context.traffic
    assert traffic.sent_down == pytest.approx(3 * 500_000, rel=1e-4)
    assert traffic.lost_down == 2 * traffic.sent_down


def test_an_end_at_an_interval_is_evaluated_once(tmp_path, monkeypatch):
    """Three times 0.7 s are a rounding error before 2.1 s."""
    monkeypatch.setattr(Naming, "evaluate", lambda *_: ("key", ()))
    rounds = "rounds={kind: synchronous, until: 2.1 s}"
    federation = simulated(tmp_path, rounds, "evaluation.interval=0.7 s", text=WIRES)
    times = [each.time for each in federation.context.evaluations]
    assert times == pytest.approx([0, 0.7, 1.4, 2.1])


def test_edge_servers_wait_while_nobody_is_there(tmp_path):
    (tmp_path / "there.csv").write_text("device,start (s),end (s)\n0,100,200\n1,100,104.5\n")
    tree = (
        "{links: [{hub: server, ends: [edge]}, {hub: edge, ends: [cells]}], edge_servers: [edge]}"
    )
    federation = simulated(
        tmp_path,
        "rounds={kind: hierarchical, count: 100, cloud_every: 2}",
        f"backhaul={tree}",
        f"devices.0.availability={{kind: trace, path: {tmp_path / 'there.csv'}}}",
        text=WIRES,
    )
    check_laws(federation)
    ends = [s.end for s in of(federation, "edge", "aggregate")]
    assert ends[0] == pytest.approx(103.0, abs=0.01)
    # Three seconds a round until the last device leaves for good, which ends the run.
    assert len(ends) == 33
    assert federation.env.now == pytest.approx(200.0, abs=0.01)


def test_a_device_that_goes_back_in_rounds_draws_anew(tmp_path):
    """Edge servers count on their own: 3 of one, 2 and 3 of another, 4 of the first."""

    class Turns(Naming):
        def local_update(self, device, number, shared, turn=0):
            turns.append((number, turn))
            return super().local_update(device, number, shared, turn)

    turns = []
    ready = Simulation(scenario(tmp_path, text=WIRES), network_only=True)
    federation = build_federation(
        ready.scenario, ready.placement, ready.workloads, Turns(ready.learner)
    )
    device = federation.devices[0]
    for number in (3, 2, 3, 4):
        download = federation.server.send_out([device], number)[0]
        federation.env.run(device.participate(number, download))
    assert turns == [(3, 0), (2, 1), (3, 2), (4, 0)]


def test_a_cloud_that_skips_numbers_is_evaluated_as_often_as_asked_for():
    """Its rounds end with 1, 3, 5, ...; every third is due at 2, 5, 8, 11, or at the next."""
    measured = []
    plan = SimpleNamespace(initial_shared=lambda: None)
    context = SimpleNamespace(
        env=simpy.Environment(),
        plan=plan,
        complete=lambda: None,
        measure=lambda number, _: measured.append(number),
    )
    server = Server(context, HardwareReference().resolve("edge-server"), every=3)
    for number in range(1, 13, 2):
        server.evaluate(number)
    assert measured == [3, 5, 9, 11]


def test_what_other_programs_take_counts_in_estimates_and_tiers(tmp_path):
    """With three quarters taken an update of 1 s lasts 4 s."""
    (tmp_path / "load.csv").write_text("start (s),end (s),load\n0,1000,0.75\n")
    groups = (
        WIRES
        + "  - {count: 1, compute: {load: load.csv}, hardware: "
        + (WIRES[WIRES.index("{name: board") :].strip() + "}\n")
    )
    federation = simulated(tmp_path, "devices.0.count=2", text=groups)
    seconds = [device.expected_compute for device in federation.devices]
    assert seconds == pytest.approx([1.0, 1.0, 4.0])
    (computed,) = of(federation, "device-2", "compute")
    assert computed.end - computed.start == pytest.approx(4.0)
    # Idle power and that of computing, all the time.
    assert computed.joules == pytest.approx(4.0 * 3.0)
    ready = Simulation(scenario(tmp_path, text=groups), network_only=True)
    fresh = ready.federation(Naming(ready.learner)).devices
    assert [[each.index for each in tier] for tier in by_speed(fresh, seconds, 3)] == [
        [0],
        [1],
        [2],
    ]
    assert fresh[2].round_joules == pytest.approx(12.0)
