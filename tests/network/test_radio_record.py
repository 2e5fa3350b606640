"""Samples of the radio: what they say of a transfer, and that they change nothing else."""

import numpy as np
import pytest

import channel_models as cm
from tests.fixtures.runs import BASE, outcome
from wfl_sim.network.context import RadioRecord
from wfl_sim.radio.bands.medium import RatePlan

RECORD = "record={radio: 2 ms}"
MCS = "cells.0.uplink={rate: mcs, allocator: proportional-fair, csi_delay: 4 ms}"
WALK = "devices.0.speed=10 km/h"
TWO = BASE.replace(
    "cells:\n  - bandwidth",
    "cells:\n  - bandwidth: 10 MHz\n    position: [500 m, 0 m]\n"
    "    channel: {pathloss: macro, shadowing: {sigma: 6 dB}, "
    "fading: {kind: rayleigh, profile: tdl-a}}\n  - bandwidth",
)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return outcome(tmp_path_factory.mktemp("record"), RECORD, MCS, WALK)


def test_recording_changes_no_other_row(result, tmp_path):
    plain = outcome(tmp_path, MCS, WALK)
    assert plain.radio == ()
    assert result.spans == plain.spans
    assert result.levels == plain.levels


def test_rates_add_up_to_the_bits_that_were_sent(result):
    for direction, activity in (("uplink", "upload"), ("downlink", "download")):
        spans = [span for span in result.spans if span.activity == activity]
        rows = [row for row in result.radio if row.direction == direction]
        sent = sum(row.rate for row in rows) * 0.002
        assert sent == pytest.approx(sum(span.bits for span in spans), rel=0.1)
        for row in rows:
            assert any(s.actor == row.device and s.start - 1e-9 <= row.time < s.end for s in spans)
            assert row.time / 0.002 == pytest.approx(round(row.time / 0.002))


def test_the_sinr_of_a_span_is_the_mean_in_time_of_that_of_the_mean_over_blocks(result):
    """Of a broadcast it is that of the worst receiver."""
    for span in (span for span in result.spans if span.activity in ("upload", "download")):
        at: dict[float, list[float]] = {}
        for row in result.radio:
            mine = row.device == span.actor if span.activity == "upload" else True
            of = row.direction == ("uplink" if span.activity == "upload" else "downlink")
            if mine and of and span.start <= row.time < span.end and row.sinr_db is not None:
                at.setdefault(row.time, []).append(row.sinr_db)
        if len(at) > 5:
            assert span.mean_sinr_db == pytest.approx(np.mean([*map(min, at.values())]), abs=0.3)


def test_no_block_is_held_twice_and_none_is_left_over(result):
    held: dict[float, list[int]] = {}
    whole: dict[float, float] = {}
    for row in result.radio:
        if row.direction == "uplink":
            held.setdefault(row.time, []).extend(row.blocks)
            whole[row.time] = whole.get(row.time, 0.0) + row.held
            assert row.held <= len(row.blocks) == len(row.block_sinr_db)
    for time, blocks in held.items():
        assert sorted(set(blocks)) == list(range(24))
        assert whole[time] == pytest.approx(24)  # those on which two are equal are shared


def test_the_sinr_of_a_sample_is_that_before_a_command_changes_the_power(tmp_path):
    """A sample is taken when its plan ends, which a command of the closed loop makes it do."""
    control = "cells.0.uplink.power_control={target: -110 dBm, closed: {sinr: 10 dB}}"
    rows = outcome(tmp_path, RECORD, "cells.0.uplink.allocator=equal", control, WALK).radio
    sent = [row for row in rows if row.direction == "uplink" and row.held == len(row.blocks) > 0]
    assert np.ptp([row.sinr_db for row in sent]) > 3.0
    symbols = 12 * 30e3 * 14 / 15 * (1 - 0.08)
    for row in sent:
        each = cm.ShannonGap().spectral_efficiency(cm.db_to_linear(np.array(row.block_sinr_db)))
        assert row.rate == pytest.approx(symbols * each.sum(), rel=1e-4)


def test_schemes_and_errors_are_those_of_the_blocks(result):
    rows = [row for row in result.radio if row.direction == "uplink" and row.blocks]
    errors, betas = cm.McsRate().errors, cm.eesm_beta("64qam")
    assert len({row.mcs for row in rows}) > 3
    alone = [row for row in rows if row.held == len(row.blocks)]
    assert len(alone) > 0.9 * len(rows)  # a shared block counts by its share
    for row in alone[::5]:
        sinr = cm.db_to_linear(np.array(row.block_sinr_db))
        assert row.sinr_db == pytest.approx(float(cm.linear_to_db(sinr.mean())), abs=1e-4)
        effective = cm.exponential_effective_sinr(sinr, betas[row.mcs])
        expected = errors.code_block_error(effective, row.mcs, 4000)
        assert row.first_error == pytest.approx(float(expected), rel=2e-3, abs=1e-12)
    assert all(row.mcs is None for row in result.radio if row.direction == "downlink")


def test_coupled_cells_have_samples_of_their_own_devices(tmp_path):
    result, plain = outcome(tmp_path, RECORD, text=TWO), outcome(tmp_path, text=TWO)
    assert result.spans == plain.spans
    served = {(span.actor, span.cell) for span in result.spans if span.cell}
    assert {(row.device, row.cell) for row in result.radio} == served
    assert {row.cell for row in result.radio} == {"cell-0", "cell-1"}


def test_a_moment_at_the_seam_of_two_plans_is_sampled_once():
    record = RadioRecord(0.1)
    facts = {"cell": "cell-0", "direction": "uplink", "rate": 1.0, "sinr_db": None, "mcs": None}
    facts |= {"first_error": None, "held": 0.0, "blocks": (), "block_sinr_db": ()}
    none = np.zeros((2, 1))
    for start, until, end in ((0.0, [0.1, 0.25], 0.2), (0.2, [0.3, 0.4], 0.4)):
        plan = RatePlan(
            np.array(until), none, none, 1.0, 1.0, none, none, samples=[lambda: [(0, facts)]] * 2
        )
        record.note(plan, start, end)
    assert [row.time for row in record.rows] == pytest.approx([0.0, 0.1, 0.2, 0.3])
