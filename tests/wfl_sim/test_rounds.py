"""Who waits for whom: what each policy takes, drops and leaves untrained."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wfl_sim.churn import check_laws, of, simulated
from tests.wfl_sim.worlds import scenario
from wfl_sim.registry import LocatedError

FLEET = """
name: fleet
seed: 3
model: {kind: synthetic, payload: 2 Mbit, flops_per_step: 20 GFLOP}
method: {kind: pftt, local: {steps: 4}}
rounds: {kind: synchronous, count: 4, clients: 5}
cells: [{bandwidth: 10 MHz, channel: {pathloss: macro}}]
devices:
  - {count: 4, hardware: jetson-orin-nano, area: {radius: 300 m}}
  - {count: 3, hardware: raspberry-pi-5, area: {radius: 300 m}}
"""
"""A Raspberry Pi computes for 1.35 s, a Jetson for 0.27 s."""

OVER = "rounds={kind: over-selection, count: 4, clients: 6, take: 3}"


def aggregates(federation):
    return of(federation, "server", "aggregate")


def uploads(federation, number):
    """Return the whole uploads of a round in the order in which they ended."""
    spans = [
        s
        for s in federation.spans
        if (s.activity, s.round, s.outcome) == ("upload", number, "done")
    ]
    return sorted(spans, key=lambda span: span.end)


def check_plain_laws(federation):
    """The laws of churn, where uploads may also be on the wire when the run ends."""
    assert federation.traffic.received_up + federation.traffic.lost_up <= federation.traffic.sent_up
    for device in federation.devices:
        spans = of(federation, device.name)
        assert spans[0].start == 0
        assert spans[-1].end == federation.env.now
        assert all(a.end == b.start for a, b in pairwise(spans))


def test_over_selection_takes_the_first_uploads_and_no_more(tmp_path):
    federation = simulated(tmp_path, OVER, text=FLEET)
    check_laws(federation)
    bits = federation.devices[0].workload.upload_bits
    assert [span.bits for span in aggregates(federation)] == [3 * bits] * 4
    for number, span in enumerate(aggregates(federation)):
        third = uploads(federation, number)[2]
        # Over the wire: 2 Mbit at 1 Gbit/s, perhaps shared, and 2 ms.
        assert 0 < span.start - third.end < 0.002 + 3 * 0.002 + 1e-9


def test_who_is_called_off_is_dropped_and_never_learned(tmp_path):
    federation = simulated(tmp_path, OVER, text=FLEET)
    dropped = {(s.actor, s.round) for s in federation.spans if s.outcome == "dropped"}
    assert dropped
    assert not dropped & set(federation.plan.named)
    for span in federation.spans:
        if span.outcome == "dropped":
            assert span.end <= aggregates(federation)[span.round].end
    wasted = sum(s.joules for s in federation.spans if s.outcome == "dropped")
    assert wasted > 0


def test_over_selection_of_all_is_synchronous(tmp_path):
    federation = simulated(
        tmp_path, "rounds={kind: over-selection, count: 4, clients: 5, take: 5}", text=FLEET
    )
    assert federation.spans == simulated(tmp_path, text=FLEET).spans


def test_over_selection_is_quicker(tmp_path):
    quick = simulated(tmp_path, OVER, text=FLEET).env.now
    assert quick < simulated(tmp_path, "rounds.clients=6", text=FLEET).env.now


def test_fewer_than_taken_end_the_round_too(tmp_path):
    lost = "{kind: constant, rate: 1}"
    federation = simulated(tmp_path, OVER, f"cells.0.uplink.loss={lost}", text=FLEET)
    check_plain_laws(federation)
    assert aggregates(federation) == []
    assert federation.env.now > 0


def test_a_run_ends_at_a_simulated_time(tmp_path):
    whole = simulated(tmp_path, text=FLEET)
    end = (aggregates(whole)[1].end + aggregates(whole)[2].end) / 2
    for rounds in (f"{{until: {end} s}}", f"{{until: {end} s, count: 9}}"):
        federation = simulated(
            tmp_path, f"rounds={rounds}", "rounds.clients=5", "rounds.kind=synchronous", text=FLEET
        )
        assert federation.env.now == end
        assert len(aggregates(federation)) == 2
        assert {s.outcome for s in federation.spans if s.end == end} >= {"cut"}
        check_plain_laws(federation)


def test_a_count_may_come_before_the_time(tmp_path):
    whole = simulated(tmp_path, text=FLEET)
    again = simulated(tmp_path, "rounds.until=1 h", text=FLEET)
    assert again.spans == whole.spans


@given(
    rounds=st.sampled_from([OVER]),
    on=st.floats(0.5, 20),
    off=st.floats(0.1, 5),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=15, deadline=None)
def test_the_laws_hold_when_devices_come_and_go(tmp_path_factory, rounds, on, off, seed):
    federation = simulated(
        tmp_path_factory.mktemp("any"),
        rounds,
        f"seed={seed}",
        f"devices.0.availability={{kind: markov, on: {on} s, off: {off} s}}",
        f"devices.1.availability={{kind: markov, on: {on} s, off: {off} s}}",
        text=FLEET,
    )
    check_laws(federation)
    assert len(federation.measurements) == 0


@pytest.mark.parametrize(
    ("rounds", "path", "message"),
    [
        ("{kind: synchronous}", "count", "is missing: how many rounds, or `until`"),
        ("{kind: synchronous, count: 0}", "count", "must be at least 1, got 0"),
        ("{kind: over-selection, count: 1, take: 0}", "take", "must be at least 1, got 0"),
        (
            "{kind: over-selection, count: 1, clients: 2, take: 3}",
            "take",
            "must be at most `clients`, 2, got 3",
        ),
        (
            "{kind: over-selection, count: 1, take: 9}",
            "take",
            "must be at most the number of devices, 7, got 9",
        ),
        ("{kind: over-selection, count: 1, clients: 9, take: 2}", "clients", "at most the number"),
        ("{kind: synchronous, until: 0 s}", "until", "greater than 0"),
    ],
)
def test_bad_input_is_one_located_line(tmp_path, rounds, path, message):
    with pytest.raises((LocatedError, ValueError)) as caught:
        scenario(tmp_path, f"rounds={rounds}", text=FLEET)
    assert f"rounds.{path}: " in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
