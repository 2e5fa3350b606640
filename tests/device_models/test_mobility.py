"""Mobility against the closed forms of its laws."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad

from tests.fixtures.runs import scenario
from wfl_sim.config.errors import LocatedError, ScenarioError
from wfl_sim.device_models.mobility import GaussMarkov, RandomWaypoint, Region, Trace, Track
from wfl_sim.radio.deployment.areas import Ring
from wfl_sim.simulation.simulation import Simulation

DISC = Ring(radius=100.0, min_distance=0.0)
REGION = Region(lambda rng: tuple(DISC.drop(0, rng, None)), (0.0, 0.0), 100.0)


def tracks(law, count, seed=0):
    return [law.track(i, REGION, np.random.default_rng([seed, i])) for i in range(count)]


def speed(track, time, width=1e-3):
    return (track.travelled(time + width) - track.travelled(time)) / width


def moment_of_random_waypoint():
    """E[r^2] in the unit disc: density 45 (1 - r^2) / (64 pi) int_0^pi sqrt(1 - r^2 cos^2) dphi.

    Hyytia, Lassila and Virtamo, IEEE Trans. Mobile Computing 5(6), 2006.
    """

    def density(r):
        inner = quad(lambda phi: np.sqrt(1 - (r * np.cos(phi)) ** 2), 0, np.pi)[0]
        return 45 * (1 - r * r) / (64 * np.pi) * inner

    total = quad(lambda r: 2 * np.pi * r * density(r), 0, 1)[0]
    assert total == pytest.approx(1.0, rel=1e-6)
    return quad(lambda r: 2 * np.pi * r**3 * density(r), 0, 1)[0]


@pytest.mark.parametrize("time", [0.0, 37.0, 400.0])
def test_random_waypoint_keeps_its_stationary_density(time):
    places = np.array([track.at(time) for track in tracks(RandomWaypoint(), 3000)]) / 100.0
    squares = (places**2).sum(axis=1)
    expected = moment_of_random_waypoint()
    assert expected < 0.4  # uniform waypoints would have 0.5 themselves
    assert squares.mean() == pytest.approx(expected, abs=5 * squares.std() / np.sqrt(3000))


@pytest.mark.parametrize("time", [0.0, 150.0])
def test_random_waypoint_keeps_its_stationary_speed(time):
    """P(V <= v) = ln(v / a) / ln(b / a), not uniform: slow trips last longer."""
    law = RandomWaypoint(slowest=0.5, fastest=5.0)
    found = np.array([speed(track, time) for track in tracks(law, 2000)])
    assert found.mean() == pytest.approx(4.5 / np.log(10), abs=5 * found.std() / np.sqrt(2000))
    assert law.pace == pytest.approx(4.5 / np.log(10))
    middle = np.sqrt(0.5 * 5.0)
    assert np.mean(found <= middle) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("time", [0.0, 90.0])
def test_random_waypoint_pauses_its_share_of_the_time(time):
    """E[pause] / (E[pause] + E[L] E[1/V]); the mean distance in a disc is 128 R / (45 pi)."""
    law = RandomWaypoint(slowest=1.0, fastest=1.0, pause=60.0)
    resting = np.mean([speed(track, time) == 0 for track in tracks(law, 2000)])
    assert resting == pytest.approx(60 / (60 + 128 * 100 / (45 * np.pi)), abs=0.05)


def test_gauss_markov_has_its_variance_and_autocorrelation():
    """Var = sigma^2 in each direction, correlation exp(-t / memory)."""
    law = GaussMarkov(sigma=2.0, memory=5.0, interval=1.0)
    region = Region(lambda rng: (0.0, 0.0), (0.0, 0.0), 1e9)
    starts = [law.track(0, region, np.random.default_rng(i)) for i in range(1500)]
    paths = np.diff([[track.at(float(time)) for time in range(61)] for track in starts], axis=1)
    assert paths.mean() == pytest.approx(0.0, abs=0.05)
    assert paths.var(axis=0).mean() == pytest.approx(4.0, rel=0.03)
    for lag in (1, 5, 10):
        both = (paths[:, lag:] * paths[:, :-lag]).mean()
        assert both == pytest.approx(4.0 * np.exp(-lag / 5.0), abs=0.1)


def test_gauss_markov_does_not_depend_on_the_interval():
    def variance(interval):
        law = GaussMarkov(sigma=1.0, memory=20.0, interval=interval)
        region = Region(lambda rng: (0.0, 0.0), (0.0, 0.0), 1e9)
        ends = [law.track(0, region, np.random.default_rng([3, i])).at(100.0) for i in range(1200)]
        return np.var(ends, axis=0).mean()

    # An integrated Ornstein-Uhlenbeck velocity: 2 sigma^2 m (t - m (1 - exp(-t / m))).
    exact = 2 * 20.0 * (100.0 - 20.0 * (1 - np.exp(-5.0)))
    assert variance(0.5) == pytest.approx(exact, rel=0.1)
    assert variance(4.0) == pytest.approx(exact, rel=0.1)


def test_gauss_markov_stays_in_its_circle_and_keeps_its_speed():
    law = GaussMarkov(speed=1.0, sigma=1.0, memory=10.0)
    found = tracks(law, 60)
    places = np.array([[track.at(t) for t in np.linspace(0, 500, 200)] for track in found])
    assert np.hypot(*np.moveaxis(places, 2, 0)).max() <= 100.0
    assert law.pace == pytest.approx(np.sqrt(3.0))
    # Uniform over the circle: E[r^2] = R^2 / 2.
    assert (places**2).sum(axis=2).mean() == pytest.approx(5000, rel=0.1)


@pytest.mark.parametrize("interval", [3.0, 12.0])
def test_gauss_markov_stays_uniform_at_any_interval(interval):
    """R = 250 m, a mean of 20 m/s, after 300 s: every tenth of r^2 holds a tenth of the places.

    Mirroring the end of a leg in place of the way itself gives 1.73 to 0.50 of it.
    """
    law = GaussMarkov(speed=20.0, sigma=2.0, memory=20.0, interval=interval)

    def draw(rng):
        radius, turn = 250 * np.sqrt(rng.uniform()), 2 * np.pi * rng.uniform()
        return radius * np.cos(turn), radius * np.sin(turn)

    region, count = Region(draw, (0.0, 0.0), 250.0), 1000
    ends = [law.track(0, region, np.random.default_rng([7, i])).at(300.0) for i in range(count)]
    share = (np.array(ends) ** 2).sum(axis=1) / 250.0**2
    assert share.max() <= 1 + 1e-9
    density = np.histogram(share, bins=10, range=(0, 1))[0] / (count / 10)
    assert density == pytest.approx(np.ones(10), abs=0.35)  # three and a half sigma


@pytest.mark.parametrize("law", [RandomWaypoint(pause=5.0), GaussMarkov()])
def test_any_time_may_be_asked_for_in_any_order(law):
    forward, back = (tracks(law, 3, seed=2) for _ in range(2))
    times = np.linspace(0, 300, 40)
    onward = [[track.at(t) for t in times] for track in forward]
    backward = [[track.at(t) for t in times[::-1]][::-1] for track in back]
    assert onward == backward


def test_distance_travelled_and_its_inverse_agree():
    for track in tracks(RandomWaypoint(pause=10.0), 20):
        time = 0.0
        for _ in range(20):
            later = track.after(time, 7.0)
            assert track.travelled(later) - track.travelled(time) == pytest.approx(7.0)
            time = later


def test_a_track_that_ends_stays():
    track = Track((0.0, 0.0), iter([(10.0, (30.0, 40.0))]))
    assert track.at(5.0) == (15.0, 20.0)
    assert track.at(99.0) == (30.0, 40.0)
    assert track.after(0.0, 50.0) == 10.0
    assert track.after(0.0, 50.1) == np.inf
    assert track.after(20.0, 1.0) == np.inf


def test_a_trace_is_read_and_its_faults_have_a_line(tmp_path):
    file = tmp_path / "walk.csv"
    file.write_text("device,time (s),x (m),y (m)\n0,0,0,0\n1,5,9,9\n0,10,100,0\n")
    trace = Trace(path=str(file))
    assert trace.track(0, None, np.random.default_rng()).at(4.0) == (40.0, 0.0)
    assert trace.track(1, None, np.random.default_rng()).at(0.0) == (9.0, 9.0)
    with pytest.raises(LocatedError, match="must hold devices 0 to 2, has no 2"):
        trace.check(3)
    file.write_text("device,time (s),x (m),y (m)\n0,10,0,0\n0,10,100,0\n")
    with pytest.raises(ValueError, match=r"walk.csv:3: time must be after 10 s"):
        Trace(path=str(file))


def test_a_trace_by_another_clock_begins_where_that_is_said(tmp_path):
    file = tmp_path / "walk.csv"
    rows = "0,1700000000,0,0\n0,1700000010,100,0\n0,1700000020,100,50\n"
    file.write_text(f"device,time (s),x (m),y (m)\n{rows}")
    trace = Trace(path=str(file), begins=1_700_000_004.0)
    track = trace.track(0, None, np.random.default_rng())
    assert [track.at(time) for time in (0, 3, 6, 11, 16, 99)] == [
        (40, 0),
        (70, 0),
        (100, 0),
        (100, 25),
        (100, 50),
        (100, 50),
    ]
    assert track.travelled(16.0) == 110.0
    assert trace.unused(1) == ""
    ended = replace(trace, begins=1_700_000_020.0)
    assert ended.track(0, None, np.random.default_rng()).at(0.0) == (100.0, 50.0)
    early = replace(trace, begins=0.0)
    assert early.track(0, None, np.random.default_rng()).at(99.0) == (0.0, 0.0)
    span = "times from 1,700,000,000 to 1,700,000,020 s, and a run begins at"
    assert early.unused(1) == f"{span} 0 s"
    assert replace(trace, begins=1.8e9).unused(1) == f"{span} 1,800,000,000 s"


@pytest.mark.parametrize(
    ("mobility", "message"),
    [
        ("{kind: random-waypoint, slowest: 0 m/s}", "slowest: must be greater than 0 m/s"),
        ("{kind: random-waypoint, slowest: 2 m/s}", "slowest: must be at most fastest, 1.5 m/s"),
        ("{kind: gauss-markov, sigma: 0 m/s}", "sigma: must not be 0"),
        ("{kind: flying}", "kind: unknown mobility 'flying'"),
    ],
)
def test_an_impossible_movement_is_one_located_line(tmp_path, mobility, message):
    with pytest.raises(ScenarioError, match=r"devices\.0\.mobility\.") as caught:
        scenario(tmp_path, f"devices.0.mobility={mobility}")
    assert message in str(caught.value)


@pytest.mark.parametrize("mobility", [RandomWaypoint(), GaussMarkov()])
def test_given_positions_are_no_region_to_move_in(mobility):
    with pytest.raises(
        ValueError, match=r"needs an area with an extent \(ring, rectangle, cells\)"
    ):
        mobility.track(0, None, np.random.default_rng(1))


def test_the_group_whose_places_are_given_is_named(tmp_path):
    places = "devices.1.area={kind: positions, at: [[90, 0], [99, 0]]}"
    with pytest.raises(LocatedError) as caught:
        Simulation(scenario(tmp_path, places, "devices.1.mobility=random-waypoint"))
    assert caught.value.path == ("devices", 1, "mobility")
