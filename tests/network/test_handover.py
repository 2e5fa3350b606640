"""Handover: when it happens, what it interrupts, and that nothing is lost on the way."""

import numpy as np
import pytest

from tests.fixtures.runs import outcome, scenario
from tests.simulation.test_simulation import check_laws
from wfl_sim.config.errors import ScenarioError
from wfl_sim.radio.procedures.handover import A3Trigger, HandoverConfig

LINE = """
name: line
seed: 1
model: {kind: synthetic, payload: 400 Mbit, flops_per_step: 1 GFLOP}
method: {kind: fedit, local: {steps: 1}}
rounds: {kind: synchronous, count: 1}
cells:
  - position: [-500, 0]
    channel: &still {pathloss: macro, shadowing: {sigma: 0 dB}, fading: static}
    downlink: {broadcast: true}
  - {position: [500, 0], channel: *still}
devices:
  - {count: 1, hardware: jetson-orin-nano, mobility: {kind: trace, path: walk.csv}}
"""
FLEET = (
    "layout={kind: hexagonal, rings: 1, spacing: 150 m}",
    "devices.0.area=cells",
    "devices.1.area=cells",
    "devices.0.mobility={kind: random-waypoint, slowest: 8 m/s, fastest: 12 m/s}",
    "devices.1.mobility={kind: gauss-markov, sigma: 6 m/s}",
    "cells.0.channel={pathloss: macro, shadowing: {kind: map, sigma: 6 dB}, fading: rayleigh}",
    "cells.0.bandwidth=5 MHz",
    "rounds.clients=6",
    "rounds.count=2",
    "model.payload=4 Mbit",
)


def walk(tmp_path, *rows):
    text = "\n".join(",".join(map(str, row)) for row in rows)
    (tmp_path / "walk.csv").write_text(f"device,time (s),x (m),y (m)\n{text}\n")


def cells_over_time(result, device="device-0"):
    rows = [r for r in result.levels if r.actor == device and r.quantity == "cell"]
    return [(row.time, int(row.value)) for row in rows]


def parts(result, activity, device="device-0"):
    return [s for s in result.spans if s.actor == device and s.activity == activity]


def test_the_condition_must_hold_for_the_time_to_trigger():
    event = A3Trigger(HandoverConfig(offset=1.0, hysteresis=2.0, time_to_trigger=0.5))
    event.update(1.0, 0, [-100.0, -97.0, -110.0])
    assert event.due == np.inf  # 3 dB better is not more than offset and hysteresis
    event.update(2.0, 0, [-100.0, -96.9, -110.0])
    assert event.due == 2.5
    event.update(2.2, 0, [-100.0, -97.5, -96.0])
    assert event.due == 2.7  # the first neighbour has dropped out, another has come in
    event.update(2.4, 0, [-100.0, -90.0, -96.0])
    assert (event.due, event.target(2.7)) == (2.7, 2)  # the strongest has not waited long enough
    assert event.target(2.9) == 1
    event.restart()
    assert event.due == np.inf


def test_a_handover_comes_where_the_geometry_says(tmp_path):
    """3 dB at 37.6 dB a decade is a ratio of 1.2016: x = 45.8 m, seen at the look at 50 m."""
    walk(tmp_path, (0, 0, -400, 0), (0, 40, 400, 0))
    result = outcome(tmp_path, "model.payload=3 Gbit", text=LINE)
    (first, then) = cells_over_time(result)
    assert first == (0.0, 0)
    assert then[1] == 1
    assert then[0] == pytest.approx((400 + 50) / 20 + 0.256)
    assert result.totals["handovers"]["count"] == 1


def test_an_upload_goes_on_in_the_next_cell_with_what_remains(tmp_path):
    walk(tmp_path, (0, 0, -60, 0), (0, 4, 20, 0), (0, 16, 260, 0))
    result = outcome(tmp_path, text=LINE)
    check_laws(result)
    sent = parts(result, "upload") + parts(result, "download")
    assert {span.cell for span in sent} == {"cell-0", "cell-1"}
    (gap,) = parts(result, "handover")
    assert gap.end - gap.start == pytest.approx(0.05)
    assert gap.start == pytest.approx(cells_over_time(result)[1][0])
    assert gap.cell == "cell-1"
    assert result.totals["handovers"]["interrupted_seconds"] == pytest.approx(0.05)
    for activity in ("upload", "download"):
        assert sum(span.bits for span in parts(result, activity)) == 400_000_000
    torn = next(s for s in sent if s.end == gap.start)
    after = next(s for s in sent if s.start == gap.end)
    assert torn.activity == after.activity
    assert 0 < torn.bits < 400_000_000
    idle = 400_000_000 / torn.mean_rate
    assert torn.end - torn.start < idle


def test_without_an_interruption_and_at_equal_rates_a_handover_costs_nothing(tmp_path):
    """At equal gains of both cells the transfer takes as long as without."""
    walk(tmp_path, (0, 0, 0, 0))
    free = "handover={interruption: 0 s, time_to_trigger: 1 s, hysteresis: 0 dB, offset: -1 dB}"
    still = outcome(tmp_path, "handover={hysteresis: 90 dB}", text=LINE)
    torn = outcome(tmp_path, free, "interference=none", text=LINE)
    check_laws(torn)
    assert torn.totals["handovers"]["count"] > 3
    assert torn.totals["handovers"]["ping_pong"] > 1
    assert torn.totals["simulated_seconds"] == pytest.approx(
        still.totals["simulated_seconds"], rel=1e-6
    )
    assert sum(torn.totals["joules"].values()) == pytest.approx(
        sum(still.totals["joules"].values()), rel=1e-6
    )


def test_a_device_leaves_a_broadcast_and_the_others_go_on(tmp_path):
    walk(tmp_path, (0, 0, 0, 0), (0, 5, 50, 0), (0, 30, 80, 0), (1, 0, -300, 0))
    text = LINE.replace("{count: 1", "{count: 2")
    result = outcome(tmp_path, "model.payload=2 Gbit", text=text)
    check_laws(result)
    segments = parts(result, "download")
    assert [segment.cell for segment in segments] == ["cell-0", "cell-1"]
    stayed = parts(result, "download", "device-1")
    assert [segment.bits for segment in stayed] == [2_000_000_000]
    # One broadcast to both, and to the one who left what it lacked.
    assert result.totals["bits"]["sent_down"] == 2_000_000_000 + segments[1].bits


def test_going_back_soon_is_a_ping_pong(tmp_path):
    walk(tmp_path, (0, 0, 0, 0), (0, 2, 100, 0), (0, 4, -100, 0), (0, 400, -110, 0))
    quick = outcome(tmp_path, "handover={time_to_trigger: 50 ms, ping_pong: 5 s}", text=LINE)
    slow = outcome(tmp_path, "handover={time_to_trigger: 50 ms}", text=LINE)
    assert [cell for _, cell in cells_over_time(quick)] == [0, 1, 0]
    assert quick.totals["handovers"]["ping_pong"] == 1
    assert slow.totals["handovers"]["ping_pong"] == 0


@pytest.mark.parametrize("kind", ["coupled", "load-average"])
@pytest.mark.parametrize("extra", [(), ("devices.0.battery=20 Wh",)])
def test_the_laws_hold_for_a_fleet_on_the_move(tmp_path, kind, extra):
    settings = (*FLEET, "model.payload=2 Mbit", f"interference={kind}", *extra)
    result = outcome(tmp_path, *settings)
    check_laws(result)
    assert result.totals["handovers"]["count"] > 0
    again = outcome(tmp_path, *settings)
    assert again.spans == result.spans
    assert again.levels == result.levels


def test_one_device_more_leaves_the_paths_of_the_others(tmp_path):
    def paths(count):
        result = outcome(
            tmp_path, *FLEET, f"devices.1.count={count}", "rounds.clients=1", "rounds.count=12"
        )
        mine = [row for row in result.levels if row.actor == "device-2"]
        return [(row.time, row.quantity, row.value) for row in mine if row.quantity in "xy"]

    few, more = paths(2), paths(3)
    assert min(len(few), len(more)) > 20
    assert all(one == other for one, other in zip(few, more, strict=False))


@pytest.mark.parametrize("kind", ["coupled", "load-average"])
def test_departures_in_the_middle_of_handovers_leave_nothing_open(tmp_path, kind):
    away = "devices.{}.availability={{kind: markov, on: 3 s, off: 1 s}}"
    result = outcome(
        tmp_path, *FLEET, away.format(0), away.format(1), "rounds.count=6", f"interference={kind}"
    )
    bits = result.totals["bits"]
    up = sum(s.bits for s in result.spans if s.activity == "upload")
    assert up == bits["sent_up"]
    assert bits["received_up"] + bits["lost_up"] <= bits["sent_up"]
    down = sum(s.bits for s in result.spans if s.activity == "download")
    assert down == bits["received_down"] + bits["lost_down"]
    joules = sum(span.joules for span in result.spans)
    assert joules == pytest.approx(sum(result.totals["joules"].values()), rel=1e-9)


def test_what_was_sent_before_a_handover_is_lost_with_the_rest(tmp_path):
    result = outcome(tmp_path, *FLEET, "cells.0.uplink.loss={kind: constant, rate: 1}")
    assert any(s.outcome == "done" for s in result.spans if s.activity == "upload" and s.bits)
    bits = result.totals["bits"]
    assert (bits["lost_up"], bits["under_way_up"]) == (bits["sent_up"], 0)


def test_what_was_sent_before_a_handover_is_abandoned_with_the_rest(tmp_path):
    walk(tmp_path, (0, 0, -100, 0), (0, 60, 500, 0))
    first, second = parts(outcome(tmp_path, text=LINE), "upload")
    for deadline in (first.end + 0.01, second.start + 0.1):  # in the gap, and in the next cell
        rounds = f"rounds={{kind: deadline, count: 1, deadline: {deadline} s}}"
        result = outcome(tmp_path, rounds, text=LINE)
        bits = result.totals["bits"]
        assert bits["lost_up"] == bits["sent_up"] == sum(s.bits for s in parts(result, "upload"))
        assert bits["lost_up"] >= first.bits > 0
        assert bits["under_way_up"] == 0


def test_a_handover_without_neighbours_is_one_located_line(tmp_path):
    with pytest.raises(ScenarioError) as caught:
        scenario(tmp_path, "handover={hysteresis: 2 dB}")
    assert "handover: has no neighbour to go to: there is one cell" in str(caught.value)
