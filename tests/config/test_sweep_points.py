"""The sweep block: which points it makes, what they are called, and where mistakes in it are."""

import pytest

from tests.fixtures.scenario_files import GOOD
from wfl_sim.config.errors import ScenarioError
from wfl_sim.config.sweep import Coordinate, brief, short_names
from wfl_sim.scenario.loading import load

SWEEP = """\
sweep:
  grid:
    cells.0.bandwidth: [5 MHz, 10 MHz]
    rounds.count: [1, 2]
  seeds: [1, 2]
"""


def loaded(files, text, **options):
    return load(files.write(GOOD + text), **options)


def refusal(files, text, **options):
    with pytest.raises(ScenarioError) as caught:
        loaded(files, text, **options)
    return files.short(caught.value)


def test_seeds_may_be_written_as_on_the_command_line(files):
    file = files.write(GOOD + "sweep: {seeds: '1..3,7'}\n")
    assert [each.scenario.seed for each in load(file)] == [1, 2, 3, 7]
    given = load(file, settings=["sweep.seeds=4..5"])
    assert [each.scenario.seed for each in given] == [4, 5]
    assert [each.scenario.seed for each in load(file, seeds="9")] == [9]
    for text, said in (("one", "must be seeds such as 1..5 or"), ("1..2,2", "2 is there twice")):
        file = files.write(GOOD + f"sweep: {{seeds: '{text}'}}\n")
        with pytest.raises(ScenarioError, match=rf"s\.yaml:\d+: sweep\.seeds.*: {said}"):
            load(file)


def test_a_grid_is_a_product_in_which_seeds_change_fastest(files):
    runs = [each.scenario for each in loaded(files, SWEEP)]
    assert [(run.cells[0].bandwidth, run.rounds.count, run.seed) for run in runs] == [
        (bandwidth, count, seed) for bandwidth in (5e6, 10e6) for count in (1, 2) for seed in (1, 2)
    ]
    assert runs[0].label == "bandwidth=5 MHz count=1"


def test_zipped_values_go_together(files):
    block = """\
sweep:
  zip:
    cells.0.bandwidth: [5 MHz, 50 MHz, 100 MHz]
    cells.0.subcarrier_spacing: [15 kHz, 60 kHz, 60 kHz]
  grid: {method.lora.rank: [2, 4]}
"""
    runs = [each.scenario for each in loaded(files, block)]
    assert [
        (run.cells[0].bandwidth, run.cells[0].subcarrier_spacing, run.method.lora.rank)
        for run in runs
    ] == [(*row, rank) for row in ((5e6, 15e3), (50e6, 60e3), (100e6, 60e3)) for rank in (2, 4)]
    assert {run.seed for run in runs} == {3}


def test_every_variant_meets_every_value(files):
    block = """\
sweep:
  variants: {plain: {}, short: {rounds: {count: 1}}}
  grid: {"devices.0.power": [10 dBm, 23 dBm]}
"""
    runs = loaded(files, block)
    assert [each.scenario.label for each in runs] == [
        "plain power=10 dBm",
        "plain power=23 dBm",
        "short power=10 dBm",
        "short power=23 dBm",
    ]
    assert runs[3].point == {
        "variant": Coordinate("short", "", "short"),
        "devices.0.power": Coordinate(pytest.approx(0.1995, rel=1e-3), "W", "23 dBm"),
    }


def test_a_part_is_laid_over_what_it_is_a_part_of(files):
    block = "sweep: {grid: {method.lora.rank: [2], method: [{kind: fedit, local: {steps: 3}}]}}"
    (run,) = loaded(files, block)
    assert type(run.scenario.method).__name__ == "FedIT"
    assert (run.scenario.method.lora.rank, run.scenario.method.local.steps) == (2, 3)
    assert run.point["method"].value == "{kind: fedit, local: {steps: 3}}"
    assert run.point["method.lora.rank"] == Coordinate(2.0, "", "2")


def test_a_kind_is_a_category(files):
    runs = loaded(files, "sweep: {grid: {cells.0.uplink.allocator: [equal, max-ci]}}")
    assert [run.point["cells.0.uplink.allocator"].value for run in runs] == ["equal", "max-ci"]


def test_a_setting_wins_over_variants_and_not_over_the_grid(files):
    runs = loaded(files, SWEEP, settings=["rounds.clients=1", "method=fedit"])
    assert {run.scenario.rounds.clients for run in runs} == {1}
    for setting in ("rounds.count=5", "label=x", "seed=4"):
        block = {"rounds.count": "grid", "label": "grid", "seed": "seeds"}[setting.split("=")[0]]
        key = setting.split("=")[0]
        assert refusal(files, SWEEP, settings=[setting]) == (
            f"--set {setting}: {key}: is set by sweep.{block} of this file"
        )


def test_the_values_of_an_axis_can_be_set(files):
    settings = ["sweep.grid.cells.0.bandwidth=[20 MHz]", "sweep.seeds=[9]"]
    runs = loaded(files, SWEEP, settings=settings)
    assert [each.scenario.label for each in runs] == [
        "bandwidth=20 MHz count=1",
        "bandwidth=20 MHz count=2",
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("10 MHz", "10 W", "26: sweep.grid.cells.0.bandwidth.1: '10 W' is not in Hz"),
        ("10 MHz", "11 MHz", "26: sweep.grid.cells.0.bandwidth.1: must be"),
        ("[1, 2]\n  s", "[1, none]\n  s", "27: sweep.grid.rounds.count.1: must be an integer"),
        ("[1, 2]\n  s", "[2, 0]\n  s", "27: sweep.grid.rounds.count.1: must be at least 1, got 0"),
        ("[1, 2]\n  s", "[2, 2]\n  s", "27: sweep.grid.rounds.count.1: 2 is there twice"),
        ("[1, 2]\n  s", "[]\n  s", "27: sweep.grid.rounds.count: must be a list of values, got an"),
        ("[1, 2]\n  s", "1\n  s", "27: sweep.grid.rounds.count: must be a list of values, got 1"),
        ("rounds.count", "rounds.cuont", "27: sweep.grid.rounds.cuont.0: unknown key 'cuont', did"),
        ("rounds.count", "ruonds.count", "27: sweep.grid.ruonds: unknown key 'ruonds', did you"),
        ("rounds.count", "rounds..x", "27: sweep.grid.rounds..x: must be a path such as"),
        ("rounds.count", "rounds.count.x", "27: sweep.grid.rounds.count: 2 has no key 'x'"),
        ("cells.0.b", "cells.1.b", "26: sweep.grid.cells: no item '1': it has 1 item, from 0 on"),
        ("rounds.count", "seed", "27: sweep.grid.seed: is swept by sweep.seeds"),
        ("rounds.count", "label", "27: sweep.grid.label: cannot be swept"),
        ("  grid:", "  gird:", "25: sweep.gird: unknown key 'gird', did you mean 'grid'?"),
        ("  seeds", "  zip: {rounds.count: [3]}\n  seeds", "28: sweep.zip.rounds.count: is swept"),
        (
            "  seeds",
            "  zip: {seeds.x: [3], method.lora.rank: [1, 2]}\n  seeds",
            "28: sweep.zip.method.lora.rank: must have as many values as seeds.x, 1, got 2",
        ),
        (
            "  seeds",
            "  zip: {devices.0.count: [3, 4, 3], devices.0.power: [1, 1, 1]}\n  seeds",
            "28: sweep.zip.devices.0.count.2: 3, 1 is there twice",
        ),
        ("  seeds", "  zip: []\n  seeds", "28: sweep.zip: must be a mapping of paths to lists of"),
    ],
)
def test_a_mistake_is_one_line_that_points_into_the_block(files, old, new, message):
    assert SWEEP.count(old) == 1
    said = refusal(files, SWEEP.replace(old, new))
    assert said.startswith(f"s.yaml:{message}")
    assert "\n" not in said


def test_short_names_are_the_shortest_ends_that_tell():
    assert short_names(["cells.0.bandwidth", "method.lora.rank", "rounds"]) == {
        "cells.0.bandwidth": "bandwidth",
        "method.lora.rank": "rank",
        "rounds": "rounds",
    }
    assert list(short_names(["cells.0.height", "cells.1.height"]).values()) == [
        "cells.0.height",
        "cells.1.height",
    ]
    assert list(short_names(["method.local.lr", "server.lr"]).values()) == ["local.lr", "server.lr"]


def test_brief_values():
    assert brief({"kind": "rayleigh", "on": True, "x": [1, 2e-3]}) == (
        "{kind: rayleigh, on: true, x: [1, 0.002]}"
    )
