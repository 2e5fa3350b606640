"""Whole network simulations: conservation, order, determinism, common random numbers."""

import csv
import gc
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fixtures.runs import outcome, scenario
from wfl_sim.config.errors import LocatedError
from wfl_sim.results import digest_spans
from wfl_sim.simulation import simulation
from wfl_sim.simulation.placement import place
from wfl_sim.simulation.simulation import Simulation

GOLDEN = Path(__file__).parent / "golden" / "synthetic.csv"


def by_actor(spans):
    actors = defaultdict(list)
    for span in spans:
        actors[span.actor].append(span)
    return actors


def check_laws(result):
    """What holds for every run."""
    end = result.totals["simulated_seconds"]
    for actor, spans in by_actor(result.spans).items():
        ordered = sorted(spans, key=lambda span: span.start)
        assert all(span.end > span.start for span in ordered)
        assert all(a.end <= b.start for a, b in pairwise(ordered))
        if actor.startswith("device-"):
            assert ordered[0].start == 0
            assert ordered[-1].end == end
            assert all(a.end == b.start for a, b in pairwise(ordered))
    joules = sum(span.joules for span in result.spans)
    assert joules == pytest.approx(sum(result.totals["joules"].values()), rel=1e-9)
    bits, sums = result.totals["bits"], defaultdict(int)
    for span in result.spans:
        sums[span.activity] += span.bits
    assert sums["upload"] == bits["sent_up"] == bits["received_up"] == sums["aggregate"]
    assert sums["download"] == bits["received_down"]


def test_the_laws_hold(tmp_path):
    check_laws(outcome(tmp_path))


@given(
    clients=st.integers(0, 6),
    rounds=st.integers(1, 3),
    speed=st.sampled_from(["0 km/h", "3 km/h", "30 km/h"]),
    allocator=st.sampled_from(["equal", "proportional-fair"]),
    broadcast=st.booleans(),
    method=st.sampled_from(["pftt", "fedit", "local-only"]),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=25)
def test_the_laws_hold_for_any_scenario(
    tmp_path_factory, clients, rounds, speed, allocator, broadcast, method, seed
):
    result = outcome(
        tmp_path_factory.mktemp("any"),
        f"rounds.clients={clients}",
        f"rounds.count={rounds}",
        f"devices.0.speed={speed}",
        f"cells.0.uplink.allocator={allocator}",
        f"cells.0.downlink.broadcast={str(broadcast).lower()}",
        f"method={method}",
        f"seed={seed}",
    )
    check_laws(result)
    participants = clients or 6
    computed = [span for span in result.spans if span.activity == "compute"]
    assert len(computed) == participants * rounds
    if method == "local-only":
        assert result.totals["bits"]["sent_up"] == 0


def test_every_participant_downloads_computes_uploads_in_this_order(tmp_path):
    result = outcome(tmp_path)
    for actor, spans in by_actor(result.spans).items():
        for number in range(3):
            did = [s.activity for s in spans if s.round == number and s.activity != "wait"]
            if actor == "server":
                assert did == ["aggregate"]
            else:
                assert did in ([], ["download", "compute", "upload", "backhaul"])


def test_compute_lasts_what_the_hardware_needs(tmp_path):
    result = outcome(tmp_path)
    jetson = 4 * 20e9 / (1.28e12 * 0.25) + 4 * 5e-3
    pi = 4 * 20e9 / (153.6e9 * 0.39) + 4 * 2e-3
    for span in result.spans:
        if span.activity == "compute":
            expected = pi if span.actor in ("device-4", "device-5") else jetson
            assert span.end - span.start == pytest.approx(expected, rel=1e-9)
            assert span.flops == 80e9
            watts = 9.0 if span.actor in ("device-4", "device-5") else 14.0
            assert span.joules == pytest.approx(watts * expected, rel=1e-9)


def test_garbage_is_collected_among_what_a_run_makes_alone(tmp_path, monkeypatch):
    seen, own = [], gc.get_freeze_count()
    go = simulation.run_federation
    monkeypatch.setattr(
        simulation,
        "run_federation",
        lambda *some: seen.append((gc.isenabled(), gc.get_freeze_count() > 0)) or go(*some),
    )
    gc.unfreeze()
    try:
        outcome(tmp_path)
        assert seen == [(True, True)]
        assert gc.isenabled()
        assert gc.get_freeze_count() == 0
    finally:
        if own:
            gc.freeze()


def test_two_runs_are_equal_to_the_bit(tmp_path):
    assert digest_spans(outcome(tmp_path).spans) == digest_spans(outcome(tmp_path).spans)


def test_another_seed_is_another_run(tmp_path):
    other = outcome(tmp_path, "seed=6")
    assert digest_spans(outcome(tmp_path).spans) != digest_spans(other.spans)


def test_one_device_more_leaves_positions_and_gains_unchanged(tmp_path):
    few = place(scenario(tmp_path))
    more = place(scenario(tmp_path, "devices.1.count=3"))
    assert (more.positions[:6] == few.positions).all()
    assert (more.gains[:, :6] == few.gains).all()


def test_the_same_cohort_meets_the_same_channel_under_another_allocator(tmp_path):
    fair = outcome(tmp_path)
    equal = outcome(tmp_path, "cells.0.uplink.allocator=equal")

    def first_downloads(result):
        return [
            (s.actor, s.end, s.mean_rate)
            for s in result.spans
            if s.activity == "download" and s.round == 0
        ]

    assert first_downloads(fair) == first_downloads(equal)


def test_more_bandwidth_never_ends_later(tmp_path):
    ends = [
        outcome(tmp_path, f"cells.0.bandwidth={band} MHz").totals["simulated_seconds"]
        for band in (5, 10, 20, 40)
    ]
    assert ends == sorted(ends, reverse=True)


def test_a_device_out_of_reach_is_refused_before_anything_runs(tmp_path):
    far = scenario(tmp_path, "devices.1.area={radius: 60 km, min_distance: 59 km}")
    with pytest.raises(LocatedError, match=r"device-4 is out of reach: -\d+ dB mean SNR") as error:
        Simulation(far, network_only=True)
    assert error.value.path == ("devices", 1)


def test_a_broadcast_is_sent_once(tmp_path):
    once = outcome(tmp_path).totals["bits"]
    each = outcome(tmp_path, "cells.0.downlink.broadcast=false").totals["bits"]
    assert once["sent_down"] == 3 * 2_000_000
    assert each["sent_down"] == once["received_down"] == 12 * 2_000_000


def test_a_slow_backhaul_delays_the_round(tmp_path):
    fast = outcome(tmp_path).totals["simulated_seconds"]
    slow = outcome(tmp_path, "cells.0.backhaul.latency=1 s").totals["simulated_seconds"]
    # Three rounds, there and back; the radio meets another channel at other times.
    assert 5.5 < slow - fast < 7.0


def test_two_cells_serve_their_own(tmp_path):
    result = Simulation(
        scenario(tmp_path, "cells=[{position: [-500, 0]}, {position: [500, 0]}]"),
        network_only=True,
    ).run()
    check_laws(result)
    placed = place(scenario(tmp_path, "cells=[{position: [-500, 0]}, {position: [500, 0]}]"))
    cells = {span.actor: span.cell for span in result.spans if span.activity == "upload"}
    for device, cell in cells.items():
        assert cell == f"cell-{placed.serving[int(device.split('-')[1])]}"
    assert (placed.gains.max(axis=0) == placed.gains[placed.serving, range(6)]).all()


def test_the_trace_is_as_it_was(tmp_path, update_golden):
    """A readable trace: a change of the physics shows as a diff of this file."""
    rows = [
        [s.actor, s.activity, s.round, f"{s.start:.6f}", f"{s.end:.6f}", s.bits, f"{s.joules:.6f}"]
        for s in outcome(tmp_path).spans
    ]
    if update_golden:
        GOLDEN.parent.mkdir(exist_ok=True)
        with GOLDEN.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
    with GOLDEN.open() as file:
        golden = list(csv.reader(file))
    measured = (3, 4, 6)  # start, end, joules
    for row, kept in zip(rows, golden, strict=True):
        assert [str(value) for i, value in enumerate(row) if i not in measured] == [
            value for i, value in enumerate(kept) if i not in measured
        ]
        # The last digit differs between processors: products and sines in single precision.
        assert [float(row[i]) for i in measured] == pytest.approx(
            [float(kept[i]) for i in measured], abs=2e-6
        )
