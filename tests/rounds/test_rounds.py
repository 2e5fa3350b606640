"""Who waits for whom: what each policy takes, drops and leaves untrained."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fixtures.churn import check_laws, of, simulated
from tests.fixtures.runs import scenario
from wfl_sim.config.errors import LocatedError
from wfl_sim.execution.plan import NetworkOnly

FLEET = """
name: fleet
seed: 3
model: {kind: synthetic, payload: 2 Mbit, flops_per_step: 20 GFLOP}
method: {kind: pftt, local: {steps: 4}}
rounds: {kind: synchronous, count: 4, clients: 5}
cells: [{bandwidth: 10 MHz, channel: {pathloss: macro, shadowing: {sigma: 6 dB}}}]
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
        for s in federation.context.spans
        if (s.activity, s.round, s.outcome) == ("upload", number, "done")
    ]
    return sorted(spans, key=lambda span: span.end)


def check_plain_laws(federation):
    """The laws of churn, where uploads may also be on the wire when the run ends."""
    assert (
        federation.context.traffic.received_up + federation.context.traffic.lost_up
        <= federation.context.traffic.sent_up
    )
    for device in federation.devices:
        spans = of(federation, device.name)
        assert spans[0].start == 0
        assert spans[-1].end == federation.env.now
        assert all(a.end == b.start for a, b in pairwise(spans))


def test_over_selection_takes_the_first_uploads_and_no_more(tmp_path):
    federation = simulated(tmp_path, OVER, text=FLEET)
    check_laws(federation, wired=True)
    bits = federation.devices[0].workload.upload_bits
    assert [span.bits for span in aggregates(federation)] == [3 * bits] * 4
    for number, span in enumerate(aggregates(federation)):
        third = uploads(federation, number)[2]
        # Over the wire: 2 Mbit at 1 Gbit/s, perhaps shared, and 2 ms.
        assert 0 < span.start - third.end < 0.002 + 3 * 0.002 + 1e-9


def test_who_is_called_off_is_dropped_and_never_learned(tmp_path):
    federation = simulated(tmp_path, OVER, text=FLEET)
    dropped = {(s.actor, s.round) for s in federation.context.spans if s.outcome == "dropped"}
    assert dropped
    assert not dropped & set(federation.context.plan.named)
    for span in federation.context.spans:
        if span.outcome == "dropped":
            assert span.end <= aggregates(federation)[span.round].end
    wasted = sum(s.joules for s in federation.context.spans if s.outcome == "dropped")
    assert wasted > 0


@pytest.mark.parametrize(
    "rounds",
    [
        OVER,
        "rounds={kind: synchronous, count: 4, clients: 5}",
        "rounds={kind: deadline, count: 6, deadline: 900 ms}",
        "rounds={kind: deadline, count: 6, deadline: 900 ms, late: fold}",
        "rounds={kind: asynchronous, count: 8, oldest: 1}",
    ],
)
def test_every_upload_is_used_or_its_device_is_told(tmp_path, monkeypatch, rounds):
    named, told, used = set(), set(), set()
    update, aggregate = NetworkOnly.local_update, NetworkOnly.aggregate

    def noted(self, *arguments, **options):
        upload = update(self, *arguments, **options)
        named.add(upload)
        return upload

    def summed(self, shared, arrivals, **options):
        used.update(each.upload for each in arrivals)
        return aggregate(self, shared, arrivals, **options)

    monkeypatch.setattr(NetworkOnly, "local_update", noted)
    monkeypatch.setattr(NetworkOnly, "aggregate", summed)
    monkeypatch.setattr(NetworkOnly, "reject", lambda self, device, upload: told.add(upload))
    loss = "cells.0.uplink.loss={kind: constant, rate: 0.3}"
    wire = "cells.0.backhaul={latency: 80 ms}"
    federation = simulated(tmp_path, rounds, loss, wire, text=FLEET)
    left = named - told - used
    assert not told & used
    assert told
    assert used
    assert len(left) <= sum(device.busy for device in federation.devices) + ("oldest" in rounds)


def test_over_selection_of_all_is_synchronous(tmp_path):
    federation = simulated(
        tmp_path, "rounds={kind: over-selection, count: 4, clients: 5, take: 5}", text=FLEET
    )
    assert federation.context.spans == simulated(tmp_path, text=FLEET).context.spans


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
        assert {s.outcome for s in federation.context.spans if s.end == end} >= {"cut"}
        check_plain_laws(federation)


def test_a_count_may_come_before_the_time(tmp_path):
    whole = simulated(tmp_path, text=FLEET)
    again = simulated(tmp_path, "rounds.until=1 h", text=FLEET)
    assert again.context.spans == whole.context.spans


DROP = "rounds={kind: deadline, count: 5, clients: 5, deadline: 0.9 s}"
FOLD = "rounds={kind: deadline, count: 5, clients: 5, deadline: 0.9 s, late: fold}"
ASYNC = "rounds={kind: asynchronous, count: 12, clients: 4}"
BUFFER = "rounds={kind: asynchronous, count: 6, clients: 4, buffer: 3}"
TIERS = "rounds={kind: tiers, count: 12, tiers: 2}"


def test_a_deadline_closes_the_round_and_drops_who_is_late(tmp_path):
    federation = simulated(tmp_path, DROP, text=FLEET)
    check_laws(federation)
    assert [s.start for s in aggregates(federation)] == pytest.approx(
        [0.9, 1.8, 2.7, 3.6, 4.5], abs=1e-4
    )
    dropped = {(s.actor, s.round) for s in federation.context.spans if s.outcome == "dropped"}
    # A Raspberry Pi never makes it, a Jetson does.
    assert {actor for actor, _ in dropped} == {"device-4", "device-5", "device-6"}
    assert not dropped & set(federation.context.plan.named)
    for number, span in enumerate(aggregates(federation)):
        assert span.bits == 2e6 * len(uploads(federation, number))


def test_a_round_ends_early_when_all_are_through(tmp_path):
    federation = simulated(
        tmp_path, "rounds={kind: deadline, count: 4, clients: 5, deadline: 1 min}", text=FLEET
    )
    assert federation.context.spans == simulated(tmp_path, text=FLEET).context.spans


def test_a_deadline_that_nobody_keeps_ends_all_the_same(tmp_path):
    federation = simulated(
        tmp_path, "rounds={kind: deadline, count: 5, deadline: 1 ms}", text=FLEET
    )
    check_laws(federation)
    assert federation.env.now == pytest.approx(0.005)
    assert federation.context.plan.named == []
    assert aggregates(federation) == []


def test_late_uploads_are_folded_into_the_round_in_which_they_arrive(tmp_path):
    federation = simulated(tmp_path, FOLD, text=FLEET)
    check_plain_laws(federation)
    assert not [s for s in federation.context.spans if s.outcome == "dropped"]
    closed = [s.start for s in aggregates(federation)]
    arrived = sorted(s.end for s in federation.context.spans if s.activity == "upload" and s.bits)
    assert sum(s.bits for s in aggregates(federation)) == 2e6 * sum(
        end + 0.004 < closed[-1] for end in arrived
    )
    assert max(federation.context.plan.stale) == 1
    assert set(federation.context.plan.stale) == {0, 1}


def test_who_is_late_is_not_asked_before_it_has_ended(tmp_path):
    federation = simulated(tmp_path, FOLD, text=FLEET)
    for device in federation.devices:
        rounds = [s.round for s in of(federation, device.name, "compute")]
        assert rounds == sorted(set(rounds))


def test_asynchronous_aggregates_in_the_order_of_arrival(tmp_path):
    federation = simulated(tmp_path, ASYNC, text=FLEET)
    check_plain_laws(federation)
    sent = sorted(
        (s.end, s.actor)
        for s in federation.context.spans
        if (s.activity, s.outcome) == ("upload", "done")
    )
    assert [f"device-{d}" for (d,) in federation.context.plan.combined] == [
        actor for _, actor in sent[:12]
    ]


def test_staleness_counts_the_aggregations_since_a_device_was_asked(tmp_path):
    for rounds in (ASYNC, BUFFER):
        federation = simulated(tmp_path, rounds, text=FLEET)
        check_plain_laws(federation)
        ends = [s.end for s in aggregates(federation)]
        stale = iter(federation.context.plan.stale)
        for number, devices in enumerate(federation.context.plan.combined):
            for device in devices:
                # The round of a span is the version that its device started from.
                began = max(
                    s.round
                    for s in of(federation, f"device-{device}", "upload")
                    if s.end < ends[number]
                )
                assert next(stale) == number - began
        assert max(federation.context.plan.stale) > 0


def test_never_more_at_work_than_the_crew(tmp_path):
    federation = simulated(tmp_path, ASYNC, text=FLEET)
    working = [
        s for s in federation.context.spans if s.activity in ("download", "compute", "upload")
    ]
    for span in working:
        at_once = {s.actor for s in working if s.start <= span.start < s.end}
        assert len(at_once) <= 4


def test_what_is_too_old_is_not_looked_at(tmp_path):
    federation = simulated(
        tmp_path, "rounds={kind: asynchronous, until: 8 s, clients: 7, oldest: 4}", text=FLEET
    )
    check_plain_laws(federation)
    assert max(federation.context.plan.stale) <= 4
    assert len(federation.context.plan.stale) < len(federation.context.plan.named)


def test_tiers_wait_for_their_own_alone(tmp_path):
    federation = simulated(tmp_path, TIERS, text=FLEET)
    check_plain_laws(federation)
    # Four Jetsons are the faster tier, three Raspberry Pis the slower.
    assert {frozenset(devices) for devices in federation.context.plan.combined} == {
        frozenset({0, 1, 2, 3}),
        frozenset({4, 5, 6}),
    }
    assert len(federation.context.plan.combined) == 12
    assert max(federation.context.plan.stale) >= 2


def test_one_tier_is_synchronous(tmp_path):
    tiers = simulated(tmp_path, "rounds={kind: tiers, count: 3, tiers: 1}", text=FLEET)
    plain = simulated(tmp_path, "rounds={kind: synchronous, count: 3}", text=FLEET)
    uploaded = [(s.actor, s.end) for s in tiers.context.spans if s.activity == "upload"]
    sent = [(s.actor, s.end) for s in plain.context.spans if s.activity == "upload"]
    assert uploaded[:21] == sent


def test_downloads_of_a_crew_are_sent_to_each_apart(tmp_path):
    federation = simulated(tmp_path, ASYNC, text=FLEET)
    traffic = federation.context.traffic
    assert traffic.sent_down == traffic.received_down > 0


def test_a_second_turn_in_the_same_round_has_its_own_draws(tmp_path):
    federation = simulated(
        tmp_path,
        "rounds={kind: asynchronous, until: 8 s, clients: 1, buffer: 100}",
        "devices.0.compute.jitter={kind: lognormal, cv: 0.5}",
        "rounds.select=best-channel",
        "devices.1.power=1 mW",
        text=FLEET,
    )
    computed = [s for s in federation.context.spans if s.activity == "compute"]
    assert len({s.actor for s in computed}) == 1
    assert {s.round for s in computed} == {0}
    lasted = [s.end - s.start for s in computed]
    assert len(lasted) > 5
    assert len(set(lasted)) == len(lasted)


def test_a_crew_goes_on_without_those_who_leave(tmp_path):
    federation = simulated(
        tmp_path,
        ASYNC,
        "devices.1.battery=8 J",
        "rounds.until=1 min",
        text=FLEET,
    )
    check_plain_laws(federation)
    assert any(s.outcome == "dropped" for s in federation.context.spans)
    assert len(aggregates(federation)) == 12


def test_a_run_without_anybody_left_ends(tmp_path):
    for rounds in (OVER, DROP, FOLD, ASYNC, BUFFER, TIERS):
        federation = simulated(
            tmp_path, rounds, "devices.0.battery=6 J", "devices.1.battery=6 J", text=FLEET
        )
        check_plain_laws(federation)
        assert federation.deserted
        assert len(aggregates(federation)) < 4


@given(
    rounds=st.sampled_from([OVER, DROP, FOLD, ASYNC, BUFFER, TIERS]),
    on=st.floats(0.5, 20),
    off=st.floats(0.1, 5),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=15)
def test_the_laws_hold_when_devices_come_and_go(tmp_path_factory, rounds, on, off, seed):
    federation = simulated(
        tmp_path_factory.mktemp("any"),
        rounds,
        f"seed={seed}",
        f"devices.0.availability={{kind: markov, on: {on} s, off: {off} s}}",
        f"devices.1.availability={{kind: markov, on: {on} s, off: {off} s}}",
        text=FLEET,
    )
    if rounds in (OVER, DROP):
        check_laws(federation, wired=True)
    else:
        check_plain_laws(federation)
    dropped = [(s.actor, s.round) for s in federation.context.spans if s.outcome == "dropped"]
    computed = [(s.actor, s.round) for s in federation.context.spans if s.activity == "compute"]
    # Nobody is named more often than it has computed and not been dropped.
    for part in set(computed):
        assert federation.context.plan.named.count(part) <= computed.count(part)
    if rounds in (OVER, DROP):
        assert not set(dropped) & set(federation.context.plan.named)


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
        ("{kind: deadline, count: 1}", "deadline", "is required and missing"),
        ("{kind: deadline, count: 1, deadline: 0 s}", "deadline", "greater than 0"),
        ("{kind: deadline, count: 1, deadline: 3 m}", "deadline", "is not in s"),
        ("{kind: deadline, count: 1, deadline: 3 s, late: keep}", "late", "drop"),
        ("{kind: asynchronous, count: 1, buffer: 0}", "buffer", "must be at least 1, got 0"),
        ("{kind: asynchronous, count: 1, oldest: -1}", "oldest", "must not be negative, got -1"),
        ("{kind: asynchronous, count: 1, clients: 8}", "clients", "at most the number of devices"),
        ("{kind: tiers, count: 1, tiers: 0}", "tiers", "must be at least 1, got 0"),
        ("{kind: tiers, count: 1, tiers: 8}", "tiers", "at most the number of devices, 7, got 8"),
        (
            "{kind: tiers, count: 1, tiers: 3, clients: 4}",
            "clients",
            "must be at most 3, the devices of a tier, got 4",
        ),
        ("{kind: synchronous, until: 0 s}", "until", "greater than 0"),
    ],
)
def test_bad_input_is_one_located_line(tmp_path, rounds, path, message):
    with pytest.raises((LocatedError, ValueError)) as caught:
        scenario(tmp_path, f"rounds={rounds}", text=FLEET)
    assert f"rounds.{path}: " in str(caught.value)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("rounds", "most"),
    [
        ("{kind: synchronous, count: 1}", 6),
        ("{kind: synchronous, count: 1, clients: 4}", 4),
        ("{kind: over-selection, count: 1, clients: 5, take: 3}", 3),
        ("{kind: deadline, count: 1, clients: 4, deadline: 1 s}", 4),
        ("{kind: deadline, count: 1, clients: 4, deadline: 1 s, late: fold}", 6),
        ("{kind: asynchronous, count: 1, clients: 4}", 1),
        ("{kind: asynchronous, count: 1, clients: 4, buffer: 9}", 9),
        ("{kind: tiers, count: 1, tiers: 4}", 2),
        ("{kind: tiers, count: 1, tiers: 2, clients: 2}", 2),
    ],
)
def test_a_policy_says_how_many_uploads_an_aggregation_has(tmp_path, rounds, most):
    assert scenario(tmp_path, f"rounds={rounds}").most_uploads == most
