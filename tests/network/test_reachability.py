"""Devices that die, go and come back in the middle of anything."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fixtures.churn import check_laws, of, simulated
from tests.fixtures.runs import scenario
from wfl_sim.data.examples import Examples, Shards
from wfl_sim.device_models.carbon import CarbonIntensity
from wfl_sim.execution.store import Store
from wfl_sim.execution.task import Evaluate, LocalUpdate, Result
from wfl_sim.simulation.simulation import Simulation

LONE = """
name: lone
seed: 2
model: {kind: synthetic, payload: 2 Mbit, flops_per_step: 20 GFLOP}
method: {kind: pftt, local: {steps: 4}}
rounds: {kind: synchronous, count: 3}
cells: [{bandwidth: 5 MHz, channel: {pathloss: macro, shadowing: {sigma: 6 dB}}}]
devices: [{count: 1, hardware: raspberry-pi-5, area: {radius: 300 m}}]
"""


def write(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    return tmp_path / name


def spans_of(federation, actor="device-0"):
    return [(s.activity, s.outcome) for s in of(federation, actor)]


def test_without_batteries_nothing_is_lost_and_no_levels_are_kept(tmp_path):
    federation = simulated(tmp_path, text=LONE)
    check_laws(federation)
    assert not federation.context.levels
    assert federation.context.traffic.lost_up == federation.context.traffic.lost_down == 0


def test_a_battery_that_lasts_changes_no_time(tmp_path):
    mains = simulated(tmp_path, text=LONE)
    battery = simulated(tmp_path, "devices.0.battery=20 Wh", text=LONE)
    check_laws(battery)
    seconds = [(s.activity, s.start, s.end, s.bits) for s in mains.context.spans]
    assert [(s.activity, s.start, s.end, s.bits) for s in battery.context.spans] == seconds
    joules = [s.joules for s in mains.context.spans]
    assert [s.joules for s in battery.context.spans] == pytest.approx(joules, rel=1e-9)


def test_death_while_idle_or_computing_comes_at_the_exact_second(tmp_path):
    whole = simulated(tmp_path, text=LONE)
    compute = of(whole, "device-0", "compute")[1]
    drawn = sum(s.joules for s in whole.context.spans if s.end <= compute.start)
    half = 0.5 * (compute.end - compute.start)
    # The Raspberry Pi draws 3 W always and 6 W more under load.
    federation = simulated(tmp_path, f"devices.0.battery={drawn + 9 * half} J", text=LONE)
    check_laws(federation)
    died = of(federation, "device-0", "compute")[1]
    assert died.outcome == "dropped"
    assert died.end == pytest.approx(compute.start + half, rel=1e-9)
    assert died.flops == pytest.approx(compute.flops / 2, rel=1e-9)
    assert federation.context.plan.named == [("device-0", 0)]
    # The round cannot go on and nobody will come back: the run ends there.
    assert federation.env.now == died.end


def test_death_in_an_upload_comes_at_the_exact_second_and_counts_what_was_sent(tmp_path):
    whole = simulated(tmp_path, text=LONE)
    upload = of(whole, "device-0", "upload")[0]
    drawn = sum(s.joules for s in whole.context.spans if s.end <= upload.start)
    federation = simulated(tmp_path, f"devices.0.battery={drawn + upload.joules / 2} J", text=LONE)
    check_laws(federation)
    died = of(federation, "device-0", "upload")[0]
    assert died.outcome == "dropped"
    # A lone device holds the band without a break, so half the joules are half the time.
    assert died.end == pytest.approx((upload.start + upload.end) / 2, rel=1e-9)
    assert 0 < died.bits < upload.bits
    assert died.joules == pytest.approx(upload.joules / 2, rel=1e-9)
    assert federation.context.traffic.lost_up == died.bits
    assert federation.context.plan.named == []


def test_waking_up_that_empties_the_battery_is_in_the_span_that_asked_for_it(tmp_path):
    """0.45 J of a modem in deep sleep, once in each round: the last one, too, ends the run."""
    battery = "{capacity: 0.4 J, restart: 50 %, charging: 4 W}"
    settings = f"devices.0.battery={battery}", "devices.0.modem={unit: 1 W, sleep: deep}"
    federation = simulated(tmp_path, *settings, text=LONE)
    drawn = federation.context.ledger.drawn(federation.env.now)[0]
    assert sum(s.joules for s in of(federation, "device-0")) == pytest.approx(drawn, rel=1e-9)
    died = of(federation, "device-0", "download")
    assert [(s.start == s.end, s.outcome) for s in died] == [(True, "dropped")] * 3
    assert [s.joules for s in died] == pytest.approx([0.45] * 3)
    assert {s.joules for s in of(federation, "device-0", "off")} == {0.0}
    file = write(tmp_path, "grid.csv", "start (h),end (h),intensity (g/kWh)\n0,1,300\n")
    assert CarbonIntensity(path=str(file)).grams(died) == pytest.approx(3 * 0.45 / 12_000)


def test_a_charger_brings_a_dead_device_back(tmp_path):
    battery = "{capacity: 30 J, cutoff: 10 %, restart: 50 %, charging: 1 W}"
    federation = simulated(tmp_path, f"devices.0.battery={battery}", "rounds.count=6", text=LONE)
    check_laws(federation)
    off = of(federation, "device-0", "off")
    assert off
    for span in off:
        # From 10 % to 50 % of 30 J at 1 W, nothing drawn.
        assert span.end - span.start == pytest.approx(12.0, rel=1e-9)
        assert span.joules == 0
    assert max(number for _, number in federation.context.plan.named) == 5


def test_a_full_battery_spills(tmp_path):
    battery = "{capacity: 100 J, charging: 20 W}"
    federation = simulated(tmp_path, f"devices.0.battery={battery}", text=LONE)
    check_laws(federation)
    battery_state = federation.devices[0].power_meter.battery_state
    assert battery_state.level == pytest.approx(100.0)
    assert battery_state.spilled > 0
    income = battery_state.charged + battery_state.spilled
    assert income == pytest.approx(20 * federation.env.now, rel=1e-9)


def test_a_harvest_trace_in_other_units_is_integrated(tmp_path):
    file = write(tmp_path, "sun.csv", "start (min),end (min),power (mW)\n0,0.1,0\n0.1,0.2,4000\n")
    battery = f"{{capacity: 1000 J, initial: 50 %, harvest: {file}}}"
    federation = simulated(tmp_path, f"devices.0.battery={battery}", text=LONE)
    check_laws(federation)
    turns, rest = divmod(federation.env.now, 12.0)
    expected = 4 * (6 * turns + max(rest - 6, 0))
    assert federation.devices[0].power_meter.battery_state.charged == pytest.approx(
        expected, rel=1e-9
    )


@pytest.mark.parametrize("activity", ["wait", "download", "compute", "upload"])
def test_a_departure_in_the_middle_of_any_activity_drops_it(tmp_path, activity):
    whole = simulated(tmp_path, text=LONE)
    span = of(whole, "device-0", activity)[0]
    middle = (span.start + span.end) / 2
    file = write(
        tmp_path, "there.csv", f"device,start (s),end (s)\n0,0,{middle!r}\n0,{middle + 5!r},500\n"
    )
    federation = simulated(
        tmp_path, f"devices.0.availability={{kind: trace, path: {file}}}", text=LONE
    )
    check_laws(federation)
    left = of(federation, "device-0", activity)[0]
    assert (left.outcome, left.end) == ("dropped", pytest.approx(middle, rel=1e-12))
    away = of(federation, "device-0", "off")
    assert [s.end - s.start for s in away] == [pytest.approx(5.0)]
    # An idle Raspberry Pi draws 3 W, reachable or not.
    assert away[0].joules == pytest.approx(15.0)
    # Round 0 came to nothing, the others were done after the return.
    assert federation.context.plan.named == [("device-0", 1), ("device-0", 2)]


def test_who_leaves_after_the_upload_has_taken_part(tmp_path):
    whole = simulated(tmp_path, "cells.0.backhaul.latency=2 s", text=LONE)
    sent = of(whole, "device-0", "upload")[0].end
    file = write(tmp_path, "there.csv", f"device,start (s),end (s)\n0,0,{sent + 1!r}\n0,60,500\n")
    federation = simulated(
        tmp_path,
        "cells.0.backhaul.latency=2 s",
        f"devices.0.availability={{kind: trace, path: {file}}}",
        text=LONE,
    )
    check_laws(federation)
    assert ("device-0", 0) in federation.context.plan.named
    assert not [s for s in federation.context.spans if s.outcome == "dropped"]
    assert len([s for s in federation.context.spans if s.activity == "aggregate"]) == 3


def test_one_who_leaves_a_broadcast_no_longer_slows_it(tmp_path):
    settings = ("devices.0.count=3", "cells.0.downlink.rate=shannon")
    whole = simulated(tmp_path, *settings, text=LONE)
    download = of(whole, "device-0", "download")[0]
    middle = (download.start + download.end) / 2
    slow = min(whole.devices, key=lambda device: device.mean_gain).index
    rows = [f"{i},0,{middle!r}" if i == slow else f"{i},0,900" for i in range(3)]
    file = write(tmp_path, "there.csv", "device,start (s),end (s)\n" + "\n".join(rows))
    federation = simulated(
        tmp_path,
        *settings,
        f"devices.0.availability={{kind: trace, path: {file}}}",
        text=LONE,
    )
    check_laws(federation)
    others = [of(federation, f"device-{i}", "download")[0] for i in range(3) if i != slow]
    assert all(s.end < download.end for s in others)
    assert of(federation, f"device-{slow}", "download")[0].end == pytest.approx(middle)
    assert {s.activity for s in of(federation, f"device-{slow}")} == {"wait", "download", "off"}


def test_away_power_is_what_the_scenario_says(tmp_path):
    file = write(tmp_path, "there.csv", "device,start (s),end (s)\n0,4,500\n")
    availability = f"devices.0.availability={{kind: trace, path: {file}}}"
    federation = simulated(tmp_path, availability, "devices.0.away_power=0.5 W", text=LONE)
    assert spans_of(federation)[0] == ("off", "done")
    assert of(federation, "device-0", "off")[0].joules == pytest.approx(2.0)


def test_a_fleet_that_is_lost_ends_the_run(tmp_path):
    federation = simulated(tmp_path, "devices.0.battery=30 J", "rounds.count=50", text=LONE)
    check_laws(federation)
    assert federation.devices[0].lost
    assert of(federation, "device-0")[-1].end == federation.env.now < 60


def test_the_same_seed_gives_the_same_comings_and_goings(tmp_path):
    markov = "devices.0.availability={kind: markov, on: 6 s, off: 3 s}"
    runs = [simulated(tmp_path, markov, text=LONE).context.spans for _ in range(2)]
    assert runs[0] == runs[1]


@given(
    seed=st.integers(0, 10_000),
    capacity=st.floats(20, 400),
    charging=st.sampled_from([0.0, 2.0, 12.0]),
    on=st.floats(0.5, 30),
    off=st.floats(0.5, 10),
    allocator=st.sampled_from(["equal", "proportional-fair"]),
    broadcast=st.booleans(),
)
@settings(max_examples=40)
def test_the_laws_hold_whoever_dies_or_leaves(
    tmp_path_factory, seed, capacity, charging, on, off, allocator, broadcast
):
    federation = simulated(
        tmp_path_factory.mktemp("churn"),
        f"seed={seed}",
        f"devices.0.battery={{capacity: {capacity} J, cutoff: 5 %, charging: {charging} W}}",
        f"devices.0.availability={{kind: markov, on: {on} s, off: {off} s}}",
        f"devices.1.availability={{kind: markov, on: {2 * on} s, off: {off} s}}",
        f"cells.0.uplink.allocator={allocator}",
        f"cells.0.downlink.broadcast={str(broadcast).lower()}",
        "cells.0.bandwidth=5 MHz",
        "cells.0.channel.fading.profile=flat",
        "model.payload=8 Mbit",
    )
    check_laws(federation)
    if not broadcast:
        traffic = federation.context.traffic
        assert traffic.sent_down == traffic.received_down + traffic.lost_down


class Adding:
    """A learner that trains nothing and counts."""

    recipe = "adding"
    sends_news = False
    keeps = True
    varies = False

    def __init__(self, workload):
        self.workload = lambda device: workload
        self.trained = []

    def run(self, task, inputs):
        one = {"part/x": np.float32([0])}
        match task:
            case LocalUpdate():
                self.trained.append(task.device)
                return Result({"upload": one, "private": one}, {"train_loss": 0.0})
            case Evaluate():
                return Result({}, {"accuracy": 0.5})
            case _:
                return Result({"shared": one, "private": one})


def test_dropped_work_is_never_trained(tmp_path):
    """As many local updates are executed and stored as uploads were delivered."""
    ready = Simulation(
        scenario(
            tmp_path,
            "devices.0.battery={capacity: 120 J, charging: 1 W}",
            "devices.1.availability={kind: markov, on: 3 s, off: 2 s}",
            "devices.0.availability={kind: markov, on: 2 s, off: 1 s}",
            "rounds.count=8",
        )
    )
    examples = Examples(("text",) * 4, [0, 1, 0, 1])
    ready.shards = Shards((examples,) * 6, (examples,) * 6, examples, ("a", "b"))
    ready.learner = learner = Adding(ready.workloads[0])
    ready.trains = True
    store = Store(tmp_path / "store")
    outcome = ready.run(store)
    uploads = [s for s in outcome.spans if s.activity == "upload"]
    delivered = sorted(int(s.actor.split("-")[1]) for s in uploads if s.outcome == "done")
    dropped = [s for s in outcome.spans if s.outcome == "dropped"]
    assert len(dropped) > 3
    assert sorted(learner.trained) == delivered
    stored = list((tmp_path / "store").rglob("*.safetensors"))
    assert len(stored) == outcome.totals["tasks_executed"]
