"""Path loss against published vectors (to 1e-4 dB) and the laws it must keep."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

import channel_models as cm

TOLERANCE = 1e-4  # dB

SCENARIOS = [cm.UMa, cm.UMi, cm.RMa, cm.InH]

# the 32 vectors of the ns-3 test suite for TR 38.901 at 5 GHz, terminals at 1.5 m
VECTORS = [
    (cm.RMa, "los", [10, 100, 1000, 10000], [77.3784, 87.2965, 108.5577, 140.3896]),
    (cm.RMa, "nlos", [10, 100, 1000, 5000], [77.3784, 95.7718, 133.5223, 160.5169]),
    (cm.UMa, "los", [10, 100, 1000, 5000], [72.9380, 86.2362, 109.7252, 137.6794]),
    (cm.UMa, "nlos", [10, 100, 1000, 5000], [82.5131, 106.1356, 144.7641, 172.0753]),
    (cm.UMi, "los", [10, 100, 1000, 5000], [69.8591, 88.4122, 119.3114, 147.2696]),
    (cm.UMi, "nlos", [10, 100, 1000, 5000], [76.7563, 107.9432, 143.1886, 167.8617]),
    (cm.InH, "los", [1, 10, 50, 100], [50.8072, 63.7630, 75.7750, 80.9802]),
    (cm.InH, "nlos", [1, 10, 50, 100], [50.8072, 73.1894, 99.7824, 111.3062]),
]


@pytest.mark.parametrize(("model", "condition", "distances", "losses"), VECTORS)
def test_published_vectors(model, condition, distances, losses) -> None:
    computed = model(condition=condition).loss_db(distances, 5e9, terminal_height=1.5)
    np.testing.assert_allclose(computed, losses, atol=TOLERANCE)


DISTANCES = [10, 35, 50, 100, 200, 500, 1000, 2000]


@pytest.mark.parametrize(
    ("model", "losses"),
    [
        (
            cm.UMa(condition="los"),
            [69.8399, 74.6286, 77.2122, 83.1382, 89.5695, 98.2692, 109.4119, 121.4495],
        ),
        (
            cm.UMa(),
            [79.4150, 87.9214, 92.5108, 103.0375, 114.4620, 129.9158, 141.6660, 153.4268],
        ),
        (
            cm.UMa(optional_nlos=True),
            [85.4976, 92.0276, 95.5507, 103.6315, 112.4016, 124.2648, 133.2850, 142.3132],
        ),
        (
            cm.UMi(condition="los"),
            [66.7610, 75.9681, 79.0896, 85.3142, 91.6112, 107.1138, 119.1531, 131.1938],
        ),
        (
            cm.UMi(),
            [73.4569, 88.9335, 94.1807, 104.6438, 115.2288, 129.2645, 139.8892, 150.5151],
        ),
    ],
)
def test_spot_values_at_3500_mhz(model, losses) -> None:
    np.testing.assert_allclose(model.loss_db(DISTANCES, 3.5e9), losses, atol=TOLERANCE)


def test_spot_values_of_the_other_models() -> None:
    rural = [100, 1000, 2000]
    los, nlos = cm.RMa(condition="los"), cm.RMa()
    np.testing.assert_allclose(
        los.loss_db(rural, 0.7e9), [70.2190, 93.3816, 105.4155], atol=TOLERANCE
    )
    np.testing.assert_allclose(
        nlos.loss_db(rural, 0.7e9), [78.6944, 116.4449, 128.0677], atol=TOLERANCE
    )
    assert nlos.break_point(0.7e9) == pytest.approx(769.690, abs=1e-3)
    # equal heights make the horizontal distance the 3-D one
    office = [10, 50, 100]
    heights = {"base_height": 1.0, "terminal_height": 1.0}
    np.testing.assert_allclose(
        cm.InH(condition="los").loss_db(office, 3.5e9, **heights),
        [60.5814, 72.6735, 77.8814],
        atol=TOLERANCE,
    )
    np.testing.assert_allclose(
        cm.InH().loss_db(office, 3.5e9, **heights), [69.1473, 95.9178, 107.4473], atol=TOLERANCE
    )
    np.testing.assert_allclose(
        cm.FreeSpace().loss_db([1, 100, 1000], 3.5e9), [43.3291, 83.3291, 103.3291], atol=TOLERANCE
    )
    np.testing.assert_allclose(
        cm.Macro().loss_db([35, 50, 100, 200, 500]),
        [73.357, 79.1813, 90.5, 101.8187, 116.7813],
        atol=5e-4,
    )
    two = cm.LogDistance(exponent=2.0)
    np.testing.assert_allclose(
        two.loss_db([1, 50], 3.5e9), cm.FreeSpace().loss_db([1, 50], 3.5e9), atol=1e-9
    )
    steep = cm.LogDistance(exponent=3.5, reference=10.0)
    assert steep.loss_db(1000, 2e9) - steep.loss_db(100, 2e9) == pytest.approx(35.0)


def test_optional_nlos_formulas() -> None:
    d3 = np.hypot(200.0, 8.5)
    expected = 32.4 + 20 * np.log10(3.5) + 31.9 * np.log10(d3)
    assert cm.UMi(optional_nlos=True).loss_db(200, 3.5e9) == pytest.approx(expected)
    d3 = np.hypot(40.0, 2.0)
    expected = 32.4 + 20 * np.log10(3.5) + 31.9 * np.log10(d3)
    assert cm.InH(optional_nlos=True).loss_db(40, 3.5e9) == pytest.approx(expected)


def test_los_probability_table() -> None:
    d = [50, 100, 200, 500, 1000]
    uma = cm.UMa(condition="mixed")
    np.testing.assert_allclose(
        uma.los_probability(d), [0.649402, 0.347671, 0.128048, 0.036345, 0.018], atol=1e-6
    )
    np.testing.assert_allclose(
        uma.los_probability(d[:4], terminal_height=20.0),
        [0.691983, 0.478347, 0.325726, 0.154992],
        atol=1e-6,
    )
    np.testing.assert_allclose(
        cm.UMi(condition="mixed").los_probability(d),
        [0.519585, 0.230985, 0.093518, 0.036001, 0.018],
        atol=1e-6,
    )
    np.testing.assert_allclose(
        cm.RMa(condition="mixed").los_probability(d),
        [0.960789, 0.913931, 0.826959, 0.612626, 0.371577],
        atol=1e-6,
    )
    np.testing.assert_allclose(
        cm.InH(condition="mixed").los_probability([10, 50, 100]),
        [0.287424, 0.084265, 0.018178],
        atol=1e-6,
    )
    np.testing.assert_allclose(
        cm.InH(condition="mixed", office="open").los_probability([10, 50, 100]),
        [0.931815, 0.537455, 0.424394],
        atol=1e-6,
    )
    for model in SCENARIOS:
        assert model(condition="mixed").los_probability(1.0) == 1.0
        assert model(condition="los").los_probability(3000.0) == 1.0
        assert model(condition="nlos").los_probability(3000.0) == 0.0
    assert cm.FreeSpace().los_probability([5.0]) == [1.0]


@pytest.mark.parametrize("model", [cm.UMa, cm.UMi])
def test_continuous_at_the_break_point(model) -> None:
    los = model(condition="los")
    corner = {cm.UMa: 560.0, cm.UMi: 210.0}[model]
    below, above = los.loss_db([corner, np.nextafter(corner, 1e4)], 3.5e9)
    assert above - below == pytest.approx(0.0, abs=1e-9)


def test_rural_break_point_is_nearly_continuous() -> None:
    los = cm.RMa(condition="los")
    corner = los.break_point(0.7e9)
    below, above = los.loss_db([corner, np.nextafter(corner, 1e4)], 0.7e9)
    assert above - below == pytest.approx(0.0, abs=0.02)


@given(
    distance=st.floats(10, 4000),
    farther=st.floats(1.0, 1.25),
    frequency=st.floats(0.6e9, 30e9),
    height=st.floats(1.5, 10.0),
)
def test_monotone_and_ordered(distance, farther, frequency, height) -> None:
    for model in (cm.UMa(), cm.UMi(), cm.RMa()):
        args = {"terminal_height": height, "los": True}
        los = model.loss_db([distance, distance * farther], frequency, **args)
        nlos = model.loss_db(
            [distance, distance * farther], frequency, terminal_height=height, los=False
        )
        # the rural formula is 0.02 dB off continuity at its break point
        assert los[1] >= los[0] - 0.02
        assert nlos[1] >= nlos[0] - 0.02
        assert (nlos >= los).all()
        assert (los >= cm.free_space_loss_db(distance, frequency) - 4.0).all()


@given(st.floats(10, 4000), st.floats(10, 4000), st.sampled_from([cm.UMa, cm.UMi, cm.RMa, cm.InH]))
def test_los_probability_falls(first, second, model) -> None:
    near, far = sorted((first, second))
    mixed = model(condition="mixed")
    assert 0.0 <= mixed.los_probability(far) <= mixed.los_probability(near) <= 1.0


def test_broadcasting_and_scalars() -> None:
    model = cm.UMa(condition="mixed")
    loss = model.loss_db(np.array([[50.0], [100.0]]), [1e9, 2e9, 3e9], los=[True, False, True])
    assert loss.shape == (2, 3)
    assert loss[1, 1] == model.loss_db(100.0, 2e9, los=False)
    for model in (cm.UMa(), cm.UMi(), cm.RMa(), cm.InH(), cm.FreeSpace(), cm.Macro()):
        assert isinstance(model.loss_db(60.0, 2e9), float)
        assert isinstance(model.los_probability(60.0), float)
        assert isinstance(model, cm.PathLoss)
    assert cm.Macro().loss_db([50.0, 60.0], [[1e9], [2e9], [3e9]]).shape == (3, 2)


def test_shadowing_parameters() -> None:
    los = np.array([True, False])
    mixed = {"condition": "mixed"}
    for model, sigmas, decorrelations in [
        (cm.UMa(**mixed), [4, 6], [37, 50]),
        (cm.UMi(**mixed), [4, 7.82], [10, 13]),
        (cm.InH(**mixed), [3, 8.03], [10, 6]),
        (cm.RMa(**mixed), [4, 8], [37, 120]),
    ]:
        np.testing.assert_array_equal(model.shadowing_sigma_db(60.0, 2e9, los=los), sigmas)
        np.testing.assert_array_equal(model.shadowing_decorrelation(los), decorrelations)
    assert cm.RMa(condition="los").shadowing_sigma_db(5000.0, 0.7e9) == 6.0
    assert cm.UMa(optional_nlos=True).shadowing_sigma_db(50.0, 2e9) == 7.8
    assert cm.LogDistance(sigma=5.0).shadowing_sigma_db(50.0, 2e9) == 5.0
    assert cm.FreeSpace().shadowing_sigma_db(50.0, 2e9) == 0.0
    assert cm.Macro().shadowing_sigma_db([50.0, 60.0], 2e9).tolist() == [8.0, 8.0]
    assert cm.BuildingEntry().shadowing_sigma_db == 7.0
    assert cm.LogDistance(reference=5.0).minimum_distance == 5.0


@pytest.mark.parametrize("model", [cm.UMa(), cm.InH(), cm.UMaAV(), cm.FreeSpace(), cm.Macro()])
def test_of_no_distance_there_is_no_sigma(model) -> None:
    with pytest.raises(ValueError, match="distance must be a number of m, got NaN"):
        model.shadowing_sigma_db([50.0, np.nan], 2e9, los=True)
    with pytest.raises(ValueError, match="frequency must be greater than 0 Hz, got 0 Hz"):
        model.shadowing_sigma_db(50.0, 0.0, los=True)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cm.UMa().loss_db(0.0, 2e9), "distance must be greater than 0 m, got 0 m"),
        (lambda: cm.UMa().loss_db([50, 5], 2e9), "at least 10 m for UMa, got 5 m"),
        (lambda: cm.UMa().loss_db(-3.0, 2e9), "distance must be greater than 0 m, got -3 m"),
        (lambda: cm.UMa().loss_db(np.nan, 2e9), "distance must be a number of m, got NaN"),
        (lambda: cm.UMa().loss_db(np.inf, 2e9), "distance must be finite"),
        (lambda: cm.UMa().loss_db("far", 2e9), "distance must be real numbers"),
        (lambda: cm.UMa().loss_db(50, 0.1e9), "frequency must be at least 5e.08 Hz, got 1e.08 Hz"),
        (lambda: cm.RMa().loss_db(50, 60e9), "frequency must be at most 3e.10 Hz"),
        (lambda: cm.UMa().loss_db(50, 2e9, terminal_height=1.0), "terminal_height must be"),
        (lambda: cm.RMa().loss_db(50, 2e9, base_height=5.0), "base_height must be at least 10 m"),
        (lambda: cm.UMa().loss_db(50, 2e9, base_height=1.0), "must be greater than 1 m, got 1 m"),
        (lambda: cm.UMi().loss_db(50, 2e9, base_height=0.5), "must be greater than 1 m, got 0.5 m"),
        (lambda: cm.RMa(building_height=3.0), "building_height must be at least 5 m, got 3 m"),
        (lambda: cm.UMa(condition="maybe"), "condition must be one of 'los', 'nlos', 'mixed'"),
        (lambda: cm.UMa(optional_nlos=1), "optional_nlos must be true or false, got 1"),
        (lambda: cm.UMa(condition="mixed").loss_db(50, 2e9), "los must be given"),
        (lambda: cm.UMa().loss_db(50, 2e9, los=0.5), "los must be boolean"),
        (lambda: cm.Macro().loss_db(20.0), "at least 35 m for Macro, got 20 m"),
        (lambda: cm.LogDistance().loss_db(0.5, 2e9), "at least 1 m for LogDistance"),
        (lambda: cm.InH().loss_db(0.5, 2e9, base_height=1.0), "3-D distance must be at least 1 m"),
    ],
)
def test_bad_input(call, message) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    ("model", "distance"),
    [(cm.UMa(), 6000), (cm.UMi(), 6000), (cm.RMa(), 6000), (cm.RMa(), 20_000), (cm.InH(), 200)],
)
def test_beyond_the_range_warns(model, distance) -> None:
    with pytest.warns(cm.OutOfRangeWarning, match="beyond"):
        model.loss_db(distance, 2e9)


def test_environment_height_of_tall_terminals() -> None:
    stream = np.random.default_rng(3)
    assert (cm.draw_environment_height(np.full(50, 100.0), 12.0, stream) == 1.0).all()
    drawn = cm.draw_environment_height(np.full(20_000, 200.0), 22.5, stream)
    np.testing.assert_array_equal(np.unique(drawn), [1.0, 12.0, 15.0, 18.0, 21.0])
    chance = cm.environment_one_metre_probability(200.0, 22.5)
    assert (drawn == 1.0).mean() == pytest.approx(chance, abs=0.015)
    assert (drawn == 18.0).mean() == pytest.approx((1 - chance) / 4, abs=0.015)
    los = cm.UMa(condition="los")
    heights = {"terminal_height": 22.5}
    assert los.loss_db(300.0, 2e9, environment_height=21.0, **heights) > los.loss_db(
        300.0, 2e9, **heights
    )


def test_building_entry() -> None:
    low, high = cm.BuildingEntry(), cm.BuildingEntry(model="high")
    # TR 38.901 Table 7.4.3-1 and 7.4.3-2 worked by hand at 3.5 GHz
    glass, coated, concrete = 2.7, 24.05, 19.0
    assert cm.material_loss_db("glass", 3.5e9) == pytest.approx(glass)
    assert cm.material_loss_db("irr-glass", 3.5e9) == pytest.approx(coated)
    assert cm.material_loss_db("concrete", 3.5e9) == pytest.approx(concrete)
    assert cm.material_loss_db("wood", 3.5e9) == pytest.approx(5.27)
    assert low.wall_loss_db(3.5e9) == pytest.approx(
        5 - 10 * np.log10(0.3 * 10 ** (-glass / 10) + 0.7 * 10 ** (-concrete / 10))
    )
    assert high.wall_loss_db(3.5e9) == pytest.approx(
        5 - 10 * np.log10(0.7 * 10 ** (-coated / 10) + 0.3 * 10 ** (-concrete / 10))
    )
    assert high.wall_loss_db(3.5e9) > low.wall_loss_db(3.5e9)
    stream = np.random.default_rng(5)
    inside = low.draw_inside(40_000, stream)
    assert inside.mean() == pytest.approx(25 / 3, rel=0.02)  # mean of the smaller of two
    drawn = low.draw_loss_db(3.5e9, 40_000, stream)
    assert drawn.mean() == pytest.approx(low.wall_loss_db(3.5e9) + 25 / 6, abs=0.1)
    assert drawn.std() == pytest.approx(np.hypot(4.4, 0.5 * 25 / np.sqrt(18)), rel=0.02)
    assert cm.BuildingEntry(rural=True).deepest == 10.0
    with pytest.raises(ValueError, match="inside must be at most 25 m, got 30 m"):
        low.mean_loss_db(3.5e9, 30.0)
    with pytest.raises(ValueError, match="material must be one of"):
        cm.material_loss_db("paper", 3.5e9)


def test_sight_of_tall_terminals_is_a_probability() -> None:
    """The formula of Table 7.4.2-1 exceeds 1 at 22.5 m near the base station."""
    chance = cm.UMa(condition="mixed").los_probability(np.arange(1.0, 500.0), terminal_height=22.5)
    assert chance.max() == 1.0
