"""The way onto the air: power control, duplex, granularity, delays, headers, lost updates."""

import numpy as np
import pytest

import channel_models as cm
from tests.fixtures.runs import outcome, scenario
from tests.radio.test_ofdma import BLOCK, BLOCKS, NOISE, finish, make_band
from tests.simulation.test_simulation import check_laws
from wfl_sim.config.errors import LocatedError
from wfl_sim.radio.allocation import EqualShare, MaxCI, ProportionalFair
from wfl_sim.radio.bands.band import build_band
from wfl_sim.radio.bands.block_groups import Subbands
from wfl_sim.radio.cell import CellConfig
from wfl_sim.radio.power.power_control import PowerControl
from wfl_sim.radio.power.transmit_power import DevicePower, per_held_block
from wfl_sim.radio.procedures.update_loss import ConstantLoss, Never, Waterfall
from wfl_sim.simulation.placement import place

STATIC = "cells.0.channel.fading=static"
IDLE_NET = ("rounds.count=1", "rounds.clients=1", STATIC)


def uploads(result):
    return [span for span in result.spans if span.activity == "upload"]


def band_with(gains, **changes):
    made = make_band(gains)
    for name, value in changes.items():
        object.__setattr__(made, name, value)
    return made


def test_power_control_is_the_formula_of_ts_38_213():
    """P0 + 10 log10(2^mu M) + alpha PL dBm, on 10 blocks at 30 kHz and 110 dB."""
    control = PowerControl(target=1e-11, alpha=0.8)
    rule = DevicePower(np.array([10.0]), np.array([control.density(1e-11, 360e3)]))
    watts = 10 * rule.per_block(np.array([0]), np.array([10.0]))
    expected = -80 + 10 * np.log10(2 * 10) + 0.8 * 110
    assert float(cm.watt_to_dbm(watts[0])) == pytest.approx(expected)


def test_full_compensation_makes_all_devices_alike_where_power_allows():
    gains = np.array([1e-10, 1e-11, 1e-13])
    density = PowerControl(target=1e-12, alpha=1.0).density(gains, 360e3)
    rule = DevicePower(np.full(3, 0.2), np.asarray(density))
    received = rule.per_block(np.arange(3), np.full(3, 2.0)) * gains
    assert received[:2] == pytest.approx(2e-12)
    assert received[2] == pytest.approx(0.1 * 1e-13)  # at its limit: 0.2 W on two blocks
    assert (per_held_block(rule, np.arange(3), np.zeros(3), np.ones(3)) == 0).all()


def test_controlled_power_is_what_is_radiated_and_what_the_rate_sees():
    gains, density = [1e-11], 1e-4
    (sent,) = finish(band_with(gains, power=DevicePower(np.array([0.2]), np.array([density]))),
                     [([0], 1e6)])  # fmt: skip
    rate = BLOCKS * BLOCK * np.log2(1 + density * gains[0] / (NOISE * BLOCK))
    assert sent.end == pytest.approx(1e6 / rate, rel=1e-9)
    assert sent.radiated == pytest.approx(BLOCKS * density * sent.end, rel=1e-9)


def test_power_control_trades_time_for_power(tmp_path):
    """At -105 dBm the uploads last longer, and their mean SINR is lower."""
    full = outcome(tmp_path)
    quiet = outcome(tmp_path, "cells.0.uplink.power_control={target: -105 dBm, alpha: 0.8}")
    check_laws(quiet)
    assert quiet.totals["simulated_seconds"] > full.totals["simulated_seconds"]

    def heard(result):
        return np.mean([span.mean_sinr_db for span in uploads(result)])

    assert heard(quiet) < heard(full) - 3


def test_time_division_gives_each_direction_its_share_of_the_time(tmp_path):
    """DDDSU with 10:2:2 has 3.71 slots of five down and 1.14 up."""
    both = outcome(tmp_path, *IDLE_NET)
    turns = outcome(tmp_path, *IDLE_NET, "cells.0.tdd={pattern: DDDSU}")
    check_laws(turns)
    (alone,), (shared,) = uploads(both), uploads(turns)
    assert shared.end - shared.start == pytest.approx((alone.end - alone.start) * 70 / 16)
    assert shared.mean_sinr_db == pytest.approx(alone.mean_sinr_db)
    # The transmitter is on for as long as without turns; the rest of the device idles longer.
    rest = next(s for s in turns.spans if s.actor == shared.actor and s.activity == "wait")
    idle = rest.joules / (rest.end - rest.start)
    longer = (shared.end - shared.start) - (alone.end - alone.start)
    assert shared.joules - alone.joules == pytest.approx(idle * longer, rel=1e-6)


def test_a_channel_shared_in_time_is_reciprocal():
    def gains(direction, tdd):
        made = build_band(
            direction,
            CellConfig(tdd=tdd),
            "cell-0",
            seed=3,
            gains=np.ones(2),
            speeds=np.full(2, 1.0),
            power=DevicePower(np.ones(2), np.full(2, np.inf)),
        )
        return made.channel.gain(np.arange(2), 5, 3)

    tdd = cm.TddPattern()
    assert (gains("uplink", tdd) == gains("downlink", tdd)).all()
    assert (gains("uplink", None) != gains("downlink", None)).any()


def test_cells_share_the_memory_of_samples():
    """Of a hundred links, a cell of 19 holds 64 samples at a time, as 33 MB over 19 allow."""

    def held(cells):
        made = build_band(
            "uplink",
            CellConfig(),
            "cell-0",
            seed=3,
            gains=np.ones(100),
            speeds=np.full(100, 1.0),
            power=DevicePower(np.ones(100), np.full(100, np.inf)),
            cells=cells,
        )
        asked = made.channel.fading(np.arange(100), 5, 3)
        (block,) = made.channel._samples.values()
        return asked, len(block._values)

    (alone, whole), (among, part) = held(1), held(19)
    assert (alone == among).all()
    assert (whole, part) == (256, 64)


def test_units_report_means_and_give_to_all_their_blocks():
    units = Subbands(5, 2)
    assert units.count == 3
    values = np.array([[1.0, 3.0, 5.0, 7.0, 9.0]]).T
    assert units.to_units(values).T.tolist() == [[2.0, 6.0, 9.0]]
    assert units.to_blocks(np.array([[1.0, 0.0, 0.5]])).tolist() == [[1.0, 1.0, 0.0, 0.0, 0.5]]


def test_finer_scheduling_finds_more_capacity():
    """Max C/I on fading that differs between blocks: per block beats pairs beats wideband."""

    def bits(subband):
        made = make_band(
            [1e-13] * 6,
            direction="downlink",
            fading=cm.Rayleigh(profile="tdl-c", delay_spread=1e-6),
            doppler=5.0,
            step=0.01,
            allocator=MaxCI(),
            blocks=24,
        )
        object.__setattr__(made, "subband", subband)
        sent = finish(made, [([link], 2e6) for link in range(6)])
        return 12e6 / max(each.end for each in sent)

    fine, pairs, wide = bits(1), bits(8), bits(24)
    assert fine > 1.02 * pairs > 1.02 * wide


@pytest.mark.parametrize("allocator", [EqualShare(), ProportionalFair(), MaxCI()])
def test_wideband_on_a_flat_channel_is_what_blocks_are(allocator):
    ends = []
    for subband in (1, 4, BLOCKS):
        made = make_band([1e-12, 4e-13], direction="downlink", allocator=allocator)
        object.__setattr__(made, "subband", subband)
        ends.append([each.end for each in finish(made, [([0], 1e6), ([1], 1e6)])])
    if not isinstance(allocator, ProportionalFair):
        assert ends[1] == pytest.approx(ends[0], rel=1e-9)
        assert ends[2] == pytest.approx(ends[0], rel=1e-9)
    assert max(ends[2]) == pytest.approx(max(ends[0]), rel=0.1)


def test_access_takes_its_time_and_headers_their_bits(tmp_path):
    plain = outcome(tmp_path, *IDLE_NET)
    slow = outcome(
        tmp_path, *IDLE_NET, "cells.0.uplink.access_delay=50 ms", "cells.0.uplink.header=0.04"
    )
    check_laws(slow)
    (before,), (after,) = uploads(plain), uploads(slow)
    lasted = (before.end - before.start) * 1.04 + 0.05
    assert after.end - after.start == pytest.approx(lasted, rel=1e-6)
    assert after.bits == before.bits
    down = outcome(tmp_path, *IDLE_NET, "cells.0.downlink.header=0.1")
    assert down.totals["bits"] == plain.totals["bits"]


@pytest.mark.parametrize(("share", "together"), [(1, 6), (0.5, 3), (0.34, 3), (0.01, 1)])
def test_a_broadcast_to_a_share_of_the_receivers_leaves_out_the_worst(tmp_path, share, together):
    """The best gains hear at one time, at the rate of the worst of them; the others apart."""
    settings = (STATIC, "rounds={kind: synchronous, count: 1}", f"cells.0.downlink.share={share}",
                "cells.0.downlink.rate=shannon")  # fmt: skip
    result = outcome(tmp_path, *settings)
    check_laws(result)
    placed = place(scenario(tmp_path, *settings))
    spans = {s.actor: s for s in result.spans if s.activity == "download"}
    order = [f"device-{i}" for i in np.argsort(-placed.gains[0])]
    ends = [round(spans[name].end, 9) for name in order]
    assert len(set(ends[:together])) == 1
    assert len(set(ends)) == 1 + len(order) - together
    sinr = [spans[name].mean_sinr_db for name in order[:together]]
    assert sinr == pytest.approx([sinr[0]] * together)
    assert result.totals["bits"]["sent_down"] == 2_000_000 * (1 + len(order) - together)


def test_lost_updates_cost_time_and_joules_and_are_not_aggregated(tmp_path):
    whole = outcome(tmp_path)
    lost = outcome(tmp_path, "cells.0.uplink.loss={kind: constant, rate: 1}")
    assert {span.outcome for span in uploads(lost)} == {"lost"}
    assert lost.totals["bits"]["sent_up"] == whole.totals["bits"]["sent_up"]
    assert lost.totals["bits"]["received_up"] == 0
    assert all(span.joules > 0 for span in uploads(lost))
    assert not [span for span in lost.spans if span.activity == "aggregate"]


def test_some_are_lost_the_others_arrive(tmp_path):
    some = outcome(tmp_path, "cells.0.uplink.loss={kind: constant, rate: 0.4}", "rounds.count=20")
    spans = uploads(some)
    lost = sum(span.outcome == "lost" for span in spans)
    assert 0.25 < lost / len(spans) < 0.55
    arrived = sum(span.bits for span in spans if span.outcome == "done")
    assert some.totals["bits"]["received_up"] == arrived
    assert sum(s.bits for s in some.spans if s.activity == "aggregate") == arrived


def test_the_three_readings_of_the_waterfall_threshold():
    """At 250 m and 0.11 uW of interference: q = 0.50; read as a linear 0.023 it were 0.016."""
    sinr_db = float(10 * np.log10(0.01 * 250.0**-2 / 1.1e-7))
    assert Waterfall().threshold == pytest.approx(1.0053, abs=1e-4)
    assert Waterfall().probability(sinr_db) == pytest.approx(0.50, abs=0.005)
    assert Waterfall(threshold=1.08).probability(sinr_db) == pytest.approx(0.52, abs=0.005)
    assert Waterfall(threshold=0.023).probability(sinr_db) == pytest.approx(0.016, abs=5e-4)
    assert Never().probability(-30.0) == 0
    assert ConstantLoss(rate=0.3).probability(50.0) == 0.3


def test_rates_of_an_mcs_table_are_slower_than_shannons(tmp_path):
    shannon = outcome(tmp_path, STATIC, "cells.0.uplink.rate=shannon")
    mcs = outcome(tmp_path, STATIC, "cells.0.uplink.rate={kind: mcs, table: 64qam}")
    check_laws(mcs)
    assert mcs.totals["simulated_seconds"] > shannon.totals["simulated_seconds"]


@pytest.mark.parametrize("allocator", ["max-ci", "round-robin", "weighted", "earliest-deadline",
    "hungarian", "minimum-makespan", "{kind: fixed, channels: 3}",
    "{kind: minimum-energy, within: 2 s}", "{kind: proportional-fair, turns: 1}"])  # fmt: skip
def test_every_allocator_carries_a_scenario_to_its_end(tmp_path, allocator):
    check_laws(outcome(tmp_path, f"cells.0.uplink.allocator={allocator}"))


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("cells.0.uplink.allocator=fair", "unknown allocator 'fair'"),
        ("cells.0.uplink.subband=-1", "must not be negative"),
        ("cells.0.tdd={pattern: DDDD}", "leaves no symbol for the uplink"),
        ("cells.0.tdd={pattern: DXU}", "must be made of D, S and U"),
        ("cells.0.tdd={pattern: UU}", "leaves no symbol for the downlink"),
        ("cells.0.carrier=10 GHz", "carrier: must be at most 7.125 GHz (FR1) or between 24.25"),
        ("cells.0.bandwidth=7 MHz", "bandwidth: must be one of 5, 10, 15"),
        ("cells.0.subcarrier_spacing=120 kHz", "subcarrier_spacing: must be one of 15, 30, 60"),
        ("cells=[{carrier: 3.5 GHz}, {carrier: 3.51 GHz}]", "overlaps with the band of cell 0"),
        ("cells.0.ideal_blocks=0", "ideal_blocks: must be from 1 to 1000, got 0"),
        ("cells.0.uplink.subband=25", "must be at most the 24 resource blocks of the band"),
        ("cells.0.downlink.overhead=1", "overhead: must be below 1"),
        ("cells.0.uplink.csi_error=1.5", "csi_error: must be at most 1, got 1.5"),
        ("cells.0.uplink.csi_delay=-1 ms", "csi_delay: must be at least 0 s"),
        ("cells.0.uplink.block_snr=3 W", "block_snr: '3 W' is not in dB"),
        ("cells.0.uplink.allocator={kind: fixed, channels: 0}", "must be at least 1"),
        (
            "cells.0.uplink.allocator={kind: minimum-energy, within: 1 s, reserve: 1.5}",
            "must be less than 1",
        ),
        ("cells.0.uplink.loss={kind: constant, rate: 2}", "rate"),
        ("cells.0.uplink.power_control={alpha: 2}", "alpha"),
    ],
)
def test_bad_values_are_one_located_line(tmp_path, setting, complaint):
    with pytest.raises(ValueError, match=r"cells") as error:
        scenario(tmp_path, setting)
    assert complaint in str(error.value)
    assert not isinstance(error.value, LocatedError)


def test_a_lone_device_at_the_top_of_the_table_has_the_peak_rate_of_ts_38_306(tmp_path):
    """MCS 28 on 24 blocks of 30 kHz: Q_m R 12 N_PRB / T_s (1 - 0.08), T_s with cyclic prefix."""
    result = outcome(
        tmp_path, *IDLE_NET, "cells.0.uplink.rate=mcs", "cells.0.channel.shadowing={sigma: 0 dB}",
        "devices.0.area={kind: positions, at: [[40, 0], [40, 0], [40, 0], [40, 0]]}",
        "devices.1.area={radius: 41 m, min_distance: 40 m}",
    )  # fmt: skip
    (span,) = uploads(result)
    peak = cm.peak_rate(24, 30e3, 6, 0.08)
    assert span.bits / (span.end - span.start) == pytest.approx(peak, rel=1e-6)


def test_ideal_blocks_are_a_band_of_any_width_in_ideal_hz():
    cell = CellConfig(bandwidth=1e6, ideal_blocks=5)
    assert (cell.blocks, cell.block_bandwidth) == (5, 200e3)
    assert cell.symbol_rate("uplink") == pytest.approx(200e3 * 0.92)
    nr = CellConfig()
    assert nr.symbol_rate("uplink") == pytest.approx(360e3 * 0.92 * 14 / 15)
