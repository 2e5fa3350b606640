"""Runs that would not end: what stands still, who waits for what, and who is out of reach."""

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
import pytest

from tests.fixtures.churn import check_device, of, simulated
from tests.fixtures.runs import BASE, outcome, scenario
from wfl_sim.config.errors import LocatedError
from wfl_sim.results.tables import COLUMNS, values
from wfl_sim.rounds import Synchronous
from wfl_sim.simulation.remarks import not_finite, remarks
from wfl_sim.simulation.scenario_remarks import rate_remarks
from wfl_sim.simulation.simulation import Simulation

TWO = """
name: two
model: {kind: synthetic, payload: 2 Mbit, flops_per_step: 10 GFLOP}
method: fedit
rounds: {kind: synchronous, count: 3}
cells: [{channel: {pathloss: {kind: uma, condition: nlos}, \
fading: static, shadowing: {sigma: 0 dB}}}]
devices:
  - {count: 1, hardware: raspberry-pi-5, area: {radius: 100 m}}
  - {count: 1, hardware: raspberry-pi-5, area: {radius: 100 m}}
"""
EDGE = "{kind: positions, at: [[880, 0]]}"
OUTAGE = (
    "cells.0.uplink={rate: attenuated-shannon, allocator: round-robin}",
    f"devices.1.area={EDGE}",
    "devices.1.power=17 dBm",
)
"""device-1 sends its 2 Mbit in a quarter of an hour, on one block."""
FLOOR = "downlink: {rate: {kind: attenuated-shannon, floor: 6 dB}}"
PLAIN = (
    "channel: {pathloss: {kind: uma, condition: nlos}, fading: static, shadowing: {sigma: 0 dB}}"
)
MUTE = (
    f"cells=[{{{FLOOR}, {PLAIN}}}, {{position: [700, 0], {FLOOR}, {PLAIN}}}, "
    f"{{position: [0, 2000], carrier: 3.7 GHz, {PLAIN}}}]",
    "devices.0.area={kind: positions, at: [[300, 0]]}",
    "devices.1.area={kind: positions, at: [[400, 0]]}",
)
"""Two cells broadcast at once to devices between them, at 2 dB, where nothing is carried."""
BATTERY = "{capacity: 1 J, restart: 0.001, charging: 1 W}"
SHORTEST_CYCLE = "wfl_sim.device_models.battery._SHORTEST"


def test_a_slow_device_ends_the_run_by_name(tmp_path):
    with pytest.raises(LocatedError) as error:
        outcome(tmp_path, "stall=20 s", *OUTAGE, text=TWO)
    assert error.value.path == ("stall",)
    assert str(error.value).startswith("nothing has completed since ")
    assert "device-1 sends to cell-0 since " in str(error.value)
    assert "device-0" not in str(error.value)


def test_transfers_that_stop_progressing_end_the_run_by_name(tmp_path):
    """Broadcasts of coupled cells under a floor: no cell ever falls silent."""
    with pytest.raises(LocatedError, match="device-0 receives from cell-0"):
        outcome(tmp_path, "stall=5 s", *MUTE, text=TWO)
    done = outcome(tmp_path, "stall=5 s", *MUTE, "interference=none", text=TWO)
    assert done.totals["rounds"]["empty"] == 0


def test_so_they_do_while_others_go_on(tmp_path):
    group = "{count: 1, hardware: raspberry-pi-5, area: {kind: positions, at: [[%d, %d]]}}"
    three = [group % place for place in ((300, 0), (400, 0), (0, 1950))]
    fleet = f"devices=[{', '.join(three)}]"
    settings = (MUTE[0], fleet, "rounds={kind: asynchronous, count: 900}", "stall=5 s")
    with pytest.raises(LocatedError, match=r"has carried no bit since .* 2e\+06 bit are left"):
        outcome(tmp_path, *settings, text=TWO)


@pytest.mark.parametrize(
    ("setting", "place", "least"),
    [
        (
            "cells.0.uplink.rate=attenuated-shannon",
            1400,
            "uplink, where attenuated-shannon .* -10.0 dB",
        ),
        (
            "cells.0.uplink.rate=mcs",
            1500,
            "uplink, where mcs carries nothing, the least is -11",
        ),
        ("cells.0.downlink.rate={kind: attenuated-shannon, floor: 20 dB}", 900, "downlink, where"),
    ],
)
def test_who_can_never_end_is_refused_before_the_run(tmp_path, setting, place, least):
    """The rate map has a floor, and all power on one block does not reach it."""
    far = f"devices.1.area={{kind: positions, at: [[{place}, 0]]}}"
    with pytest.raises(LocatedError, match=f"device-1 is out of reach: .*{least}"):
        Simulation(scenario(tmp_path, setting, far, text=TWO))


def test_a_round_with_a_deadline_ends_whoever_waits(tmp_path):
    rounds = "rounds={kind: deadline, count: 2, deadline: 30 s}"
    assert outcome(tmp_path, "stall=20 s", rounds, *OUTAGE, text=TWO).totals["rounds"]["empty"] == 0


def test_a_stall_decides_no_result(tmp_path):
    from wfl_sim.scenario.resolve import digest

    assert digest(scenario(tmp_path)) == digest(scenario(tmp_path, "stall=1 d"))
    assert outcome(tmp_path).spans == outcome(tmp_path, "stall=100 s").spans


def test_computing_and_waiting_for_devices_to_come_are_no_stall(tmp_path):
    night = "devices.0.availability={kind: diurnal, start: 10 h, duration: 1 h}"
    slow = "model.flops_per_step=2 PFLOP"
    spans = outcome(tmp_path, "stall=60 s", night, slow, "rounds.count=1", text=TWO).spans
    assert max(span.end - span.start for span in spans if span.activity == "compute") > 600


@pytest.mark.parametrize("rounds", ["asynchronous", "tiers"])
@pytest.mark.parametrize(
    "setting",
    [
        "cells.0.uplink.loss={kind: constant, rate: 1}",
        "devices=[{count: 2, hardware: raspberry-pi-5, area: {radius: 99 m}, battery: "
        "{capacity: 1 J, restart: 0.001, charging: 1 W}}]",
        "devices=[{count: 2, hardware: raspberry-pi-5, area: {radius: 99 m}, battery: "
        "{capacity: 1 J, restart: 0.2, cutoff: 0.1999999999999, charging: 1 W}}]",
    ],
)
def test_a_policy_that_waits_for_uploads_gives_up(tmp_path, rounds, setting, monkeypatch):
    monkeypatch.setattr(SHORTEST_CYCLE, 0.0)
    count = ", tiers: 1" if rounds == "tiers" else ""
    kind = f"rounds={{kind: {rounds}, count: 5{count}}}"
    with pytest.raises(LocatedError, match="none of the last 1,020 local updates has arrived"):
        outcome(tmp_path, kind, setting, "model.payload=200 kbit", text=TWO)


@pytest.mark.parametrize("rounds", ["asynchronous, count: 5", "tiers, tiers: 1"])
def test_a_time_ends_a_policy_that_waits_for_uploads(tmp_path, rounds):
    """Two devices, 1,020 of whose updates are lost before."""
    result = outcome(
        tmp_path,
        f"rounds={{kind: {rounds}, until: 900 s}}",
        "cells.0.uplink.loss={kind: constant, rate: 1}",
        "model.payload=200 kbit",
        text=TWO,
    )
    assert len([s for s in result.spans if s.outcome == "lost"]) > 1020
    assert max(s.end for s in result.spans) == 900


@dataclass(frozen=True, kw_only=True)
class Waits(Synchronous):
    """Waits before its rounds, a second at a time; without an end where `seconds` is infinite."""

    seconds: float = math.inf

    def _rounds(self, federation):
        while federation.env.now < self.seconds:
            yield federation.env.timeout(1.0)
        yield from super()._rounds(federation)


def test_a_policy_that_asks_nobody_ends_the_run(tmp_path):
    given = dataclasses.replace(scenario(tmp_path, "stall=1 s", text=TWO), rounds=Waits(count=1))
    with pytest.raises(
        LocatedError, match=r"asked nobody for 1,000 s, at 1.* 2 devices \(device-0 first\) can"
    ):
        Simulation(given, network_only=True).run()


def test_a_policy_may_wait_and_devices_may_be_away_for_longer(tmp_path):
    given = scenario(tmp_path, "stall=1 s", "devices.0.area={radius: 99 m}", text=TWO)
    waits = dataclasses.replace(given, rounds=Waits(count=1, seconds=900.0))
    assert Simulation(waits, network_only=True).run().totals["rounds"]["aggregations"] == 1
    (tmp_path / "away.csv").write_text("device,start (s),end (s)\n0,5000,1e6\n")
    away = f"{{kind: trace, path: {tmp_path}/away.csv}}"
    late = scenario(
        tmp_path,
        "stall=1 s",
        f"devices.0.availability={away}",
        f"devices.1.availability={away}",
        text=TWO,
    )
    late = dataclasses.replace(late, rounds=Waits(count=1, seconds=5001.0))
    assert Simulation(late, network_only=True).run().totals["rounds"]["aggregations"] == 1


def test_a_clock_that_stands_still_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(SHORTEST_CYCLE, 0.0)
    monkeypatch.setattr("wfl_sim.network.federation.watchdog._EVENTS", 2000)
    tiny = "devices.0.battery={capacity: 1e-12 J, charging: 1 W}"
    with pytest.raises(LocatedError, match="the clock stands at"):
        outcome(tmp_path, "rounds={kind: synchronous, until: 10 s, clients: 1}", tiny, text=TWO)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("cells.0.backhaul={latency: 1e10}", r"the clock has come to 1e\+10 s, more than the 1e"),
        ("devices.0.hardware={base: raspberry-pi-5, peak: 1e-300}", "would take .* for a local"),
        ("model.flops_per_step=1e30 FLOP", "would take .* for a local"),
    ],
)
def test_the_clock_ends_where_it_tells_nothing_apart(tmp_path, setting, message, monkeypatch):
    monkeypatch.setattr("wfl_sim.network.federation.watchdog._LOOK", 1)
    with pytest.raises(LocatedError, match=message):
        outcome(tmp_path, setting, text=TWO)


def test_a_device_that_leaves_coverage_is_absent(tmp_path):
    """It drives out of the cell at 5 s and stays at 4.9 km; the others go on without it."""
    (tmp_path / "trace.csv").write_text(
        "device,time (s),x (m),y (m)\n0,0,100,0\n0,3,100,0\n0,5,4900,0\n"
    )
    drives = f"devices.1.mobility={{kind: trace, path: {tmp_path}/trace.csv}}"
    federation = simulated(tmp_path, drives, "model.flops_per_step=60 GFLOP", text=TWO)
    first, second = federation.devices
    assert second.gone
    assert 3 < second.reachability.uncovered_since < 5
    assert of(federation, "device-1")[-1].activity == "off"
    assert {span.outcome for span in of(federation, "device-1")} >= {"dropped"}
    check_device(federation, first, federation.env.now)
    check_device(federation, second, federation.env.now)
    assert federation.context.plan.combined == [[0], [0], [0]]


def test_a_device_that_comes_back_into_coverage_works_again(tmp_path):
    (tmp_path / "trace.csv").write_text(
        "device,time (s),x (m),y (m)\n0,0,100,0\n0,1,4900,0\n0,4,4900,0\n0,6,100,0\n"
    )
    drives = f"devices.1.mobility={{kind: trace, path: {tmp_path}/trace.csv}}"
    federation = simulated(tmp_path, drives, "rounds.count=12", text=TWO)
    off = of(federation, "device-1", "off")
    assert len(off) == 1
    assert 0 < off[0].start < 1
    assert 4 < off[0].end < 6
    assert federation.devices[1].reachability.uncovered_since is None
    assert federation.context.plan.combined[-1] == [0, 1]


def test_power_control_counts_where_reach_is_checked(tmp_path):
    control = "cells.0.uplink.power_control={target: -100 dBm, alpha: 0}"
    with pytest.raises(LocatedError, match=r"uplink.*a higher power-control target"):
        Simulation(scenario(tmp_path, control, text=TWO))


def test_fedcs_leaves_out_a_device_in_outage(tmp_path):
    select = (
        "rounds={kind: synchronous, count: 2, clients: 1, select: {kind: fedcs, deadline: 9 s}}"
    )
    spans = outcome(tmp_path, select, *OUTAGE, text=TWO).spans
    assert {span.actor for span in spans if span.activity == "upload"} == {"device-0"}


def test_an_update_without_computing_takes_no_time(tmp_path):
    result = outcome(
        tmp_path,
        "model={kind: synthetic, payload: 1 Mbit, flops_per_step: 1 GFLOP, "
        "cut: {activations: 50 kbit, device_share: 0}}",
        "method=splitlora",
        "devices.0.hardware={base: raspberry-pi-5, step_overhead: 0}",
        "devices.1.hardware={base: raspberry-pi-5, step_overhead: 0}",
        text=TWO,
    )
    assert not [s for s in result.spans if s.activity == "compute" and s.actor != "server"]
    assert values(result.spans, COLUMNS["spans"])


def test_rounds_without_an_update_are_counted_and_said(tmp_path):
    short = outcome(tmp_path, "rounds={kind: deadline, count: 3, deadline: 1 ms}").totals
    assert short["rounds"] == {"aggregations": 3, "empty": 3}
    assert remarks(short) == ["3 of 3 rounds aggregated nothing"]
    assert remarks(outcome(tmp_path).totals) == []


def test_uploads_on_the_way_at_the_end_are_counted_and_said(tmp_path):
    """A backhaul of one second: the second upload is on it when the first has been aggregated."""
    late = "cells.0.backhaul={latency: 1 s}"
    rounds = "rounds={kind: asynchronous, count: 1, clients: 6}"
    totals = outcome(tmp_path, late, rounds, text=BASE).totals
    bits = totals["bits"]
    assert bits["under_way_up"] == bits["sent_up"] - bits["received_up"] - bits["lost_up"] > 0
    assert remarks(totals)[0].endswith("neither received nor lost")


@pytest.mark.parametrize(
    ("rounds", "used"),
    [
        ("{kind: asynchronous, count: 12, clients: 6, buffer: 2, oldest: 0}", 24),
        ("{kind: asynchronous, count: 12, clients: 6, buffer: 2}", 24),
        ("{kind: over-selection, count: 4, clients: 6, take: 4}", 16),
        ("{kind: deadline, count: 3, deadline: 1 min}", 18),
    ],
)
def test_uploads_that_rounds_do_not_use_are_counted_and_said(tmp_path, rounds, used):
    result = outcome(tmp_path, f"rounds={rounds}", text=BASE)
    each = next(s.bits for s in result.spans if s.activity == "upload")
    unused = result.totals.get("unused_uploads", 0)
    assert result.totals["bits"]["received_up"] == each * (used + unused)
    said = [line for line in remarks(result.totals) if "not used" in line]
    if "oldest" in rounds:
        assert unused > 0
        uploads = "1 upload" if unused == 1 else f"{unused} uploads"
        assert said == [f"arrived, but not used: {uploads}, too late or of an old state"]
    else:
        assert not unused
        assert not said


def test_states_that_are_not_finite_are_named_and_said(tmp_path):
    """NaN, and both infinities, anywhere in the shared state or a private one."""
    good = {"a": np.ones(3), "b": np.zeros((2, 2), np.float32)}
    states = {"shared": good, "device-0": {}, "device-1": {**good, "b": np.array([0.0, np.nan])}}
    states |= {f"device-{i}": {"a": np.array([sign])} for i, sign in ((2, np.inf), (3, -np.inf))}
    broken = not_finite(states)
    assert broken == ["device-1", "device-2", "device-3"]
    totals = {**outcome(tmp_path).totals, "not_finite": [*broken, "device-4"]}
    assert remarks(totals) == [
        "training has diverged: values that are not finite in the states of device-1, device-2, "
        "device-3, ..."
    ]


def test_a_slow_trunk_is_not_blamed_on_the_policy(tmp_path):
    """A device that moves keeps the clock of events going while the state is on its way."""
    edges = "backhaul={edge_servers: [edge], links: [{hub: server, ends: [edge], latency: 1e7 s}, "
    settings = (
        edges + "{hub: edge, ends: [cell-0]}]}",
        "rounds={kind: hierarchical, count: 2, cloud_every: 1}",
        "devices.0.mobility=random-waypoint",
        "stall=1 s",
    )
    with pytest.raises(LocatedError, match="the state of edge has been on its way to or from"):
        outcome(tmp_path, *settings, text=TWO)


def test_an_uplink_with_the_rate_of_a_downlink_is_said(tmp_path):
    (said,) = rate_remarks(scenario(tmp_path, "cells.0.uplink.rate=attenuated-shannon"))
    assert said[0] == ("cells", 0, "uplink", "rate")
    own = "cells.0.uplink.rate={kind: attenuated-shannon, attenuation: 0.4, cap: 2}"
    down = "cells.0.downlink.rate=attenuated-shannon"
    assert [*rate_remarks(scenario(tmp_path, own, down))] == []
