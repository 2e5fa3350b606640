"""Base stations that sleep: intervals worked by hand, waiting in the simulation, conservation."""

import numpy as np
import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fixtures.churn import simulated
from tests.fixtures.runs import BASE, outcome
from tests.network.test_mobility import span
from wfl_sim.config.errors import ScenarioError
from wfl_sim.network.carriers.access_procedure import BaseStationSleep
from wfl_sim.radio.power.base_station_power import EarthModel, Tr38864
from wfl_sim.scenario.loading import load
from wfl_sim.simulation.network_totals import station_joules

STATION = Tr38864(unit=2.0, light_after=0.5, deep_after=2.0)
LADDER = "cells.0.station={kind: tr-38864, unit: 2 W, light_after: 20 ms, deep_after: 200 ms}"


@pytest.mark.parametrize(
    ("rest", "asleep", "waking", "back"),
    [
        (0.4, 0.4 * 55, 0.0, 0.0),
        (0.5, 0.5 * 55, 0.0, 0.0),
        (1.5, 0.5 * 55 + 1.0 * 25, 3e-3, 25 * 3e-3 + 0.09),
        (5.0, 0.5 * 55 + 1.5 * 25 + 3.0 * 1, 25e-3, 1 * 25e-3 + 1.0),
    ],
)
def test_a_rest_by_hand(rest, asleep, waking, back):
    assert STATION.waking(rest) == pytest.approx(waking)
    assert STATION.resting(rest, woken=False) == pytest.approx(2 * asleep)
    assert STATION.resting(rest, woken=True) == pytest.approx(2 * (asleep + back))


def test_one_state_alone():
    deep = Tr38864(unit=1.0, deep_after=1.0)
    assert deep.resting(3.0, woken=False) == pytest.approx(55 + 2 * 1)
    light = Tr38864(unit=1.0, light_after=1.0)
    assert light.resting(3.0, woken=True) == pytest.approx(55 + 2 * 25 + 25 * 3e-3 + 0.09)
    assert not Tr38864(unit=1.0).sleeps
    assert EarthModel().waking(100.0) == 0


def test_a_run_by_hand():
    """A download after 1 s, an upload that waits from 4 s for a station in deep sleep."""
    spans = [span("download", 1.003, 1.5), span("upload", 4.0, 5.0)]
    wakings = [(1.0, 1.003), (4.0, 4.025)]
    found = station_joules(STATION, spans, "cell-0", 6.0, 40.0, wakings)
    first = 0.5 * 55 + 0.5 * 25 + 25 * 3e-3 + 0.09
    second = 0.5 * 55 + 1.5 * 25 + 0.5 * 1 + 25e-3 + 1.0
    last = 0.5 * 55 + 0.5 * 25
    assert found == pytest.approx(2 * (first + 280 * 0.497 + second + 110 * 0.975 + last))


def test_without_wakings_all_is_as_the_spans_say():
    spans = [span("download", 1, 3), span("upload", 2, 6)]
    found = station_joules(Tr38864(unit=1.0), spans, "cell-0", 10.0, 40.0)
    assert found == pytest.approx(55 * 5 + 280 + 335 + 110 * 3)


def test_the_first_transfer_waits_and_those_beside_it_for_the_same_moment():
    env = simpy.Environment()
    sleep = BaseStationSleep(env, STATION.waking)
    reported = []

    def asks(at):
        yield env.timeout(at)
        yield from sleep.awake()
        reported.append((at, env.now))
        sleep.note(0, True)
        yield env.timeout(1.0)
        sleep.note(0, False)

    for at in (3.0, 3.01, 4.5, 4.9, 5.0 + 1.025):
        env.process(asks(at))
    env.run()
    # Until 4.025 s and then until 5.9 s there is traffic; the rest after it is short.
    assert reported == [
        (3.0, 3.025),
        (3.01, 3.025),
        (4.5, 4.5),
        (4.9, 4.9),
        (pytest.approx(6.025), pytest.approx(6.025)),
    ]
    assert sleep.wakings == [(3.0, 3.025)]


def test_who_leaves_does_not_keep_the_others_waiting():
    env = simpy.Environment()
    sleep = BaseStationSleep(env, STATION.waking)
    up = []

    def asks(at):
        try:
            yield env.timeout(at)
            yield from sleep.awake()
            up.append(env.now)
        except simpy.Interrupt:
            pass

    first = env.process(asks(3.0))
    env.process(asks(3.01))

    def interrupts():
        yield env.timeout(3.02)
        first.interrupt()

    env.process(interrupts())
    env.run()
    assert up == [3.025]


def test_waking_up_delays_a_run(tmp_path):
    awake = outcome(tmp_path, "cells.0.station={kind: tr-38864, unit: 2 W}").totals
    asleep = outcome(tmp_path, LADDER).totals
    rounds = 3
    # Each round begins with a download after a rest, and has uploads after computing.
    delay = asleep["simulated_seconds"] - awake["simulated_seconds"]
    assert 0 < delay <= rounds * 2 * 25e-3 + 0.05
    saved = awake["infrastructure_joules"]["cell-0"] - asleep["infrastructure_joules"]["cell-0"]
    assert saved > 0


def test_nothing_sleeps_while_someone_waits_for_access(tmp_path):
    """Paging and random access take longer than `deep_after`, and computing does."""
    result = outcome(
        tmp_path,
        "cells.0.station={kind: tr-38864, unit: 2 W, deep_after: 100 ms}",
        "cells.0.access={paging_cycle: 2 s}",
        "rounds={kind: synchronous, count: 1, clients: 1}",
        "devices=[{count: 1, hardware: jetson-orin-nano}]",
    )
    spans = {each.activity: each for each in result.spans if each.actor == "device-0"}
    paged, down, up = spans["compute"].start, spans["download"], spans["upload"]
    assert down.start > 0.11
    rest, waking = up.start - down.end, 25e-3
    units = 55 * down.start + 280 * (paged - down.start)
    units += 55 * 0.1 + (rest - 0.1) + waking + 1.0
    units += 110 * (up.end - up.start - waking) + 55 * (result.totals["simulated_seconds"] - up.end)
    found = result.totals["infrastructure_joules"]["cell-0"]
    assert found == pytest.approx(2 * units, rel=1e-9)


@given(seed=st.integers(0, 300), light=st.floats(0, 0.3), more=st.floats(0.01, 1.0))
@settings(max_examples=20)
def test_every_second_is_counted_once(tmp_path_factory, seed, light, more):
    """With all states at one power and no transitions, joules are that power times the run."""
    federation = simulated(
        tmp_path_factory.mktemp("sleep"),
        f"seed={seed}",
        f"cells.0.station={{kind: tr-38864, unit: 1 W, light_after: {light} s, "
        f"deep_after: {light + more} s}}",
        "devices.0.availability={kind: markov, on: 2 s, off: 1 s}",
        text=BASE,
    )
    seconds, wakings = [], federation.base_station_sleeps["cell-0"].wakings

    class Flat:
        def resting(self, rest, *, woken):
            seconds.append(rest)
            return rest

        def joules(self, *, down, up, both, radiated):
            return down + up + both

    end = federation.env.now
    flat = station_joules(Flat(), federation.context.spans, "cell-0", end, 1.0, wakings)
    asleep = sum(stop - start for start, stop in wakings)
    # A download may go on while nobody wakes the station: wakings overlap with no traffic.
    assert flat + asleep == pytest.approx(end, rel=1e-9)
    assert all(np.diff([edge for interval in wakings for edge in interval]) > 0)
    station = Tr38864(unit=1.0, light_after=light, deep_after=light + more)
    assert {round(stop - start, 9) for start, stop in wakings} <= {3e-3, 25e-3}
    assert station_joules(station, federation.context.spans, "cell-0", end, 1.0, wakings) > 0


@pytest.mark.parametrize(
    ("station", "message"),
    [
        ("idle: deep, deep_after: 1 s", "idle: must be micro where it goes deeper, got deep"),
        (
            "light_after: 2 s, deep_after: 1 s",
            "deep_after: must be longer than light_after 2 s, got 1 s",
        ),
        ("light_after: -1 s", "light_after: must be at least 0 s, got -1 s"),
        ("light_after: 3 W", "light_after: '3 W' is not in s"),
    ],
)
def test_a_wrong_station_is_one_line(files, station, message):
    file = files.changed(
        "uplink:", f"station: {{kind: tr-38864, unit: 1 W, {station}}}\n    uplink:"
    )
    with pytest.raises(ScenarioError) as caught:
        load(file)
    said = files.short(caught.value)
    assert said.startswith(f"s.yaml:19: cells.0.station.{message}")
    assert "\n" not in said
