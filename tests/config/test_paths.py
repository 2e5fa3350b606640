"""Overrides by path and of lists, what they replace, and which runs of a sweep are made."""

import pytest

from tests.fixtures.scenario_files import GOOD
from wfl_sim.config.errors import ScenarioError
from wfl_sim.config.sweep import Coordinate
from wfl_sim.scenario.loading import load, remarks

SECOND = "  - {count: 1, hardware: edge-server, area: {radius: 100 m}, power: 20 dBm}\n"
VARIANTS = """\
sweep:
  variants:
    pftt:
    fedit: {method: {kind: fedit, local: {steps: 4, lr: 2e-3}, lora: {rank: 8}}}
    short: {rounds: {count: 1}, seed: 4}
"""


def extending(files, text, base=GOOD):
    files.write(base, "base.yaml")
    return load(files.write(f"extends: base.yaml\n{text}"))


def refusal(files, text, **options):
    with pytest.raises(ScenarioError) as caught:
        load(files.write(GOOD + text), **options)
    return files.short(caught.value)


def said(files, *loaded):
    lines = [files.short(remark) for remark in remarks(loaded)]
    return [line for line in lines if "has no effect" not in line]


def test_a_list_of_mappings_changes_what_it_writes_and_nothing_else(files):
    (loaded,) = extending(files, "cells: [{uplink: {allocator: equal}}]\n")
    (plain,) = load(files.folder / "base.yaml")
    cell, before = loaded.scenario.cells[0], plain.scenario.cells[0]
    assert type(cell.uplink.allocator).__name__ == "EqualShare"
    assert (cell.carrier, cell.bandwidth, cell.channel) == (3.5e9, 10e6, before.channel)
    assert said(files, loaded) == []


def test_a_variant_changes_what_it_writes_and_nothing_else(files):
    text = "sweep: {variants: {wide: {cells: [{bandwidth: 20 MHz}]}, plain: }}\n"
    wide, plain = (each.scenario.cells[0] for each in load(files.write(GOOD + text)))
    assert (wide.bandwidth, plain.bandwidth) == (20e6, 10e6)
    assert wide.channel == plain.channel
    assert wide.carrier == 3.5e9


@pytest.mark.parametrize("form", ["extends", "variant", "set"])
def test_paths_with_numbers_and_stars(files, form):
    base = GOOD + SECOND
    paths = {"cells.0.uplink.allocator": "equal", "devices.*.power": "10 dBm", "devices.1.count": 2}
    block = ", ".join(f"{path}: {value}" for path, value in paths.items())
    if form == "extends":
        (loaded,) = extending(files, block.replace(", ", "\n"), base)
    elif form == "variant":
        (loaded,) = load(files.write(f"{base}sweep: {{variants: {{a: {{{block}}}}}}}\n"))
    else:
        settings = [f"{path}={value}" for path, value in paths.items()]
        (loaded,) = load(files.write(base), settings=settings)
    scenario = loaded.scenario
    assert type(scenario.cells[0].uplink.allocator).__name__ == "EqualShare"
    assert [group.power for group in scenario.devices] == pytest.approx([0.01, 0.01])
    assert [group.count for group in scenario.devices] == [3, 2]
    assert scenario.cells[0].bandwidth == 10e6
    assert said(files, loaded) == []


def test_single_items_win_over_stars_whatever_their_order(files):
    text = "devices.1.power: 20 dBm\ndevices.*.power: 10 dBm\n"
    (loaded,) = extending(files, text, GOOD + SECOND)
    assert [group.power for group in loaded.scenario.devices] == pytest.approx([0.01, 0.1])


def test_paths_serve_in_any_file(files):
    (loaded,) = load(files.write(GOOD + "method.local.batch: 3\n"))
    assert loaded.scenario.method.local.batch == 3
    assert loaded.scenario.method.local.steps == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cells.1.bandwidth: 5 MHz", "no item '1': it has 1 item, from 0 on; `*` is all of them"),
        ("cells.0.bandwidht: 5 MHz", "unknown key 'bandwidht', did you mean 'bandwidth'?"),
        ("rounds.*: 3", "has no key '*'"),
        (
            "rounds.deadline: 3 s",
            "count, select, until); `kind: deadline` would take it",
        ),
    ],
)
def test_a_wrong_path_is_one_line_at_its_place(files, text, message):
    path = text.split(":")[0]
    for block, where in ((f"{text}\n", ""), (f"sweep: {{variants: {{a: {{{text}}}}}}}\n", "a.")):
        line = refusal(files, block)
        assert line.startswith("s.yaml:24: ")
        assert where + path.split(".")[0] in line
        assert line.endswith(message)


@pytest.mark.parametrize(
    ("text", "note"),
    [
        (
            "method: {kind: fedit}\n",
            "s.yaml:2: method: fedit replaces pftt; keys that do not stay: lora, local",
        ),
        (
            "cells: [{carrier: 2 GHz, channel: {pathloss: uma, fading: rayleigh}}]\n",
            "s.yaml:2: cells.0.channel.fading: replaces the whole; keys that do not stay: profile",
        ),
        (
            "devices: [{count: 2, hardware: edge-server}, {count: 1, hardware: edge-server}]\n",
            "s.yaml:2: devices: a list of 2 replaces one of 1; keys that do not stay: 0.area",
        ),
        (
            "rounds: {kind: asynchronous, count: 3}\n",
            "s.yaml:2: rounds: asynchronous replaces synchronous; keys that do not stay: clients",
        ),
        ("rounds: {count: 1}\n", ""),
        ("method: {kind: fedit, lora: {rank: 2}, local: {steps: 1, lr: 1e-3}}\n", ""),
    ],
)
def test_keys_that_do_not_stay_are_said(files, text, note):
    (loaded,) = extending(files, text)
    assert said(files, loaded) == ([note] if note else [])


def test_a_note_stays_when_more_is_laid_over_and_goes_with_what_it_is_about(files):
    files.write(GOOD, "base.yaml")
    files.write("extends: base.yaml\nmethod: {kind: fedit}\n", "middle.yaml")
    (loaded,) = load(files.write("extends: middle.yaml\nmethod: {lora: {rank: 2}}\n"))
    note = "middle.yaml:2: method: fedit replaces pftt; keys that do not stay: lora, local"
    assert said(files, loaded) == [note]
    (loaded,) = load(files.folder / "s.yaml", settings=["method={kind: fedit, lora: {rank: 1}}"])
    assert said(files, loaded) == []


def test_settings_say_what_goes_too(files):
    (loaded,) = load(files.write(), settings=["method.local={steps: 3}", "method.lora.rank=2"])
    assert said(files, loaded) == [
        "--set method.local={steps: 3}: method.local: replaces the whole; keys that do not stay: lr"
    ]
    assert loaded.scenario.method.lora.rank == 2
    (loaded,) = load(files.folder / "s.yaml", settings=["method.kind=fedit"])
    assert said(files, loaded) == [
        "--set method.kind=fedit: method: fedit replaces pftt; keys that do not stay: lora, local"
    ]


def test_axes_and_values_have_names(files):
    block = """\
sweep:
  grid:
    power: {path: devices.*.power, values: {low: 10 dBm, high: 23 dBm}}
    cells.0.uplink.allocator: {fair: proportional-fair, greedy: max-ci}
  zip:
    width: {path: cells.0.bandwidth, values: [5 MHz, 20 MHz]}
"""
    runs = load(files.write(GOOD + block))
    assert len(runs) == 8
    assert runs[0].scenario.label == "width=5 MHz power=low allocator=fair"
    assert runs[7].scenario.label == "width=20 MHz power=high allocator=greedy"
    assert runs[7].scenario.devices[0].power == pytest.approx(0.1995, rel=1e-3)
    assert type(runs[7].scenario.cells[0].uplink.allocator).__name__ == "MaxCI"
    assert runs[7].point == {
        "width": Coordinate(20e6, "Hz", "20 MHz"),
        "power": Coordinate("high", "", "high"),
        "cells.0.uplink.allocator": Coordinate("greedy", "", "greedy"),
    }


def test_a_star_along_an_axis_has_its_unit(files):
    block = "sweep: {grid: {devices.*.power: [10 dBm, 20 dBm]}}\n"
    runs = load(files.write(GOOD + SECOND + block))
    assert runs[0].point == {"devices.*.power": Coordinate(pytest.approx(0.01), "W", "10 dBm")}
    assert [run.scenario.label for run in runs] == ["power=10 dBm", "power=20 dBm"]


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (
            "grid: {power: {path: devices.*.power, values: {low: 10 W, high: 3}, more: 1}}",
            "s.yaml:24: sweep.grid.power.path: unknown key 'power'",
        ),
        (
            "grid: {a: {path: rounds.count, values: [1]}, rounds.count: [2]}",
            "s.yaml:24: sweep.grid.rounds.count: rounds.count has an axis already",
        ),
        (
            "grid: {seed: {path: rounds.count, values: [1]}}",
            "s.yaml:24: sweep.grid.seed: is what the sweep calls its variants and seeds: choose "
            "another name",
        ),
        (
            "grid: {a: {path: rounds.count, values: {few: 1, none: 0}}}",
            "s.yaml:24: sweep.grid.a.values.none: must be at least 1, got 0",
        ),
        (
            "grid: {a: {path: seed, values: [1]}}",
            "s.yaml:24: sweep.grid.a: is swept by sweep.seeds",
        ),
    ],
)
def test_a_wrong_named_axis(files, block, message):
    assert refusal(files, f"sweep: {{{block}}}\n").startswith(message)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("method=fedit", "undoes sweep.variants.fedit, which sets method.kind"),
        ("method.kind=fedit", "undoes sweep.variants.fedit, which sets method.kind"),
        (
            "rounds={kind: synchronous, count: 3}",
            "undoes sweep.variants.short, which sets rounds.c",
        ),
    ],
)
def test_a_setting_that_undoes_a_variant_is_refused(files, setting, message):
    line = refusal(files, VARIANTS, settings=[setting])
    assert line.startswith(f"--set {setting}: {setting.split('=')[0]}: {message}")
    assert line.endswith(": choose among the variants with --only")


def test_settings_that_together_leave_nothing_of_a_variant_are_refused(files):
    (fewer,) = load(files.write(GOOD + VARIANTS), settings=["rounds.count=3"], only=["short"])
    assert said(files, fewer) == [
        "--set rounds.count=3: overrides s.yaml:28: sweep.variants.short.rounds.count"
    ]
    line = refusal(files, VARIANTS, settings=["rounds.count=3", "seed=9"])
    assert line.startswith("--set seed=9: seed: undoes sweep.variants.short")


def test_a_star_sets_what_the_sweep_sets(files):
    block = "sweep: {grid: {devices.*.power: [10 dBm]}}\n"
    line = refusal(files, block, settings=["devices.0.power=1 W"])
    assert line.endswith("devices.0.power: is set by sweep.grid of this file")


def test_only_some_variants(files):
    file = files.write(GOOD + VARIANTS)
    runs = load(file, only=["fedit"], settings=["rounds.count=7"])
    assert [(run.scenario.label, run.scenario.rounds.count) for run in runs] == [("fedit", 7)]
    assert [run.scenario.label for run in load(file, only=["short", "pftt"])] == ["pftt", "short"]
    message = "--only fedti: no such variant, did you mean 'fedit'?"
    assert refusal(files, VARIANTS, only=["fedti"]) == message
    message = "--only a: no such variant: this file has no sweep.variants"
    assert refusal(files, "", only=["a"]) == message


@pytest.mark.parametrize(
    "block", ["", "sweep: {seeds: [8, 9]}\n", "sweep: {grid: {rounds.count: [1]}}\n"]
)
def test_seeds_in_place_of_those_of_the_file(files, block):
    file = files.write(GOOD + block)
    assert [run.scenario.seed for run in load(file, seeds="1..3,7")] == [1, 2, 3, 7]
    assert [run.scenario.seed for run in load(file, seeds="5")] == [5]


@pytest.mark.parametrize(
    ("seeds", "message"),
    [
        ("5..1", "must be seeds such as 1..5 or 1,4,7..9"),
        ("a", "must be seeds such as 1..5 or 1,4,7..9"),
        ("1,,2", "must be seeds such as 1..5 or 1,4,7..9"),
        ("0..999999999999", "must be at most 10,000 seeds, got 1,000,000,000,000"),
        ("1,1", "1 is there twice"),
    ],
)
def test_wrong_seeds(files, seeds, message):
    assert refusal(files, "", seeds=seeds) == f"--seeds {seeds}: {message}"


def test_an_unknown_executor_is_reported_as_that(files):
    line = refusal(files, "", executor="bogus")
    assert line.startswith("--executor bogus: unknown executor 'bogus' (known: auto, ")
