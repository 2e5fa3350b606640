"""Places from files: CSV and GeoJSON, for devices and for sites."""

import json

import numpy as np
import pytest

from tests.fixtures.runs import BASE, scenario
from wfl_sim.config.errors import LocatedError, ScenarioError
from wfl_sim.radio.cell import CellConfig
from wfl_sim.radio.deployment.layouts import Sites
from wfl_sim.radio.deployment.places import Places
from wfl_sim.simulation.placement import place

BONN = (7.0982, 50.7374)


def geojson(folder, *coordinates, name="places.geojson", **changed):
    features = [
        {"type": "Feature", "properties": {}, "geometry": {"type": "Point", "coordinates": each}}
        for each in coordinates
    ]
    content = {"type": "FeatureCollection", "features": features} | changed
    (folder / name).write_text(json.dumps(content))
    return str(folder / name)


def of_devices(folder, options):
    old = "{count: 4, hardware: jetson-orin-nano, area: {radius: 300 m}}"
    assert old in BASE
    new = f"{{count: 4, hardware: jetson-orin-nano, area: {{kind: positions, {options}}}}}"
    return scenario(folder, text=BASE.replace(old, new))


def test_positions_come_from_a_table(tmp_path):
    (tmp_path / "where.csv").write_text("x (m),y (km)\n100,0.05\n-100,0\n0,0.2\n50,0.1\n")
    placed = place(of_devices(tmp_path, "path: where.csv"))
    assert placed.positions[:4].tolist() == [[100, 50], [-100, 0], [0, 200], [50, 100]]


def test_positions_come_from_geojson_in_metres(tmp_path):
    geojson(tmp_path, [100, 50], [-100, 0, 12.5], [0, 200], [50.5, 100])
    placed = place(of_devices(tmp_path, "path: places.geojson, metres: true"))
    assert placed.positions[:4].tolist() == [[100, 50], [-100, 0], [0, 200], [50.5, 100]]


@pytest.mark.parametrize("latitude", [0.0, 45.0, -60.0])
def test_degrees_are_as_long_as_on_the_ellipsoid(tmp_path, latitude):
    """A degree is as long as the radii of curvature along the meridian and across it say."""
    squared, sine = 0.00669437999014, np.sin(np.deg2rad(latitude))
    across = 6378137.0 / np.sqrt(1 - squared * sine**2)
    along = across * (1 - squared) / (1 - squared * sine**2)
    east = np.deg2rad(across * np.cos(np.deg2rad(latitude)))
    north = np.deg2rad(along)
    if latitude == 0.0:  # lengths that tables give
        assert (east, north) == pytest.approx((111319.491, 110574.276), abs=1e-3)
    step = 1e-3
    path = geojson(tmp_path, [180.0, latitude], [-180 + step, latitude], [180, latitude + step])
    here, right, up = Places(path=path, origin=(180.0, latitude)).places
    assert here == pytest.approx((0.0, 0.0), abs=1e-8)
    assert right[0] / step == pytest.approx(east, abs=0.01)
    assert up[1] / step == pytest.approx(north, rel=2e-5)
    assert abs(right[1]) < 2e-3
    assert up[0] == pytest.approx(0.0, abs=1e-8)


def test_the_plane_is_as_flat_as_the_page_says(tmp_path):
    """Along a meridian near Bonn the radius of curvature R is 6,374 km: d - R sin(d / R)."""
    path = geojson(tmp_path, [BONN[0], BONN[1] + 0.5])
    ((_, north),) = Places(path=path, origin=BONN).places
    squared, sine = 0.00669437999014, np.sin(np.deg2rad(BONN[1] + 0.25))
    radius = 6378137.0 * (1 - squared) / (1 - squared * sine**2) ** 1.5
    along = radius * np.deg2rad(0.5)
    short = along - north
    assert short == pytest.approx(along**3 / (6 * radius**2), rel=0.4)
    assert 0.3 < short < 1.2


def test_sites_come_from_geojson_with_the_devices(tmp_path):
    geojson(tmp_path, [7.0982, 50.7374], [7.1082, 50.7374], name="masts.json")
    layout = f"layout={{kind: positions, path: {tmp_path}/masts.json, origin: [7.0982, 50.7374]}}"
    geojson(tmp_path, *([7.0982 + 1e-3 * n, 50.738] for n in (1, 2, 8, 9)))
    origin = "origin: [7.0982, 50.7374]"
    devices = f"devices.0.area={{kind: positions, path: {tmp_path}/places.geojson, {origin}}}"
    quiet = ("cells.0.channel.pathloss=macro", "cells.0.channel.shadowing.sigma=0 dB")
    placed = place(scenario(tmp_path, layout, devices, "devices.1.area=cells", *quiet))
    assert placed.serving[:4].tolist() == [0, 0, 1, 1]
    with pytest.raises(ScenarioError, match=r"origin: must be that of the layout, \[7.0982, 50"):
        scenario(tmp_path, layout, devices.replace("7.0982", "7.1"))


def test_sectors_of_a_site_share_its_place():
    cells = Sites(at=((0.0, 0.0), (400.0, 30.0)), sectors=3).cells(CellConfig())
    assert [cell.position for cell in cells] == [(0.0, 0.0)] * 3 + [(400.0, 30.0)] * 3
    assert np.rad2deg([cell.antenna.boresight for cell in cells[3:]]) == pytest.approx(
        [30, 150, 270]
    )
    offsets = Sites(at=((0.0, 0.0), (400.0, 30.0)), sectors=3).offsets(np.array([[10.0, 20.0]]))
    assert offsets.tolist() == [[[10, 20]] * 3 + [[-390, -10]] * 3]


def test_devices_over_given_sites_are_uniform_in_the_places_nearest_to_each():
    """Two sites 200 m apart and `reach` 200 m: a disc less a segment, whose area is known."""
    layout, rng = Sites(at=((-100.0, 0.0), (100.0, 0.0)), reach=200.0), np.random.default_rng(1)
    assert (layout.inner_radius, layout.radius) == (100.0, 300.0)
    points = np.array([layout.drop(30.0, rng) for _ in range(4000)])
    away = np.linalg.norm(points[:, None] - np.array(layout.places), axis=2)
    assert away.min() >= 30.0
    assert away.min(axis=1).max() <= 200.0
    left = np.sum(points[:, 0] < 0)
    assert abs(left - 2000) < 5 * np.sqrt(1000)
    # Beyond the site, the half disc; before it, the half disc without the segment past 100 m.
    half, hole = np.pi * 200.0**2 / 2, np.pi * 30.0**2 / 2
    segment = 200.0**2 * np.arccos(0.5) - 100.0 * np.sqrt(200.0**2 - 100.0**2)
    share = (half - hole) / (2 * (half - hole) - segment)
    beyond = np.sum(np.abs(points[:, 0]) > 100.0) / 4000
    assert beyond == pytest.approx(share, abs=5 * np.sqrt(share * (1 - share) / 4000))


WRONG = {
    "is no JSON: Expecting": "{",
    "must be a FeatureCollection of points": '{"type": "Feature"}',
    "must have at least one feature, has none": '{"type": "FeatureCollection", "features": []}',
}


@pytest.mark.parametrize(("message", "text"), WRONG.items())
def test_another_file_is_refused_in_one_line(tmp_path, message, text):
    (tmp_path / "places.geojson").write_text(text)
    with pytest.raises(ScenarioError) as caught:
        of_devices(tmp_path, "path: places.geojson, metres: true")
    assert f"devices.0.area: places.geojson: {message}" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"type": "Polygon", "coordinates": []}, "geometry must be a Point, got Polygon"),
        (None, "geometry must be a Point, got none"),
        ({"type": "Point", "coordinates": [7.1]}, "coordinates must be two or three numbers, got"),
        ({"type": "Point", "coordinates": [7.1, True]}, "coordinates must be two or three numbers"),
        ({"type": "Point", "coordinates": [7.1, float("nan")]}, "coordinates must be two or three"),
        ({"type": "Point", "coordinates": [365000, 5621000]}, "longitude must be -180 to 180 deg"),
        ({"type": "Point", "coordinates": [7.1, 95]}, "latitude must be -90 to 90 degrees, got 95"),
        ({"type": "Point", "coordinates": [50.7, 7.1]}, "km from the origin, must be"),
    ],
)  # fmt: skip
def test_a_wrong_feature_is_named(tmp_path, second, message):
    good = {"geometry": {"type": "Point", "coordinates": list(BONN)}}
    path = geojson(tmp_path, features=[good, {"geometry": second}])
    with pytest.raises(ValueError, match=r"features\[1\]: ") as caught:
        Places(path=path, origin=BONN)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("path: places.geojson, metres: true", "devices.0.area: must be 4 places, one a device"),
        ("path: places.geojson", "devices.0.area: GeoJSON needs `origin: [longitude, latitude]`"),
        ("at: [[1, 2]], origin: [7, 50]", "devices.0.area.origin: is of GeoJSON alone"),
        ("at: [[1, 2]], metres: true", "devices.0.area.metres: is of GeoJSON alone"),
        ("path: places.geojson, origin: [7, 95]", "devices.0.area.origin.1: must be at most 90"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(tmp_path, options, message):
    geojson(tmp_path, [0, 100], [0, 200])
    with pytest.raises(ScenarioError) as caught:
        of_devices(tmp_path, options)
    assert message in str(caught.value)


def test_two_sites_at_one_place_are_refused():
    with pytest.raises(LocatedError, match="has two sites at 5, 0 m: one is enough"):
        Sites(at=((5.0, 0.0), (0.0, 0.0), (5.0, 0.0)))
