"""Comings and goings have the laws that they name."""

from dataclasses import replace
from itertools import islice, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from wfl_sim.config.csv_tables import StepTrace
from wfl_sim.device_models.availability import Always, Diurnal, Markov, TraceAvailability
from wfl_sim.randomness import stream

HOUR = 3600.0


def recorded(tmp_path, text, encoding="utf-8"):
    (tmp_path / "there.csv").write_text(text, encoding)
    return TraceAvailability(path=str(tmp_path / "there.csv"))


@pytest.mark.parametrize("between", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_tables_are_read_as_spreadsheets_write_them(tmp_path, between, encoding):
    text = "device,start (s),end (s)\r\n0,1,2\r\n".replace(",", between)
    assert first(recorded(tmp_path, text, encoding), 1) == [(1, 2)]


def test_recorded_intervals_that_touch_are_one(tmp_path):
    trace = recorded(tmp_path, "device,start (s),end (s)\n0,0,5\n0,5,9\n0,9,12\n0,20,21\n")
    assert first(trace, 4) == [(0, 12), (20, 21)]


def test_what_a_recording_and_a_group_do_not_share_is_said(tmp_path):
    trace = recorded(tmp_path, "device,start (s),end (s)\n0,0,5\n2,0,5\n7,0,5\n")
    assert trace.unused(3) == (
        "no row of 1 of 3 devices: never there and rows of 1 device beyond the group, "
        "which are left out"
    )
    late = recorded(tmp_path, "device,start (s),end (s)\n0,1700000000,1700000005\n")
    assert late.unused(1) == "nobody there before 1,700,000,000 s, and a run begins at 0 s"
    over = replace(late, begins=1.8e9)
    assert (
        over.unused(1) == "nobody there after 1,700,000,005 s, and a run begins at 1,800,000,000 s"
    )
    assert recorded(tmp_path, "device,start (s),end (s)\n0,0,5\n").unused(1) == ""


def test_a_recording_by_another_clock_begins_where_that_is_said(tmp_path):
    text = "device,start (s),end (s)\n0,1700000000,1700000005\n0,1700000010,1700000020\n"
    trace = replace(recorded(tmp_path, text), begins=1_700_000_004.0)
    assert first(trace, 3) == [(0.0, 1.0), (6.0, 16.0)]
    assert trace.unused(1) == ""
    assert first(replace(trace, begins=1_700_000_005.0), 3) == [(5.0, 15.0)]


def first(kind, count, member=0, seed=0):
    return list(islice(kind.intervals(member, stream(seed, "availability", member)), count))


@pytest.mark.parametrize(
    "kind",
    [
        Always(),
        Markov(on=30.0, off=10.0),
        Diurnal(start=22 * HOUR, duration=8 * HOUR, spread=2 * HOUR),
        Diurnal(start=1 * HOUR, duration=8 * HOUR, begins=3 * HOUR),
    ],
    ids=lambda kind: type(kind).__name__,
)
def test_intervals_go_on_and_never_touch(kind):
    for member in range(20):
        found = first(kind, 50, member)
        assert found[0][0] >= 0
        assert all(end > start for start, end in found)
        assert all(b[0] > a[1] for a, b in pairwise(found))


def test_markov_stays_exponentially_long_and_away_exponentially_long():
    found = np.array(first(Markov(on=30.0, off=10.0), 4000))
    on, off = found[:, 1] - found[:, 0], found[1:, 0] - found[:-1, 1]
    assert stats.kstest(on, stats.expon(scale=30.0).cdf).pvalue > 0.01
    assert stats.kstest(off, stats.expon(scale=10.0).cdf).pvalue > 0.01


def test_markov_is_stationary_from_the_start():
    kind = Markov(on=30.0, off=10.0)
    for time in (0.0, 7.0, 60.0):
        there = [
            any(start <= time < end for start, end in first(kind, 20, member))
            for member in range(3000)
        ]
        # The standard error of a share of 0.75 over 3000 devices is 0.008.
        assert np.mean(there) == pytest.approx(0.75, abs=0.03)


def test_diurnal_is_there_at_its_hours():
    kind = Diurnal(start=22 * HOUR, duration=8 * HOUR, begins=20 * HOUR)
    assert first(kind, 2) == [(2 * HOUR, 10 * HOUR), (26 * HOUR, 34 * HOUR)]
    at_night = Diurnal(start=22 * HOUR, duration=8 * HOUR)
    assert first(at_night, 2) == [(0.0, 6 * HOUR), (22 * HOUR, 30 * HOUR)]


def test_habits_differ_by_up_to_the_spread_and_stay():
    kind = Diurnal(start=12 * HOUR, duration=HOUR, spread=2 * HOUR)
    starts = np.array([[start for start, _ in first(kind, 3, member)] for member in range(500)])
    shift = starts[:, 0] - 12 * HOUR
    assert stats.kstest(shift / HOUR, stats.uniform(-2, 4).cdf).pvalue > 0.01
    assert np.allclose(np.diff(starts, axis=1), 86400.0)


def test_a_recording_is_played_once(tmp_path):
    file = tmp_path / "there.csv"
    file.write_text("device,start (min),end (min)\n1,0,1\n0,1,2\n1,3,4\n")
    kind = TraceAvailability(path=str(file))
    assert first(kind, 9, 0) == [(60.0, 120.0)]
    assert first(kind, 9, 1) == [(0.0, 60.0), (180.0, 240.0)]
    assert first(kind, 9, 2) == []


@given(
    st.lists(st.tuples(st.floats(1e-3, 1e4), st.floats(0, 100)), min_size=1, max_size=6),
    st.floats(0, 1e7),
)
def test_steps_repeat_and_always_lead_on(steps, time):
    ends = np.cumsum([length for length, _ in steps])
    values = np.array([value for _, value in steps])
    found, until = StepTrace(ends, values).at(time)
    assert until > time
    phase = (0.5 * (time + until)) % ends[-1]
    if until - time > 1e-6 * time:
        assert found == values[np.searchsorted(ends, phase, side="right")]


def test_the_mean_of_steps_weighs_their_lengths():
    assert StepTrace(np.array([1.0, 4.0]), np.array([8.0, 4.0])).mean == 5.0
