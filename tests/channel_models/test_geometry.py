import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from scipy import stats

import channel_models as cm


def _drop(kind, count=20_000, seed=0):
    return kind.drop(count, np.random.default_rng(seed))


def test_disc_is_uniform() -> None:
    disc = cm.Disc(radius="400 m", minimum_distance=35.0)
    points = _drop(disc)
    distance = np.hypot(*points.T)
    assert distance.min() >= 35.0
    assert distance.max() <= 400.0
    assert distance.mean() == pytest.approx(disc.mean_distance, rel=0.01)
    share = (distance**2 - 35.0**2) / (400.0**2 - 35.0**2)
    assert stats.kstest(share, "uniform").pvalue > 1e-3
    angle = np.arctan2(points[:, 1], points[:, 0]) / (2 * np.pi) + 0.5
    assert stats.kstest(angle, "uniform").pvalue > 1e-3


def test_hexagon_is_uniform() -> None:
    hexagon = cm.Hexagon(radius=100.0, minimum_distance=0.0)
    points = _drop(hexagon)
    # inside: the distance to every pair of sides is at most the inner radius
    normals = np.deg2rad([30.0, 90.0, 150.0])
    reach = points @ np.array([np.cos(normals), np.sin(normals)])
    assert np.abs(reach).max() <= 100.0 * np.sqrt(3) / 2 + 1e-9
    np.testing.assert_allclose(points.mean(axis=0), 0.0, atol=1.5)
    # second moment of a regular hexagon about its centre: 5/12 of the squared radius
    assert (points**2).sum(axis=1).mean() == pytest.approx(5 / 12 * 1e4, rel=0.02)
    wide = _drop(cm.Hexagon(radius=100.0, minimum_distance=50.0), 2000)
    assert np.hypot(*wide.T).min() >= 50.0


def test_poisson_field() -> None:
    field = cm.PoissonField(density=2e-4, radius=250.0)
    counts = [len(field.drop(np.random.default_rng(i))) for i in range(800)]
    assert np.mean(counts) == pytest.approx(field.mean_count, rel=0.03)
    assert np.var(counts) == pytest.approx(field.mean_count, rel=0.15)


def test_positions_from_files(tmp_path) -> None:
    table = np.array([[1.0, 2.0], [3.0, 4.0]])
    np.save(tmp_path / "p.npy", table)
    (tmp_path / "p.csv").write_text("x,y\n1,2\n3,4\n")
    for name in ("p.npy", "p.csv"):
        np.testing.assert_array_equal(cm.read_positions(str(tmp_path / name)), table)
    (tmp_path / "units.csv").write_text("\ufeffx (m),y (m)\r\n1,2\r\n3,4\r\n", encoding="utf-8")
    np.testing.assert_array_equal(cm.read_positions(str(tmp_path / "units.csv")), table)
    for number, header in enumerate(("y,x", "5,6", "x (km),y (km)", "")):
        (tmp_path / f"{number}.csv").write_text(f"{header}\n1,2\n3,4\n")
        with pytest.raises(ValueError, match="the first line must be 'x,y', got"):
            cm.read_positions(str(tmp_path / f"{number}.csv"))
    np.save(tmp_path / "bad.npy", np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"positions must have shape \(..., 2\)"):
        cm.read_positions(str(tmp_path / "bad.npy"))
    np.save(tmp_path / "point.npy", np.ones(2))
    with pytest.raises(ValueError, match=r"positions must have shape \(n, 2\)"):
        cm.read_positions(str(tmp_path / "point.npy"))
    with pytest.raises(ValueError, match=r"path must end in .npy or .csv"):
        cm.read_positions("p.txt")


@pytest.mark.parametrize("sites", [1, 7, 19, 37])
def test_grid_of_sites(sites) -> None:
    grid = cm.HexGrid(sites=sites, spacing=500.0)
    positions = grid.positions
    assert positions.shape == (sites, 2)
    gaps = np.hypot(*(positions[:, None] - positions[None]).transpose(2, 0, 1))
    if sites > 1:
        assert gaps[gaps > 1.0].min() == pytest.approx(500.0)
    assert grid.cell_radius == pytest.approx(500 / np.sqrt(3))
    # wrapped, every site has the same neighbourhood
    distances = np.sort(grid.distances(positions), axis=1)
    np.testing.assert_allclose(distances, distances[:1].repeat(sites, axis=0), atol=1e-6)
    lattice = np.hypot(*grid.translations[1:].T)
    np.testing.assert_allclose(lattice, 500.0 * np.sqrt(sites))


@given(st.floats(-400, 400), st.floats(-400, 400), st.integers(0, 18), st.integers(1, 6))
def test_wrap_around_is_translation_invariant(x, y, site, image) -> None:
    grid = cm.HexGrid(sites=19, spacing=500.0)
    point = np.array([x, y])
    distances = grid.distances(point)
    moved = point + grid.translations[image]
    # one period further the whole lattice is the same; seven images reach it from nearby
    near = grid.distances(point)[site]
    direct = np.hypot(*(point - grid.positions[site]))
    assert near <= direct + 1e-9
    shifted = np.hypot(*(moved - grid.translations[image] - grid.positions[site]))
    assert shifted == pytest.approx(direct)
    # sorted distances from a point in any cell look the same as in the central one
    elsewhere = grid.distances(point / 3.0 + grid.positions[site])
    np.testing.assert_allclose(np.sort(elsewhere), np.sort(grid.distances(point / 3.0)), atol=1e-6)
    assert distances.shape == (19,)


def test_without_wrap_around_and_sectors() -> None:
    grid = cm.HexGrid(sites=7, sectors=3, wrap_around=False)
    np.testing.assert_allclose(np.rad2deg(grid.boresights), [30, 150, 270])
    far = np.array([3000.0, 0.0])
    np.testing.assert_allclose(grid.distances(far), np.hypot(*(far - grid.positions).T))
    assert cm.HexGrid(sites=7).boresights.tolist() == [0.0]
    assert grid.offsets(np.zeros((4, 5, 2))).shape == (4, 5, 7, 2)


def test_sector_pattern() -> None:
    sector = cm.Sector()
    half = np.deg2rad(65.0 / 2.0)
    assert sector.gain_db(0.0) == 8.0
    assert sector.gain_db(half) == pytest.approx(8.0 - 3.0)
    assert sector.gain_db(0.0, np.pi / 2 + half) == pytest.approx(8.0 - 3.0)
    assert sector.gain_db(np.pi) == 8.0 - 30.0
    assert sector.gain_db(2 * np.pi) == pytest.approx(8.0)
    tilted = cm.Sector(boresight="150 deg", downtilt="10 deg")
    assert tilted.gain_db(np.deg2rad(150), np.deg2rad(100)) == pytest.approx(8.0)
    assert cm.Omni(gain=2.0).gain_db(np.zeros(3)).tolist() == [2.0, 2.0, 2.0]


@given(st.floats(-10, 10), st.floats(0, np.pi))
def test_sector_pattern_is_bounded_and_symmetric(azimuth, zenith) -> None:
    sector = cm.Sector()
    gain = sector.gain_db(azimuth, zenith)
    assert -22.0 <= gain <= 8.0
    assert gain == pytest.approx(sector.gain_db(-azimuth, zenith), abs=1e-9)


def test_direction() -> None:
    azimuth, zenith = cm.direction([0.0, 0.0], [[0.0, 100.0], [-100.0, 0.0]], 25.0, [25.0, 1.5])
    np.testing.assert_allclose(azimuth, [np.pi / 2, np.pi])
    np.testing.assert_allclose(zenith, [np.pi / 2, np.pi / 2 + np.arctan(23.5 / 100.0)])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: cm.Disc(radius=-1.0), "radius must be greater than 0 m, got -1 m"),
        (lambda: cm.Disc(radius=5.0), "minimum_distance must be below the radius of 5 m"),
        (lambda: _drop(cm.Disc(), -1), "count must be at least 0, got -1"),
        (lambda: cm.Hexagon(radius=50, minimum_distance=45), "minimum_distance must be below"),
        (lambda: cm.PoissonField(density=0.0), "density must be greater than 0, got 0"),
        (lambda: cm.HexGrid(sites=5), "sites must be one of 1, 7, 19, 37, got 5"),
        (lambda: cm.HexGrid(sectors=2), "sectors must be one of 1, 3, got 2"),
        (lambda: cm.HexGrid().distances([1.0]), r"points must have shape \(..., 2\)"),
        (lambda: cm.Sector(beamwidth=0.0), "beamwidth must be greater than 0 rad"),
        (lambda: cm.Sector().gain_db(np.nan), "azimuth must be a number, got NaN"),
    ],
)
def test_bad_input(call, message) -> None:
    with pytest.raises(ValueError, match=message):
        call()
