"""extends, --set and sweep: a document over another."""

import pytest

from tests.fixtures.scenario_files import GOOD
from wfl_sim.config.errors import ScenarioError
from wfl_sim.scenario.loading import load

SWEEP = """\
sweep:
  variants:
    plain:
    fedit:
      method:
        kind: fedit
        lora: {rank: 4}
  seeds: [1, 2]
"""


def refusal(files, file, **options):
    with pytest.raises(ScenarioError) as caught:
        load(file, **options)
    return files.short(caught.value)


def extending(files, text):
    files.write(GOOD, "base.yaml")
    return files.write(f"extends: base.yaml\n{text}")


def test_mappings_merge_and_the_rest_replaces(files):
    file = extending(files, "method: {lora: {rank: 2}}\nrounds: {count: 7}\n")
    scenario = load(file)[0].scenario
    assert (scenario.method.lora.rank, scenario.method.local.steps) == (2, 4)
    assert (scenario.rounds.count, scenario.rounds.clients) == (7, 2)


def test_another_kind_replaces_the_options_of_the_old(files):
    scenario = load(extending(files, "method: {kind: fedit}\n"))[0].scenario
    assert type(scenario.method).__name__ == "FedIT"
    assert scenario.method.local.steps == 8


def test_options_go_to_a_bare_kind(files):
    base = GOOD.replace("fading: {kind: rayleigh, profile: tdl-a}", "fading: rayleigh")
    (loaded,) = load(files.write(base), settings=["cells.0.channel.fading.profile=tdl-c"])
    assert loaded.scenario.cells[0].channel.fading.profile == "tdl-c"


def test_errors_name_the_file_of_the_key(files):
    assert refusal(files, extending(files, "method: {lora: {rnk: 2}}\n")) == (
        "s.yaml:2: method.lora.rnk: unknown key 'rnk', did you mean 'rank'?"
    )
    files.write(GOOD.replace("rank: 8", "rank: 0"), "base.yaml")
    assert refusal(files, files.write("extends: base.yaml\nseed: 4\n")) == (
        "base.yaml:7: method.lora.rank: must be at least 1, got 0"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("extends: none.yaml\n", "s.yaml:1: extends: no file 'none.yaml' beside s.yaml"),
        ("extends: [a]\n", "s.yaml:1: extends: must be the name of a file, got ['a']"),
        ("seed: 1\nextends: s.yaml\n", "s.yaml:2: extends: 's.yaml' leads back to itself"),
    ],
)
def test_wrong_extends(files, text, message):
    assert refusal(files, files.write(text)) == message


def test_a_cycle_over_two_files(files):
    files.write("extends: s.yaml\n", "base.yaml")
    file = files.write("extends: base.yaml\n")
    assert refusal(files, file) == "base.yaml:1: extends: 's.yaml' leads back to itself"


def test_every_variant_meets_every_seed(files):
    runs = [each.scenario for each in load(files.write(GOOD + SWEEP))]
    assert [(run.label, run.seed) for run in runs] == [
        ("plain", 1),
        ("plain", 2),
        ("fedit", 1),
        ("fedit", 2),
    ]
    assert runs[0].method.lora.rank == 8
    assert runs[2].method.lora.rank == 4


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "lora: {rank: 4}",
            "lroa: {rank: 4}",
            "30: sweep.variants.fedit.method.lroa: unknown key 'lroa', did you mean 'lora'?",
        ),
        (
            "kind: fedit",
            "kind: fedi",
            "29: sweep.variants.fedit.method.kind: unknown method 'fedi', did you mean 'fedit'?",
        ),
        (
            "  variants:",
            "  variantss:",
            "25: sweep.variantss: unknown key 'variantss', did you mean 'variants'?",
        ),
        ("plain:", "plain: 3", "26: sweep.variants.plain: must be a mapping of overrides, got 3"),
        ("[1, 2]", "[1, 1]", "31: sweep.seeds.1: 1 is there twice"),
        (
            "[1, 2]",
            "[]",
            "31: sweep.seeds: must be a list of integers, or such as 1..5, got an empty list",
        ),
        ("[1, 2]", "[1, x]", "31: sweep.seeds.1: must be an integer, got 'x'"),
        ("[1, 2]", "[-1]", "31: sweep.seeds.0: must not be negative, got -1"),
        ("    plain:\n", "    plain:\n    plain:\n", "27: sweep.variants.plain: is written twice"),
    ],
)
def test_a_wrong_sweep(files, old, new, message):
    file = files.write(GOOD + SWEEP.replace(old, new))
    assert refusal(files, file).removesuffix(" (first in line 26)") == f"s.yaml:{message}"


def test_a_sweep_of_nothing(files):
    file = files.write(GOOD + "sweep:\n")
    assert refusal(files, file) == (
        "s.yaml:24: sweep: must be a mapping with `variants`, `grid`, `zip` or `seeds`, got nothing"
    )


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("rounds.count", ": write path=value, for example rounds.count=5"),
        ("=5", ": write path=value, for example rounds.count=5"),
        ("rounds..count=5", ": write path=value, for example rounds.count=5"),
        ("rounds.cuont=5", ": rounds.cuont: unknown key 'cuont', did you mean 'count'?"),
        ("ruonds.count=5", ": ruonds: unknown key 'ruonds', did you mean 'rounds'?"),
        ("rounds.count=many", ": rounds.count: must be an integer, got 'many'"),
        ("rounds.count.x=1", ": rounds.count: 2 has no key 'x'"),
        ("cells.3.height=9 m", ": cells: no item '3': it has 1 item, from 0 on"),
        ("cells.x.height=9 m", ": cells: no item 'x': it has 1 item, from 0 on"),
        ("cells.0.bandwidth=1 W", ": cells.0.bandwidth: '1 W' is not in Hz (write for example"),
        ("devices=[]", ": devices: at least one group of devices is needed"),
        ("rounds=[", ": not valid YAML: expected the node content, but found '<stream end>'"),
        ("method=pftl", ": method: unknown method 'pftl', did you mean 'pftt'?"),
    ],
)
def test_a_wrong_setting(files, setting, message):
    said = refusal(files, files.write(), settings=[setting])
    assert said.startswith(f"--set {setting}{message}")
    assert "\n" not in said


def test_settings_win_over_variants_and_seeds_are_the_sweeps(files):
    file = files.write(GOOD + SWEEP)
    runs = load(file, settings=["method.lora.rank=3", "sweep.seeds=[7]"])
    assert [(run.scenario.seed, run.scenario.method.lora.rank) for run in runs] == [(7, 3), (7, 3)]
    assert refusal(files, file, settings=["seed=7"]) == (
        "--set seed=7: seed: is set by sweep.seeds of this file"
    )


def test_a_setting_reaches_into_a_list_that_is_not_written(files):
    head, rest = GOOD.split("cells:")
    text = head + rest[rest.index("devices:") :]
    for word in ("0", "*"):
        settings = [f"cells.{word}.bandwidth=10 MHz", f"cells.{word}.uplink.header=0.1"]
        (cell,) = load(files.write(text), settings=settings)[0].scenario.cells
        assert (cell.bandwidth, cell.uplink.header) == (10e6, 0.1)
    said = refusal(files, files.write(text), settings=["cells.1.bandwidth=10 MHz"])
    assert "cells: must be a list" in said


def test_a_setting_of_another_kind_drops_the_old_options(files):
    (loaded,) = load(files.write(), settings=["method.kind=local-only"])
    assert type(loaded.scenario.method).__name__ == "LocalOnly"
    assert loaded.scenario.method.local.steps == 8
