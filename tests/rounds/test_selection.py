"""Who is asked: by lot, by channel, by what is left in the battery."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from tests.fixtures.churn import Naming, check_laws, simulated
from tests.fixtures.runs import scenario
from wfl_sim.config.answers import AnswerError
from wfl_sim.randomness import stream
from wfl_sim.rounds.selection import EnergyAware, Everyone, RandomSelection, RoundRobin, TiFL
from wfl_sim.rounds.selection.selector import selected
from wfl_sim.rounds.selection.tifl import by_speed
from wfl_sim.simulation.build import run_federation
from wfl_sim.simulation.simulation import Simulation


@dataclass(frozen=True)
class Standing:
    """A device as a selection sees it."""

    index: int
    battery_level: float
    charge_left: float
    round_joules: float = 1.0


@dataclass
class Worker:
    """A device as a selection by turns or by speed sees it."""

    index: int
    expected_compute: float = 1.0
    times_asked: int = 0
    expected_download: float = 0.5
    expected_upload: float = 0.5


def numbers(devices):
    return [device.index for device in devices]


def test_a_device_is_asked_once_in_a_round(tmp_path, monkeypatch):
    """A second participation beside the first would send and draw twice."""

    def twice(self, devices, count, rng):
        return [devices[0]] * count

    monkeypatch.setattr(RandomSelection, "select", twice)
    with pytest.raises(AnswerError, match="must return at most 2 distinct devices of the 6 it was"):
        simulated(tmp_path, "rounds.clients=2")


def test_who_is_chosen_is_one_of_those_that_are_there_in_any_order_and_number():
    """Few of many are searched for by their numbers; all others in one pass."""
    fleet = [Worker(i) for i in range(1000)]

    def chosen_of(devices, *chosen):
        rule = SimpleNamespace(select=lambda *_: chosen)
        return selected(rule, devices, 1000, stream(1))

    backwards = fleet[::-1]
    for devices in (fleet, backwards):
        assert chosen_of(devices, fleet[3], fleet[999]) == [fleet[3], fleet[999]]
        assert chosen_of(devices, *fleet) == fleet
        for wrong in (Worker(3), Worker(5000), Worker("3"), object()):
            for others in ([], fleet[500:]):
                with pytest.raises(AnswerError, match="1000 distinct devices of the 1000"):
                    chosen_of(devices, wrong, *others)


def test_everyone_is_everyone_there():
    devices = [Worker(i) for i in (1, 4, 6)]
    assert numbers(Everyone().select(devices, 3, stream(1))) == [1, 4, 6]
    assert numbers(Everyone().select(devices, 2, stream(1))) == [1, 4]


def test_round_robin_asks_all_before_anyone_again():
    devices = [Worker(i) for i in range(5)]
    asked = []
    for number in range(5):
        chosen = RoundRobin().select(devices, 2, stream(1, number))
        for device in chosen:
            device.times_asked += 1
        asked.append(numbers(chosen))
    assert asked == [[0, 1], [2, 3], [0, 4], [1, 2], [3, 4]]


def test_tiers_are_of_like_speed_and_size():
    seconds = [5.0, 1.0, 9.0, 2.0, 8.0, 1.5, 4.0]
    devices = [Worker(i) for i in range(7)]
    assert [numbers(each) for each in by_speed(devices, seconds, 3)] == [[1, 5, 3], [6, 0], [4, 2]]
    assert [numbers(each) for each in by_speed(devices[:2], seconds[:2], 3)] == [[1], [0], []]


def test_tifl_never_mixes_tiers_and_asks_each_as_often():
    devices = [Worker(i, float(i)) for i in range(9)]
    seen = np.zeros(3)
    for number in range(3000):
        chosen = numbers(TiFL(tiers=3).select(devices, 2, stream(1, "selection", number)))
        tiers = {index // 3 for index in chosen}
        assert len(tiers) == 1
        assert len(chosen) == 2
        seen[tiers.pop()] += 1
    # Each in a third of the draws; the standard error is 0.009.
    assert seen / 3000 == pytest.approx([1 / 3] * 3, abs=0.03)


def test_tiers_of_tifl_stay_when_some_have_been_asked(tmp_path):
    """Who has shared the band with others is no slower for it than who has not been asked yet."""
    federation = simulated(
        tmp_path,
        "rounds={kind: synchronous, count: 12, clients: 3, select: {kind: tifl, tiers: 2}}",
        "devices.0.count=20",
        text=BOARDS,
    )
    devices = federation.devices
    alone = [d.expected_download + d.expected_compute + d.expected_upload for d in devices]
    tiers = [{each.name for each in tier} for tier in by_speed(devices, alone, 2)]
    asked = {}
    for span in federation.context.spans:
        if span.activity == "compute":
            asked.setdefault(span.round, set()).add(span.actor)
    assert len(asked) == 12
    assert all(any(cohort <= tier for tier in tiers) for cohort in asked.values())
    assert all(any(cohort <= tier for cohort in asked.values()) for tier in tiers)


def test_tiers_are_of_those_who_take_part(tmp_path):
    """Two of four devices are out of reach, so each of the others is a tier."""
    settings = [
        "rounds={kind: tiers, count: 6, tiers: 2}",
        "devices.0.area={kind: positions, at: [[900 km, 0 m], [901 km, 0 m], [50 m, 0 m], "
        "[60 m, 0 m]]}",
        "devices.0.reach=exclude",
    ]
    ready = Simulation(scenario(tmp_path, *settings, text=BOARDS), network_only=True)
    federation = ready.federation(Naming(ready.learner))
    run_federation(federation, ready.scenario)
    assert ready.excluded == (0, 1)
    assert sorted(map(tuple, federation.context.plan.combined)) == [(2,)] * 3 + [(3,)] * 3


BOARDS = """
name: boards
model: {kind: synthetic, payload: 2 Mbit, flops_per_step: 20 GFLOP}
method: {kind: fedit, local: {steps: 4}}
rounds: {kind: synchronous, count: 3}
cells: [{bandwidth: 10 MHz, channel: {pathloss: macro}}]
devices: [{count: 4, hardware: raspberry-pi-5}]
"""


def often(devices, count, draws=4000):
    chosen = np.zeros(len(devices))
    for number in range(draws):
        picked = EnergyAware().select(devices, count, stream(1, "selection", number))
        assert [d.index for d in picked] == sorted({d.index for d in picked})
        chosen[[d.index for d in picked]] += 1
    return chosen / draws


def test_the_fuller_are_likelier_by_their_odds():
    devices = [
        Standing(0, 0.8, 80.0, 0.0),
        Standing(1, 0.4, 40.0, 0.0),
        Standing(2, 0.4, 40.0, 0.0),
    ]
    # One of three by odds 2 : 1 : 1; the standard error is 0.008.
    assert often(devices, 1) == pytest.approx([0.5, 0.25, 0.25], abs=0.03)


def test_who_would_not_last_is_asked_only_when_others_are_too_few():
    devices = [Standing(0, 0.2, 1.0, 2.0), Standing(1, 0.9, 90.0), Standing(2, 1.0, np.inf)]
    assert often(devices, 2, 200).tolist() == [0, 1, 1]
    assert often(devices, 3, 20).tolist() == [1, 1, 1]


def test_energy_aware_rounds_lose_fewer_updates(tmp_path):
    text = """
name: fleet
model: {kind: synthetic, payload: 2 Mbit, flops_per_step: 20 GFLOP}
method: {kind: pftt, local: {steps: 4}}
rounds: {kind: synchronous, count: 14, clients: 3}
cells: [{bandwidth: 5 MHz, channel: {pathloss: macro, shadowing: {sigma: 6 dB}}}]
devices:
  - {count: 3, hardware: jetson-orin-nano, area: {radius: 300 m}}
  - {count: 5, hardware: phone-flagship, area: {radius: 300 m}, battery: 18 J}
"""
    lost = {}
    for kind in ("random", "energy-aware"):
        lost[kind] = 0
        for seed in range(4):
            federation = simulated(tmp_path, f"seed={seed}", f"rounds.select={kind}", text=text)
            check_laws(federation)
            lost[kind] += sum(span.outcome == "dropped" for span in federation.context.spans)
    assert lost["energy-aware"] < lost["random"]
