"""The delay of retransmissions against its law."""

import numpy as np
import pytest

import channel_models as cm
from tests.fixtures.runs import outcome, scenario
from tests.simulation.test_simulation import check_laws
from wfl_sim.radio.procedures.harq import Harq


@pytest.mark.parametrize("error", [0.02, 0.1, 0.5])
def test_transmissions_fail_as_chase_combining_says(error):
    """The first as asked, the i-th as one at i times the SINR: 3 dB, 4.8 dB and 6 dB more."""
    errors = Harq(error=error).errors
    assert errors[0] == pytest.approx(error)
    curve = cm.BlockErrors()
    grid = cm.db_to_linear(np.linspace(5, 25, 40_001))
    sinr = grid[np.abs(curve.code_block_error(grid, 14, 4000) - error).argmin()]
    for i in (2, 3, 4):
        expected = float(curve.code_block_error(i * sinr, 14, 4000))
        assert errors[i - 1] == pytest.approx(expected, rel=0.05, abs=1e-12)


def draws(harq, airtime, duty=1.0, count=4000):
    rng = np.random.default_rng(3)
    return np.array([harq.delay(airtime, 0.5e-3, duty, rng) for _ in range(count)]) / 0.5e-3


def test_one_block_is_late_by_a_round_trip_as_often_as_it_fails():
    late = draws(Harq(round_trip=8, error=0.2), 0.2e-3)
    assert set(late) == {0.0, 8.0}
    assert (late == 8).mean() == pytest.approx(0.2, abs=0.026)


def test_the_last_of_the_blocks_in_a_round_trip_that_fails_decides():
    """Failing j slots before the end adds 8 - j slots: P(late >= 8 - j) = 1 - 0.9^(j + 1)."""
    late = draws(Harq(round_trip=8, error=0.1), 1.0)
    assert set(late) <= set(range(9))
    for j in range(8):
        expected = 1 - 0.9 ** (j + 1)
        assert (late >= 8 - j).mean() == pytest.approx(expected, abs=0.032)


def test_in_turns_there_are_fewer_blocks_in_a_round_trip():
    late = draws(Harq(round_trip=10, error=0.1), 1.0, duty=0.2)
    assert set(late) == {0.0, 5.0, 10.0}
    assert (late > 0).mean() == pytest.approx(1 - 0.9**2, abs=0.032)


def test_repeated_failures_add_round_trips_up_to_the_most():
    harq = Harq(error=0.5, transmissions=3)
    object.__setattr__(harq, "errors", np.array([0.5, 0.5, 0.5]))
    late = draws(harq, 0.0)
    for trips, chance in ((0, 0.5), (1, 0.25), (2, 0.25)):
        assert (late == 8 * trips).mean() == pytest.approx(chance, abs=0.032)


def test_a_transfer_ends_by_whole_slots_later_and_nothing_else_changes(tmp_path):
    settings = "cells.0.channel.fading=static", "rounds.count=1", "model.payload=200 kbit"

    def uploads(*more):
        result = outcome(tmp_path, *settings, *more)
        check_laws(result)
        return {s.actor: s for s in result.spans if s.activity == "upload"}

    plain, late = uploads(), uploads("cells.0.uplink.harq={error: 0.5}")
    assert uploads("cells.0.uplink.harq=null") == plain
    slots = [(late[who].end - plain[who].end) / 0.5e-3 for who in plain]
    assert max(slots) > 1
    assert slots == pytest.approx(np.round(slots), abs=1e-6)
    assert all(late[who].bits == plain[who].bits for who in plain)


def test_it_is_of_licensed_radio(tmp_path):
    with pytest.raises(ValueError, match=r"uplink\.harq: that is of NR, and not beside"):
        scenario(tmp_path, "cells=[{wired: 1 Gbit/s, uplink: {harq: {}}}]")
