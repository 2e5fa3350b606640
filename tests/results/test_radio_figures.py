"""The figures of links and tracks hold the numbers of their run."""

import csv
import re

import numpy as np
import pytest

import wfl_sim
from tests.fixtures.runs import BASE
from tests.network.test_handover import FLEET
from wfl_sim.records import LabelCount
from wfl_sim.results import Run, write_run
from wfl_sim.results.figures import links, tracks
from wfl_sim.results.figures.labels import labels
from wfl_sim.results.figures.links import cells, coverage, throughput
from wfl_sim.results.figures.radio_samples import blocks, spectrogram
from wfl_sim.results.figures.tracks import serving
from wfl_sim.results.totals import sites


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


def test_throughput_adds_up_to_the_bits_and_boxes_are_by_cell(run, tmp_path):
    _, svg, table = throughput([run], tmp_path)
    rows, spans = rows_of(table), run.span_arrays
    for activity in ("upload", "download"):
        mine = [row for row in rows if row["activity"] == activity]
        width = float(mine[1]["time"]) - float(mine[0]["time"])
        bits = spans["bits"][spans["activity"] == activity].sum()
        assert sum(float(row["rate"]) for row in mine) * width == pytest.approx(bits, rel=1e-9)
    assert "simulated time (s)" in svg.read_text()
    paths = cells([run], tmp_path)
    assert "boxes: middle half, whiskers: middle 90 %" in paths[1].read_text("utf-8")
    found = rows_of(paths[2])
    sent = (spans["bits"] > 0) & np.isfinite(spans["mean_sinr_db"])
    assert len(found) == sent.sum()
    assert {row["cell"] for row in found} == set(spans["cell"][sent].tolist())


def test_coverage_has_every_upload_where_its_device_was(run, tmp_path):
    spans, levels = run.span_arrays, run.level_arrays
    rows = rows_of(coverage([run], tmp_path)[2])
    sent = (spans["activity"] == "upload") & (spans["bits"] > 0)
    assert sorted(float(row["mean_sinr_db"]) for row in rows) == pytest.approx(
        sorted(spans["mean_sinr_db"][sent].tolist())
    )
    for name in ("x", "y"):
        mine = (levels["quantity"] == name) & np.isin(levels["actor"], run.devices)
        values = [float(row[name]) for row in rows]
        assert levels["value"][mine].min() <= min(values)
        assert max(values) <= levels["value"][mine].max()


def test_blocks_and_spectrogram_are_those_of_the_samples(tmp_path, monkeypatch):
    file = tmp_path / "s.yaml"
    file.write_text(BASE)
    settings = ["record={radio: 20 ms}", "devices.0.speed=3 km/h"]
    (run,) = wfl_sim.run(file, settings=settings, out=tmp_path, network_only=True)
    run.verify()
    samples = run.radio_arrays
    up = samples["direction"] == "uplink"
    held = [
        (time, device, block)
        for time, device, each in zip(
            *(samples[n][up] for n in ("time", "device", "blocks")), strict=True
        )
        for block in each
    ]
    monkeypatch.setattr("wfl_sim.results.figures.radio_samples.MOST_NAMED", 2)
    _, svg, table = blocks([run], tmp_path)
    rows, names = rows_of(table), {device for _, device, _ in held}
    most = sorted(names, key=lambda name: -sum(each[1] == name for each in held))[:2]
    text = svg.read_text("utf-8")
    assert f">{len(names) - 2} more<" in text
    assert {name for name in names if f">{name}<" in text} == set(most)
    assert [(float(r["time"]), r["device"], int(r["block"])) for r in rows] == held
    rows = rows_of(spectrogram([run], tmp_path)[2])
    (device,) = {row["device"] for row in rows}
    assert len(rows) == max(
        sum(each[1] == name for each in held) for name in {each[1] for each in held}
    )
    mine = up & (samples["device"] == device)
    assert [float(row["sinr_db"]) for row in rows] == pytest.approx(
        np.concatenate(list(samples["block_sinr_db"][mine])).tolist()
    )


def test_runs_that_hold_the_same_labels_have_one_map(tmp_path):
    held = [
        LabelCount(device=f"device-{i}", part=part, label=name, count=count)
        for i, part, name, count in (
            (0, "train", "=sum", 4),
            (0, "test", "=sum", 9),
            (10, "train", "b", 2),
            (2, "train", "b", 7),
        )
    ]
    runs = []
    for label in ("one", "two"):
        write_run(
            tmp_path / label,
            scenario_yaml="name: held\n",
            manifest={"label": label, "seed": 1},
            spans=[],
            metrics=[],
            states={},
            labels=held,
        )
        runs.append(Run.open(tmp_path / label))
    _, svg, table = labels(runs, tmp_path)
    assert [tuple(row.values()) for row in rows_of(table)] == [
        ("device-0", "'=sum", "4"),
        ("device-10", "b", "2"),
        ("device-2", "b", "7"),
    ]
    assert {"=sum", "b", "device"} <= set(re.findall("<text[^>]*>(.*?)</text>", svg.read_text()))
