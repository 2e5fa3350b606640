"""The fluid kernel against queueing theory and conservation laws."""

import numpy as np
import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from wfl_sim.network.carriers.backhaul import WiredLinks
from wfl_sim.network.carriers.carrier import Carrier
from wfl_sim.network.carriers.transfer import TransferRequest
from wfl_sim.radio.bands.medium import ActiveTransfers, RatePlan


def wire(capacity):
    """One link that all share: max-min fair sharing is then processor sharing."""
    return WiredLinks([[0]] * 8, [capacity])


@pytest.fixture
def env():
    return simpy.Environment()


def later(env, carrier, delay, bits, log=None):
    def process():
        yield env.timeout(delay)
        transfer = yield carrier.send(TransferRequest([0], bits)).done
        if log is not None:
            log.append(transfer)
        return transfer

    return env.process(process())


def test_a_lone_transfer_takes_bits_over_capacity(env):
    carrier = Carrier(env, "wire", wire(10.0))
    transfer = carrier.send(TransferRequest([0], 25.0))
    env.run()
    assert transfer.end == 2.5
    assert transfer.mean_rate == 10.0
    assert transfer.airtime == transfer.radiated == 0.0
    assert transfer.mean_sinr_db is None


def test_two_flows_share_as_processor_sharing_says(env):
    """10 bit at 0 s and at 0.5 s over 10 bit/s end at 1.5 s and 2 s."""
    carrier = Carrier(env, "wire", wire(10.0))
    first, second = later(env, carrier, 0.0, 10.0), later(env, carrier, 0.5, 10.0)
    env.run()
    assert first.value.end == pytest.approx(1.5, rel=1e-12)
    assert second.value.end == pytest.approx(2.0, rel=1e-12)


def test_a_rest_that_is_rounding_is_no_rest(env):
    """After 1 s of 10 bit/s 10 ubit are left of one, and 5e-12 bit more of the other."""

    class Medium:
        plans = 0

        def plan(self, traffic, now, steps):
            self.plans += 1
            shape = (2, len(traffic.links))
            return RatePlan(
                until=now + np.array([1.0, 2.0]),
                rate=np.full(shape, 10.0),
                average_rate=np.full(shape, 10.0),
                time_constant=1.0,
                duty=1.0,
                power=np.zeros(shape),
                sinr_db=np.zeros(shape),
            )

    carrier = Carrier(env, "wire", medium := Medium())
    sent = [carrier.send(TransferRequest([0], 10 + 1e-5 + more)) for more in (0.0, 5e-12)]
    env.run()
    assert medium.plans == 1
    assert sent[0].end == sent[1].end == pytest.approx(1 + 1e-6)


def test_transfers_that_begin_together_end_together(env):
    carrier = Carrier(env, "wire", wire(10.0))
    transfers = [carrier.send(TransferRequest([i], 10.0)) for i in range(5)]
    env.run()
    assert [transfer.end for transfer in transfers] == [5.0] * 5


@given(
    st.lists(st.tuples(st.floats(0, 50), st.floats(1e-3, 1e6)), min_size=1, max_size=12),
    st.floats(0.1, 1e6),
)
@settings(max_examples=60)
def test_bits_are_conserved_and_the_busy_time_is_right(jobs, capacity):
    env = simpy.Environment()
    carrier, done = Carrier(env, "wire", wire(capacity)), []
    for delay, bits in jobs:
        later(env, carrier, delay, bits, done)
    env.run()
    assert len(done) == len(jobs)
    assert carrier.bits_delivered == pytest.approx(sum(bits for _, bits in jobs), rel=1e-9)
    assert max(t.end for t in done) == pytest.approx(_last_departure(jobs, capacity), rel=1e-9)


def _last_departure(jobs, capacity):
    """A work-conserving server is empty when its backlog is: Lindley's recursion."""
    free = 0.0
    for delay, bits in sorted(jobs):
        free = max(free, delay) + bits / capacity
    return free


def test_processor_sharing_in_the_order_of_arrival_does_not_matter(env):
    """Permuting what arrives together permutes what comes out."""
    carrier = Carrier(env, "wire", wire(7.0))
    sizes = [3.0, 11.0, 5.0]
    ends = [carrier.send(TransferRequest([i], bits)) for i, bits in enumerate(sizes)]
    env.run()
    other = simpy.Environment()
    mirrored = Carrier(other, "wire", wire(7.0))
    again = [mirrored.send(TransferRequest([i], bits)) for i, bits in enumerate(reversed(sizes))]
    other.run()
    assert [t.end for t in ends] == [t.end for t in reversed(again)]


SECOND_MOMENT = {"deterministic": 1.0, "exponential": 2.0, "hyperexponential": 4.0}


@pytest.mark.slow
@pytest.mark.parametrize("law", sorted(SECOND_MOMENT))
def test_mean_sojourn_of_mg1_processor_sharing(law):
    """E[T] = E[S] / (1 - rho) within 2 %, whatever the law of S: insensitivity.

    What a job needs itself and the work that it finds are control variates of known means (the
    latter by Pollaczek and Khinchine): they take out most of what chance adds to the sojourn.
    """
    load, jobs = 0.6, 8_000
    runs = [_sojourns(law, seed, jobs, load) for seed in range(2)]
    sojourn, service, found = (
        np.concatenate([run[i][jobs // 10 :] for run in runs]) for i in (0, 1, 2)
    )
    mean_found = load * SECOND_MOMENT[law] / (2 * (1 - load))
    columns = np.stack([np.ones_like(sojourn), service - 1, found - mean_found], axis=1)
    mean = np.linalg.lstsq(columns, sojourn, rcond=None)[0][0]
    assert mean == pytest.approx(1 / (1 - load), rel=0.02)
    assert sojourn.mean() == pytest.approx(1 / (1 - load), rel=0.05)


def _sojourns(law, seed, jobs, load):
    """Sojourn, service requirement and the work found on arrival, of each job."""
    rng, env = np.random.default_rng(seed), simpy.Environment()
    carrier, sent = Carrier(env, "wire", wire(1.0)), []
    gaps, service = rng.exponential(1 / load, jobs), _service(law, rng, jobs)

    def source():
        for gap, bits in zip(gaps.tolist(), service.tolist(), strict=True):
            yield env.timeout(gap)
            sent.append(carrier.send(TransferRequest([0], bits)))

    env.process(source())
    env.run()
    walk = np.append(0.0, np.cumsum(service[:-1] - gaps[1:]))
    found = walk - np.minimum.accumulate(walk)
    return np.array([each.end - each.start for each in sent]), service, found


def _service(law, rng, count):
    if law == "deterministic":
        return np.ones(count)
    if law == "exponential":
        return rng.exponential(1.0, count)
    # Two exponential phases of means 0.5 and 3, mixed to mean 1: E[S^2] = 2 (0.8 / 4 + 0.2 x 9).
    return np.where(rng.uniform(size=count) < 0.8, 0.5, 3.0) * rng.exponential(1.0, count)


class Steps:
    """A medium whose capacity changes on a grid: what fading does, in closed form."""

    def __init__(self, step, capacities, most=64):
        self.step, self.capacities, self.most = step, capacities, most

    def plan(self, traffic: ActiveTransfers, now: float, steps: int) -> RatePlan:
        k = int(now // self.step)
        while (k + 1) * self.step <= now:
            k += 1
        ahead, count = k + np.arange(min(steps, self.most)), len(traffic.bits_left)
        capacity = np.array(self.capacities)[ahead % len(self.capacities)]
        rate = np.repeat(capacity[:, None] / count, count, axis=1)
        watts, reported = np.full_like(rate, 0.2), np.zeros_like(rate)
        return RatePlan((ahead + 1) * self.step, rate, rate, 1.0, 1.0, watts, reported)


def test_completion_inside_a_step_is_exact(env):
    """0.1 s at 10, 0.1 s at 2, then 10 bit/s: 1.7 bit are through at 0.25 s."""
    carrier = Carrier(env, "steps", Steps(0.1, [10.0, 2.0]))
    transfer = carrier.send(TransferRequest([0], 1.7))
    env.run(until=1.0)
    assert transfer.end == pytest.approx(0.25, rel=1e-12)
    assert transfer.mean_sinr_db == pytest.approx(0.0)
    assert transfer.airtime == pytest.approx(0.25)
    assert transfer.radiated == pytest.approx(0.05)


def test_a_long_simulation_on_a_fine_grid_keeps_moving(env):
    """Steps that the clock can hardly show at 1e7 s must neither stall nor lose bits."""
    carrier = Carrier(env, "steps", Steps(1e-3, [1e3, 5e3]))
    transfer = later(env, carrier, 1e7 + 0.000_377_1, 1234.5)
    env.run(until=1e7 + 2)
    expected = carrier.bits_delivered
    assert expected == pytest.approx(1234.5, rel=1e-12)
    assert 0.2 < transfer.value.end - 1e7 < 1.3


@given(
    st.lists(st.tuples(st.floats(0, 3), st.floats(1e-2, 20)), min_size=1, max_size=8),
    st.lists(st.integers(0, 9), min_size=1, max_size=9).filter(any),
)
@settings(max_examples=60)
def test_plans_of_any_length_lead_to_the_same_ends(jobs, capacities):
    """Looking ahead saves events and changes nothing, whoever arrives in the meantime."""
    ends = []
    for most in (1, 3, 64):
        env, done = simpy.Environment(), []
        carrier = Carrier(env, "steps", Steps(0.1, capacities, most))
        for delay, bits in jobs:
            later(env, carrier, delay, bits, done)
        env.run(until=1e4)
        assert len(done) == len(jobs)
        assert carrier.bits_delivered == pytest.approx(sum(bits for _, bits in jobs), rel=1e-9)
        ends.append(sorted(transfer.end for transfer in done))
    assert ends[1] == pytest.approx(ends[0], rel=1e-9)
    assert ends[2] == pytest.approx(ends[0], rel=1e-9)


def test_an_arrival_at_the_instant_of_a_completion(env):
    """The set changes while its size stays: 10 bit each, one after the other over 10 bit/s."""
    carrier = Carrier(env, "wire", wire(10.0))
    arrival = later(env, carrier, 1.0, 10.0)
    first = later(env, carrier, 0.0, 10.0)
    second = later(env, carrier, 1.0, 10.0)
    env.run()
    assert first.value.end == 1.0
    assert arrival.value.end == second.value.end == pytest.approx(3.0)


def test_a_rate_of_zero_waits_for_the_next_step(env):
    carrier = Carrier(env, "steps", Steps(1.0, [0.0, 4.0]))
    transfer = carrier.send(TransferRequest([0], 2.0))
    env.run(until=5.0)
    assert transfer.end == pytest.approx(1.5)


def test_idle_carriers_schedule_nothing(env):
    Carrier(env, "steps", Steps(1e-3, [1.0]))
    env.run(until=1e6)
    assert env.now == 1e6


@pytest.mark.parametrize(
    ("links", "bits"), [([], 1.0), ([0], 0.0), ([0], -1.0), ([0], float("nan"))]
)
def test_impossible_transfers_are_refused(env, links, bits):
    with pytest.raises(ValueError, match=r"link|bits"):
        Carrier(env, "wire", wire(1.0)).send(TransferRequest(links, bits))


def leaving(env, carrier, transfer, link, time, log):
    def process():
        yield env.timeout(time - env.now)
        log.append((yield carrier.leave(transfer, link)))

    env.process(process())


def test_who_leaves_frees_the_medium_at_once(env):
    """Two at 5 bit/s; one leaves at 1 s with 5 bit through, the other then has 10 bit/s."""
    carrier, log = Carrier(env, "wire", wire(10.0)), []
    gone, stays = carrier.send(TransferRequest([0], 20.0)), carrier.send(TransferRequest([1], 20.0))
    leaving(env, carrier, gone, 0, 1.0, log)
    env.run()
    assert log == [5.0]
    assert (gone.links, gone.end) == ((), 1.0)
    assert not gone.done.triggered
    assert stays.end == pytest.approx(2.5, rel=1e-12)
    later(env, carrier, 1.0, 10.0)
    env.run()
    assert carrier.bits_delivered == pytest.approx(35.0)


def test_one_of_several_receivers_leaves_and_the_transfer_goes_on(env):
    carrier, log = Carrier(env, "steps", Steps(10.0, [10.0])), []
    transfer = carrier.send(TransferRequest([0, 1], 20.0))
    leaving(env, carrier, transfer, 0, 0.5, log)
    env.run()
    assert log == [5.0]
    assert (transfer.links, transfer.end) == ((1,), 2.0)


def test_who_leaves_an_idle_medium_as_it_begins_has_sent_nothing(env):
    """The other, which begins in the same instant, has the medium alone, and plans go on."""
    carrier, log = Carrier(env, "steps", Steps(0.5, [10.0])), []
    gone = carrier.send(TransferRequest([0], 20.0))
    leaving(env, carrier, gone, 0, 0.0, log)
    env.run()
    assert log == [0.0]
    assert (gone.links, gone.end) == ((), 0.0)
    assert carrier.bits_delivered == 0.0
    both = [carrier.send(TransferRequest([link], 20.0)) for link in (0, 1)]
    leaving(env, carrier, both[0], 0, env.now, log)
    env.run()
    assert log == [0.0, 0.0]
    assert both[1].end - both[1].start == pytest.approx(2.0, rel=1e-12)


def test_leaving_too_late_finds_all_bits_there(env):
    carrier, log = Carrier(env, "wire", wire(10.0)), []
    leaving(env, carrier, carrier.send(TransferRequest([0], 20.0)), 0, 3.0, log)
    env.run()
    assert log == [20.0]


@given(
    st.lists(
        st.tuples(st.floats(0, 50), st.floats(1e-3, 1e6), st.none() | st.floats(0, 50)),
        min_size=1,
        max_size=12,
    )
)
@settings(max_examples=60)
def test_bits_are_conserved_when_some_leave(jobs):
    env = simpy.Environment()
    carrier, done, left = Carrier(env, "wire", wire(1e4)), [], []

    def one(start, bits, patience):
        yield env.timeout(start)
        transfer = carrier.send(TransferRequest([0], bits))
        if patience is not None:
            yield env.timeout(patience)
            left.append((yield carrier.leave(transfer, 0)))
        else:
            done.append((yield transfer.done))

    for job in jobs:
        env.process(one(*job))
    env.run()
    arrived = sum(transfer.bits for transfer in done) + sum(left)
    assert carrier.bits_delivered == pytest.approx(arrived, rel=1e-9)


def test_a_watcher_hears_when_it_is_on_the_air(env):
    class Turns:
        """Even seconds for the first transfer, odd ones for the second."""

        def plan(self, traffic: ActiveTransfers, now: float, steps: int) -> RatePlan:
            ahead, count = int(now) + np.arange(steps), len(traffic.bits_left)
            turn = ahead[:, None] % 2 if count > 1 else np.zeros((steps, 1))
            rate = np.where(np.arange(count) == turn, 1.0, 0.0)
            return RatePlan(ahead + 1.0, rate, rate, 1.0, 0.5, 0.2 * rate, np.zeros_like(rate))

    carrier, reported = Carrier(env, "turns", Turns()), []
    transfer = carrier.send(
        TransferRequest(
            [0], 2.0, on_power=lambda watts, duty: reported.append((env.now, watts, duty))
        )
    )
    carrier.send(TransferRequest([1], 1.5))
    env.run()
    assert reported == [(0.0, 0.2, 0.5), (1.0, 0.0, 0.0), (2.0, 0.2, 0.5)]
    assert transfer.end == 3.0
    assert transfer.airtime == 1.0
    assert transfer.radiated == pytest.approx(0.2)


def test_a_listener_hears_of_every_step_of_one_plan_when_it_begins(env):
    """Power changes every second; a change from outside ends the plan, and what is left is heard
    of anew."""

    class Medium:
        plans = 0

        def plan(self, traffic, now, steps):
            self.plans += 1
            seconds = np.arange(np.floor(now), np.floor(now) + 32)
            shape = (32, len(traffic.links))
            return RatePlan(
                until=seconds + 1.0,
                rate=np.full(shape, 10.0),
                average_rate=np.full(shape, 10.0),
                time_constant=1.0,
                duty=0.5,
                power=np.tile(seconds[:, None] + 1.0, shape[1]),
                sinr_db=np.zeros(shape),
            )

    heard = []
    carrier = Carrier(env, "wire", medium := Medium())
    transfer = carrier.send(
        TransferRequest([0], 65.0, on_power=lambda watts, duty: heard.append((env.now, watts)))
    )
    env.run(until=3.5)
    assert medium.plans == 1
    carrier.refresh()
    env.run()
    assert medium.plans == 2
    assert heard == [(float(second), second + 1.0) for second in range(7)]
    assert transfer.end == 6.5
    assert transfer.radiated == pytest.approx(0.5 * (1 + 2 + 3 + 4 + 5 + 6 + 7 / 2))
