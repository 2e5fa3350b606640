"""Devices that the radio cannot reach: refused, left out, or in outage."""

import pytest

from tests.fixtures.runs import outcome, scenario
from tests.network.test_split_network import SPLIT
from wfl_sim.config.errors import LocatedError
from wfl_sim.simulation.remarks import left_out_remarks
from wfl_sim.simulation.simulation import Simulation

FAR = """
name: far
seed: 2
model: {kind: synthetic, payload: 2 Mbit, flops_per_step: 10 GFLOP}
method: fedit
rounds: {kind: synchronous, count: 2}
cells: [{channel: {pathloss: {kind: uma, condition: nlos}, \
fading: static, shadowing: {sigma: 0 dB}}}]
devices:
  - {count: 2, hardware: raspberry-pi-5, area: {radius: 100 m}}
  - {count: 1, hardware: jetson-orin-nano, area: {kind: positions, at: [[2500, 0]]}}
"""
"""The third device hears the cell, 46 dBm, and cannot be heard with its 23 dBm."""
WEAK = "devices.1.power=0 dBm"
OUT = (WEAK, "devices.1.reach=outage", "devices.1.give_up=4 s")


def spans(result, activity, device="device-2"):
    return [s for s in result.spans if s.actor == device and s.activity == activity]


def test_it_is_refused_unless_the_group_allows_it(tmp_path):
    with pytest.raises(LocatedError, match=r"device-2 is out of reach.*uplink.*`reach: exclude`"):
        Simulation(scenario(tmp_path, WEAK, text=FAR))


def test_excluded_devices_take_no_part_and_are_named_once(tmp_path):
    left_out = Simulation(scenario(tmp_path, WEAK, "devices.1.reach=exclude", text=FAR))
    (line,) = left_out_remarks(left_out.out_of_reach, left_out.excluded)
    assert line.startswith("take no part, out of reach: device-2 (device-2 has -")
    result = left_out.run()
    assert result.totals["excluded"] == ["device-2"]
    (only,) = (s for s in result.spans if s.actor == "device-2")
    assert (only.activity, only.outcome) == ("off", "lost")
    # The others do as if it were not there.
    lone = outcome(tmp_path, text=FAR[: FAR.rindex("  - {count: 1")])
    times = [(s.start, s.end, s.activity) for s in result.spans if s.actor == "device-0"]
    assert times == [(s.start, s.end, s.activity) for s in lone.spans if s.actor == "device-0"]


def test_in_outage_uploads_fail_after_their_time_and_their_joules(tmp_path):
    simulation = Simulation(scenario(tmp_path, *OUT, text=FAR))
    (line,) = left_out_remarks(simulation.out_of_reach, simulation.excluded)
    assert line.startswith("are in outage, every upload fails: device-2")
    result = simulation.run()
    failed = spans(result, "upload")
    assert [(s.outcome, s.bits) for s in failed] == [("lost", 0)] * 2
    assert [s.end - s.start for s in failed] == pytest.approx([4.0] * 2)
    # 0 dBm over the amplifier's efficiency and the circuits, beside what idling draws
    hardware = simulation.scenario.devices[1].hardware
    watts = hardware.transmit_circuit_power + 1e-3 / hardware.amplifier_efficiency
    assert [s.joules for s in failed] == pytest.approx([4.0 * (watts + hardware.idle_power)] * 2)
    assert [s.outcome for s in spans(result, "download")] == ["done"] * 2
    assert result.totals["outage"] == ["device-2"]
    bits = result.totals["bits"]
    assert bits["sent_up"] == bits["received_up"] == 2 * 2 * 2_000_000
    assert result.totals["rounds"] == {"aggregations": 2, "empty": 0}


def test_an_earlier_deadline_ends_them(tmp_path):
    rounds = "rounds={kind: deadline, count: 1, deadline: 20 s}"
    (failed,) = spans(outcome(tmp_path, *OUT, "devices.1.give_up=90 s", rounds, text=FAR), "upload")
    assert failed.end == pytest.approx(20.0)


def test_rounds_of_failing_uploads_alone_are_empty(tmp_path):
    alone = (*OUT, "devices.0.power=0 dBm", "devices.0.reach=outage")
    place = "devices.0.area={kind: positions, at: [[2500, 1], [2500, 2]]}"
    totals = outcome(tmp_path, *alone, place, "stall=2 s", text=FAR).totals
    assert totals["rounds"] == {"aggregations": 2, "empty": 2}
    assert totals["bits"]["sent_up"] == 0


def test_who_cannot_even_receive_is_left_out(tmp_path):
    deaf = "cells.0.downlink.power=10 dBm"
    found = Simulation(scenario(tmp_path, *OUT, deaf, text=FAR)).out_of_reach
    assert ([*found.excluded], [*found.outage]) == ([2], [])
    assert "of the downlink" in found.excluded[2]


def test_nobody_in_reach_is_refused(tmp_path):
    settings = (WEAK, "devices.1.reach=exclude", "devices.0.reach=exclude", "devices.0.power=0 dBm")
    place = "devices.0.area={kind: positions, at: [[2500, 1], [2500, 2]]}"
    with pytest.raises(LocatedError, match="no device is in reach: device-0 has -"):
        Simulation(scenario(tmp_path, *settings, place, text=FAR))


def test_a_split_network_in_outage_computes_nothing(tmp_path):
    far = "devices.1.area={kind: positions, at: [[900, 0]]}"
    weak = ("devices.1.power=-30 dBm", "devices.1.reach=outage")
    result = outcome(tmp_path, far, *weak, text=SPLIT)
    assert {s.outcome for s in spans(result, "upload")} == {"lost"}
    assert not spans(result, "compute")
    assert spans(result, "compute", "device-1")


def test_a_device_that_drives_is_absent_out_of_reach(tmp_path):
    (tmp_path / "away.csv").write_text("device,time (s),x (m),y (m)\n0,0,2500,0\n0,10,500,0\n")
    moves = f"devices.1.mobility={{kind: trace, path: {tmp_path}/away.csv}}"
    result = outcome(tmp_path, *OUT, moves, "rounds.count=9", text=FAR)
    assert "excluded" not in result.totals
    assert "outage" not in result.totals
    first = next(s for s in result.spans if s.actor == "device-2")
    assert (first.activity, 9 < first.end < 10) == ("off", True)
    assert {s.outcome for s in spans(result, "upload")} == {"done"}
