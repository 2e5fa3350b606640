"""The figure of batteries holds the numbers of its run."""

import csv

import numpy as np
import pytest

import wfl_sim
from tests.fixtures.runs import BASE
from wfl_sim.results.figures import batteries
from wfl_sim.results.figures.batteries import presence


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("batteries")
    file = folder / "s.yaml"
    file.write_text(
        BASE.replace(
            "hardware: raspberry-pi-5,",
            "hardware: raspberry-pi-5, battery: {capacity: 12 J, charging: 1 W},",
        ).replace("clients: 4", "clients: 6")
    )
    (run,) = wfl_sim.run(
        file,
        settings=["devices.0.availability={kind: markov, on: 2 s, off: 1 s}"],
        out=folder,
        network_only=True,
    )
    run.verify()
    return run


def test_presence_counts_who_is_not_off(run):
    times, counts = presence(run)
    spans = run.span_arrays
    for time, count in zip(times, counts, strict=True):
        off = (spans["activity"] == "off") & (spans["start"] <= time) & (time < spans["end"])
        assert count == 6 - off.sum()
    assert (np.diff(times) > 0).all()


def test_the_figure_comes_with_its_numbers(run, tmp_path):
    png, svg, table = batteries([run], tmp_path)
    assert png.stat().st_size > 10_000
    assert svg.name == "batteries-synthetic.svg"
    rows = list(csv.DictReader(table.read_text().splitlines()))
    levels = run.level_arrays
    own = [float(row["value"]) for row in rows if row["device"] == "device-4"]
    mine = (levels["actor"] == "device-4") & (levels["quantity"] == "battery")
    assert own[: mine.sum()] == levels["value"][mine].tolist()
    dropped = sum(row["what"].startswith("dropped") for row in rows)
    assert dropped == (run.span_arrays["outcome"] == "dropped").sum() > 0


def test_without_batteries_there_is_no_figure(tmp_path):
    file = tmp_path / "s.yaml"
    file.write_text(BASE)
    (run,) = wfl_sim.run(file, out=tmp_path, network_only=True)
    assert batteries([run], tmp_path) == []
    assert set(run.level_arrays["quantity"]) == {"x", "y", "cell"}
