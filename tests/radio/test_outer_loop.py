"""Outer-loop link adaptation: senders that learn from failures how far to trust what they know."""

import numpy as np
import pytest

import channel_models as cm
from tests.fixtures.runs import outcome
from wfl_sim.config.errors import ScenarioError
from wfl_sim.network.carriers.transfer import TransferRequest
from wfl_sim.network.carriers.transfer_progress import PlanRun, Progress
from wfl_sim.radio.bands.medium import RatePlan

FAST = """
name: fast
seed: 3
model: {kind: synthetic, payload: 1 Mbit, flops_per_step: 1 GFLOP}
method: {kind: fedit, local: {steps: 1}}
rounds: {kind: synchronous, count: 1}
cells:
  - bandwidth: 5 MHz
    channel: {pathloss: {kind: uma, condition: nlos}, shadowing: {sigma: 0 dB}, fading: rayleigh}
    uplink: {rate: mcs, allocator: equal}
devices:
  - {count: 2, hardware: jetson-orin-nano, area: {radius: 200 m}, speed: 5 m/s}
record: {radio: 3 ms}
"""
LOOP = "cells.0.uplink.rate={kind: mcs, outer_loop: {step: 0.2 dB}}"


@pytest.mark.parametrize("target", [0.05, 0.1])
def test_first_transmissions_fail_as_often_as_asked(target):
    """Knowledge that has nothing to do with the truth: the mean of the drift is zero."""
    rate = cm.McsRate(outer_loop=cm.OuterLoop(target=target, limit=40.0))
    rng, first = np.random.default_rng(5), np.arange(100)
    offset, errors = np.full(100, 12.0), []
    for _ in range(150):
        known, sinr = 30 * rng.exponential(size=(2, 100))
        seen = known * 10 ** (-offset / 10)
        errors.append(rate.first_errors(seen, sinr, np.ones(100), first)[1])
        offset = rate.learned(known, sinr, np.ones(100), first, offset, 0.5).offset_db
    assert np.mean(errors) == pytest.approx(target, abs=0.03)
    # What is above the target in all is what the offset has still risen by.
    rise = (offset.mean() - 12.0) * (1 - target) / (0.5 * len(errors))
    assert np.mean(errors) - target == pytest.approx(rise, abs=1e-9)


def test_many_blocks_of_one_channel_are_taken_in_small_moves():
    """Twenty blocks at once come to the offset to which one after the other comes."""
    rate = cm.McsRate(outer_loop=cm.OuterLoop(step=0.5))
    given = np.array([200.0]), np.array([20.0]), np.ones(1), np.zeros(1, dtype=int)
    _, efficiency, _, offset = rate.learned(*given, np.zeros(1), 60.0)
    slow, each = np.zeros(1), []
    for _ in range(60):
        _, found, _, slow = rate.learned(*given, slow, 1.0)
        each.append(found[0])
    assert offset == pytest.approx(slow, abs=0.6)
    assert efficiency[0] == pytest.approx(np.mean(each), rel=0.05)


def first_errors(result):
    rows = [
        row for row in result.radio if row.direction == "uplink" and row.first_error is not None
    ]
    return np.mean([row.first_error for row in rows[len(rows) // 5 :]])


@pytest.fixture(scope="module")
def without(tmp_path_factory):
    return outcome(tmp_path_factory.mktemp("without"), text=FAST)


def seconds(result):
    return result.totals["simulated_seconds"]


def test_errors_come_to_the_target_where_what_is_known_is_old(tmp_path, without):
    """At 5 m/s and 3.5 GHz 4 ms are a quarter of a period of the Doppler shift."""
    learned = outcome(tmp_path, LOOP, text=FAST)
    assert first_errors(without) > 0.25
    assert first_errors(learned) == pytest.approx(0.1, abs=0.03)
    # A tenth is less than what carries the most where nobody knows better.
    assert seconds(learned) > seconds(without)


def test_the_record_has_the_mean_of_what_the_loop_does_within_a_sample(tmp_path):
    """By default a failure moves it by 1 dB: the first block of a sample fails more often."""
    settings = (LOOP.replace("step: 0.2 dB", "target: 0.1"), "model.payload=4 Mbit")
    learned = outcome(tmp_path, *settings, "devices.0.count=1", text=FAST)
    assert first_errors(learned) == pytest.approx(0.1, abs=0.015)


def test_a_loop_of_no_step_changes_nothing(tmp_path, without):
    still = outcome(tmp_path, LOOP.replace("0.2", "0"), text=FAST)
    assert [(s.start, s.end) for s in still.spans] == [(s.start, s.end) for s in without.spans]


def test_coupled_cells_learn_too(tmp_path):
    cells = FAST.replace("cells:\n  - bandwidth", "cells:\n  - position: [4000, 0]\n    bandwidth")
    block = cells[cells.index("  - position") : cells.index("devices:")]
    both = cells.replace(block, block + block.replace("[4000, 0]", "[0, 0]"))
    settings = (LOOP.replace("cells.0", "cells.1"), "devices.0.count=1")
    assert first_errors(outcome(tmp_path, *settings, text=both)) < 0.25


def test_a_plan_that_is_cut_short_has_learned_its_part():
    progress = Progress()
    progress.add(TransferRequest([0], 100.0), 0.0, 100.0)
    ones = np.ones((2, 1))
    plan = RatePlan(
        until=np.array([1.0, 2.0]),
        rate=ones,
        average_rate=ones,
        time_constant=np.inf,
        duty=1.0,
        power=ones,
        sinr_db=ones,
        offset=np.array([[0.0], [2.0]]),
    )
    run = PlanRun(plan, progress.left, 0.0)
    for step, part, offset in ((0, 0.25, 0.5), (1, 0.5, 2.0)):
        run.advance(progress, step, part)
        assert progress.offset.tolist() == [offset]


def test_what_does_not_fit_is_one_line(tmp_path):
    with pytest.raises(ScenarioError, match=r"outer_loop.target: must be"):
        outcome(tmp_path, "cells.0.uplink.rate={kind: mcs, outer_loop: {target: 1}}", text=FAST)
