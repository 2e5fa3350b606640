"""The figures of links and tracks hold the numbers of their run."""

import csv

import numpy as np
import pytest

import wfl_sim
from tests.fixtures.runs import BASE
from tests.network.test_handover import FLEET
from wfl_sim.results.figures import links, tracks
from wfl_sim.results.figures.tracks import serving
from wfl_sim.results.places import sites


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tracks")
    file = folder / "s.yaml"
    file.write_text(BASE)
    settings = [*FLEET, "interference=load-average"]
    (run,) = wfl_sim.run(file, settings=settings, out=folder, network_only=True)
    run.verify()
    return run


def rows_of(table):
    return list(csv.DictReader(table.read_text().splitlines()))


def test_the_map_has_every_place_and_the_cell_that_served_there(run, tmp_path):
    png, svg, table = tracks([run], tmp_path)
    assert png.stat().st_size > 10_000
    assert svg.name == "tracks-synthetic.svg"
    levels = run.level_arrays
    walked = [row for row in rows_of(table) if row["what"] == "place"]
    of_devices = np.isin(levels["actor"], run.devices)
    assert len(walked) == (of_devices & (levels["quantity"] == "x")).sum()
    changes = sum(serving(run, f"device-{i}")[0].size - 1 for i in range(6))
    assert changes == run.manifest["handovers"]["count"] > 0
    for row in walked[:50]:
        since, cells = serving(run, row["device"])
        assert int(row["cell"]) == cells[np.searchsorted(since, float(row["time"]), "right") - 1]
    assert sites(run).shape == (7, 2)


def test_the_distributions_are_those_of_the_spans(run, tmp_path):
    png, _, table = links([run], tmp_path)
    assert png.stat().st_size > 10_000
    spans = run.span_arrays
    mine = (spans["activity"] == "upload") & (spans["bits"] > 0)
    found = [
        float(row["value"])
        for row in rows_of(table)
        if (row["activity"], row["quantity"]) == ("upload", "mean_rate")
    ]
    assert found == sorted(spans["mean_rate"][mine].tolist())


def test_devices_that_stay_have_no_tracks(tmp_path):
    file = tmp_path / "s.yaml"
    file.write_text(BASE)
    (run,) = wfl_sim.run(file, out=tmp_path, network_only=True)
    assert tracks([run], tmp_path) == []


def test_there_is_no_map_where_nobody_has_moved_yet(tmp_path):
    file = tmp_path / "s.yaml"
    file.write_text(BASE)
    (tmp_path / "ways.csv").write_text(
        "device,time (s),x (m),y (m)\n"
        + "".join(f"{i},{t},{100 + t},50\n" for i in range(4) for t in (0, 9e6))
    )
    settings = [f"devices.0.mobility={{kind: trace, path: {tmp_path}/ways.csv}}"]
    (run,) = wfl_sim.run(file, settings=settings, out=tmp_path, network_only=True)
    assert "x" in run.level_arrays["quantity"]
    assert tracks([run], tmp_path) == []
