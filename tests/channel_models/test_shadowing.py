import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from scipy import stats

import channel_models as cm

KS_LEVEL = 1e-3


def _maps(model, count, seed=0):
    return [model.realise([], np.random.default_rng([seed, i])) for i in range(count)]


def test_one_value_a_link(streams) -> None:
    model = cm.LogNormal(sigma="6 dB")
    drawn = model.realise(streams(4000))
    here = drawn.at(np.zeros((4000, 2)))
    np.testing.assert_array_equal(here, drawn.at(np.full((4000, 2), 50.0)))
    np.testing.assert_array_equal(here[:3], model.realise(streams(3)).at(np.zeros((3, 2))))
    np.testing.assert_array_equal(drawn.at(np.zeros((2, 2)), links=[5, 1]), here[[5, 1]])
    assert stats.kstest(here, model.law.cdf).pvalue > KS_LEVEL


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_map_is_normal(seed) -> None:
    model = cm.ShadowMap(sigma=6.0, decorrelation=37.0)
    values = np.array([field.at([120.0, -30.0]) for field in _maps(model, 1500, seed)])
    assert stats.kstest(values, model.law.cdf).pvalue > KS_LEVEL


def test_map_correlation_is_exponential() -> None:
    model = cm.ShadowMap(sigma=8.0, decorrelation=50.0)
    distances = np.array([0.0, 5.0, 20.0, 50.0, 100.0, 200.0])
    for angle in (0.0, 1.0, 2.0):
        ray = distances[:, None] * np.array([np.cos(angle), np.sin(angle)])
        values = np.array([field.at(ray + 700.0) for field in _maps(model, 3000)])
        measured = (values * values[:, :1]).mean(axis=0) / 64.0
        np.testing.assert_allclose(measured, model.correlation(distances), atol=0.06)


def test_one_map_over_space_has_the_correlation_too() -> None:
    model = cm.ShadowMap(sigma=1.0, decorrelation=20.0)
    field = model.realise([], np.random.default_rng(4))
    points = np.random.default_rng(5).uniform(0, 20_000, (20_000, 2))
    here = field.at(points)
    assert here.std() == pytest.approx(1.0, abs=0.03)
    for distance in (10.0, 20.0, 40.0):
        there = field.at(points + np.array([distance, 0.0]))
        assert (here * there).mean() == pytest.approx(np.exp(-distance / 20.0), abs=0.06)


@given(st.floats(-5000, 5000), st.floats(-5000, 5000))
def test_map_is_a_function_of_position(x, y) -> None:
    field = cm.ShadowMap().realise([], np.random.default_rng(0))
    among_others = field.at(np.array([[1.0, 2.0], [x, y], [3.0, 4.0]]))
    assert among_others[1] == field.at([x, y])


def test_line_of_sight_map() -> None:
    model = cm.LosMap(decorrelation=50.0)
    probability = 0.35
    points = np.array([[0.0, 0.0], [1.0, 0.0], [500.0, 0.0]])
    states = np.array(
        [model.realise(np.random.default_rng([3, i])).at(points, probability) for i in range(3000)]
    )
    np.testing.assert_allclose(states.mean(axis=0), probability, atol=0.03)
    assert (states[:, 0] == states[:, 1]).mean() > 0.9
    # Two halves of a bivariate normal overlap by 1/4 + asin(correlation) / (2 pi).
    near = np.array([[0.0, 0.0], [50.0, 0.0]])
    both = [model.realise(np.random.default_rng([4, i])).at(near, 0.5).all() for i in range(3000)]
    overlap = 0.25 + np.arcsin(np.exp(-1.0)) / (2 * np.pi)
    assert np.mean(both) == pytest.approx(overlap, abs=4 * 0.0085)
    independent = probability**2 + (1 - probability) ** 2
    assert (states[:, 0] == states[:, 2]).mean() == pytest.approx(independent, abs=0.03)
    field = model.realise(np.random.default_rng(0))
    assert field.at(points, 1.0).all()
    assert not field.at(points, 0.0).any()


def test_realised_shadowing_shows_what_it_is(streams) -> None:
    assert repr(cm.LogNormal().realise(streams(3))) == "FixedShadowing(links=3)"
    assert repr(_maps(cm.ShadowMap(waves=32), 1)[0]) == "ShadowField(waves=32)"
    common, own = (cm.LogNormal().realise(streams(2)) for _ in range(2))
    shared = cm.SharedShadowing(common, own, 0.5)
    assert repr(shared) == "SharedShadowing(FixedShadowing(links=2))"
    assert "LosField" in repr(cm.LosMap().realise(streams(1)[0]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cm.LogNormal(sigma=-1.0), "sigma must be at least 0 dB, got -1 dB"),
        (lambda: cm.ShadowMap(decorrelation=0.0), "decorrelation must be greater than 0 m"),
        (lambda: cm.ShadowMap(waves=4), "waves must be at least 16, got 4"),
        (lambda: cm.ShadowMap(site_correlation=1.2), "site_correlation must be at most 1"),
        (lambda: _maps(cm.ShadowMap(), 1)[0].at([1.0, 2.0, 3.0]), r"positions must have shape"),
        (lambda: _maps(cm.ShadowMap(), 1)[0].at([np.nan, 2.0]), "positions must be a number"),
        (
            lambda: cm.LosMap().realise(np.random.default_rng(0)).at([0.0, 0.0], 2.0),
            "probability must be at most 1, got 2",
        ),
    ],
)
def test_bad_input(call, message) -> None:
    with pytest.raises(ValueError, match=message):
        call()
