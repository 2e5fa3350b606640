"""The pages on scenarios and on extending say what is so."""

import re
import shlex
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import wfl_sim
from wfl_sim.cli import main
from wfl_sim.config.documents import read_yaml
from wfl_sim.config.errors import ScenarioError
from wfl_sim.config.plugin_code import plugins_allowed
from wfl_sim.device_models import Hardware
from wfl_sim.methods.aggregation import Upload
from wfl_sim.methods.parts import Adapter, LoRA
from wfl_sim.methods.phases import Local
from wfl_sim.rounds.selection.selector import SELECTORS
from wfl_sim.scenario.builtin_kinds import FAMILIES
from wfl_sim.scenario.json_schema import json_schema
from wfl_sim.scenario.loading import load

DOCS = Path(__file__).parents[2] / "docs"
SCENARIOS = (DOCS / "scenarios.md").read_text()
SWEEPS = (DOCS / "sweeps.md").read_text()
EXTENDING = (DOCS / "extending.md").read_text()


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


@pytest.fixture
def mine(tmp_path):
    """The worked example as files."""
    (code,) = (each for each in blocks(EXTENDING, "python") if each.startswith("# mine.py"))
    (scenario,) = blocks(EXTENDING, "yaml")
    (tmp_path / "mine.py").write_text(code)
    (tmp_path / "mine.yaml").write_text(scenario)
    return tmp_path


def test_the_examples_of_the_scenario_page_load(tmp_path):
    park, narrow, sweep = blocks(SCENARIOS, "yaml")
    for name, text in (("walk-in-the-park", park), ("narrow", narrow), ("sweep", sweep)):
        (tmp_path / f"{name}.yaml").write_text(text)
    (loaded,) = load(tmp_path / "narrow.yaml")
    assert loaded.scenario.method.lora.rank == 4
    assert loaded.scenario.method.adapter.bottleneck == 16
    assert loaded.scenario.cells[0].bandwidth == 10e6
    assert loaded.scenario.cells[0].channel.fading.profile == "tdl-c"
    assert {group.power for group in loaded.scenario.devices} == {0.01}
    runs = load(tmp_path / "sweep.yaml")
    assert len(runs) == 9
    assert [run.scenario.cells[0].channel.fading.profile for run in runs] == ["tdl-c"] * 9
    (cluster,) = blocks((DOCS / "clusters.md").read_text(), "yaml")
    (tmp_path / "cluster.yaml").write_text(cluster)
    assert type(load(tmp_path / "cluster.yaml")[0].scenario.execution).__name__ == "Ray"
    full, named = blocks(SWEEPS, "yaml")
    for text, count in ((full, 72), (named, 4)):
        (tmp_path / "sweep.yaml").write_text(text)
        assert len(load(tmp_path / "sweep.yaml")) == count
    settings = ["rounds.count=5", "cells.0.bandwidth=10 MHz", "method=fedit"]
    assert load(tmp_path / "walk-in-the-park.yaml", settings=settings)


def test_every_key_and_kind_is_on_a_page_of_keys():
    prose = "\n".join(file.read_text() for file in (DOCS / "keys").glob("*.md"))
    prose += re.sub(r"```.*?```", "", SCENARIOS, flags=re.DOTALL)
    known = set(re.findall(r"[\w-]+", " ".join(re.findall(r"`([^`\n]+)`", prose))))
    keys = {name for schema in _objects(json_schema()) for name in schema}
    keys |= {field.name for cls in (Hardware, LoRA, Adapter, Local) for field in fields(cls)}
    kinds = {name for registry in FAMILIES for name in registry.kinds()}
    assert sorted((keys | kinds) - known - {"kind"}) == []


def _objects(node):
    if isinstance(node, list):
        for item in node:
            yield from _objects(item)
    elif isinstance(node, dict):
        if isinstance(node.get("properties"), dict):
            yield node["properties"]
        for value in node.values():
            yield from _objects(value)


def test_every_family_is_on_the_extension_page():
    named = set(re.findall(r"^\| `(\w+)` \|", EXTENDING, re.MULTILINE))
    assert named == {registry.family for registry in FAMILIES}


def test_the_worked_example_runs(mine):
    (run,) = wfl_sim.run(mine / "mine.yaml", out=mine / "runs", allow_plugins=True)
    run.verify()
    assert run.scenario["method"]["kind"] == f"{mine}/mine.py:Damped"
    assert run.scenario["cells"][0]["uplink"]["allocator"]["floor"] == 0.2
    assert run.scenario["rounds"]["select"]["kind"] == f"{mine}/mine.py:BestAndLot"


def test_the_worked_example_runs_with_the_names_of_earlier_releases(mine):
    (new,) = wfl_sim.run(mine / "mine.yaml", out=mine / "new", allow_plugins=True)
    code = (mine / "mine.py").read_text()
    for name, earlier in (
        ("wait_for_available()", "anybody()"),
        ("device.cancel()", "device.dismiss()"),
        ("device.idle()", "device.rest()"),
    ):
        assert name in code
        code = code.replace(name, earlier)
    (mine / "mine.py").write_text(code)
    (old,) = wfl_sim.run(mine / "mine.yaml", out=mine / "old", allow_plugins=True)
    assert old.manifest["digests"]["spans"] == new.manifest["digests"]["spans"]


def test_the_policy_of_the_page_waits_as_it_says(mine):
    (run,) = wfl_sim.run(mine / "mine.yaml", out=mine / "runs", allow_plugins=True)
    spans = run.span_arrays
    sent = (spans["activity"] == "upload") & (spans["outcome"] == "done")
    for number in range(4):
        of_round = spans["round"] == number
        (closed,) = spans["start"][of_round & (spans["activity"] == "aggregate")]
        ends = spans["end"][of_round & sent]
        # The first upload is at the server some ms after it was sent.
        assert closed == pytest.approx(ends.min() + 0.3, abs=0.02)
        asked = set(spans["actor"][of_round & (spans["activity"] == "download")].tolist())
        assert len(asked) == 4
    dropped = spans["actor"][spans["outcome"] == "dropped"].tolist()
    assert set(dropped) <= {"device-3", "device-4", "device-5"}
    assert dropped


def test_the_worked_example_trains(mine):
    settings = [
        "model={pretrained: builtin:tiny-bert}",
        "data={kind: newswire, examples: 24, tokens: 16, partition: iid}",
        "evaluation={global_examples: 8, personal_examples: 4}",
        "method.local={steps: 1, batch: 4}",
        "rounds.count=2",
    ]
    given = {"out": mine / "runs", "allow_plugins": True, "settings": settings}
    (run,) = wfl_sim.run(mine / "mine.yaml", **given)
    run.verify()
    assert len(run.series("accuracy", "global").value) == 3
    (network,) = wfl_sim.run(mine / "mine.yaml", **{**given, "out": mine / "n"}, network_only=True)
    assert network.manifest["digests"]["spans"] == run.manifest["digests"]["spans"]


def test_the_selection_of_the_page_keeps_the_best(mine, monkeypatch):
    monkeypatch.syspath_prepend(mine)
    from mine import BestAndLot  # the page's file

    devices = [SimpleNamespace(index=i, mean_gain=float(i)) for i in range(6)]
    seen = set()
    for number in range(50):
        chosen = BestAndLot().select(devices, 4, np.random.default_rng(number))
        indices = [device.index for device in chosen]
        assert indices == sorted(set(indices))
        assert {4, 5} <= set(indices)
        seen |= set(indices)
    assert seen == set(range(6))
    del sys.modules["mine"]


def test_the_worked_example_is_checked_like_a_built_in_kind(mine):
    for setting, said in (
        ("cells.0.uplink.allocator.floor=2", "must lie in [0, 1], got 2.0"),
        ("cells.0.uplink.allocator.floorr=0", "unknown key 'floorr', did you mean 'floor'?"),
        ("rounds.patience=0 s", "must be greater than 0 s, got 0 s"),
        ("rounds.patience=3 W", "'3 W' is not in s (write for example 10 ms)"),
        ("method.lora.rnak=3", "unknown key 'rnak', did you mean 'rank'?"),
    ):
        key = setting.partition("=")[0]
        with pytest.raises(ScenarioError) as caught:
            load(mine / "mine.yaml", settings=[setting], allow_plugins=True)
        assert str(caught.value) == f"--set {setting}: {key}: {said}"


@pytest.mark.parametrize("number", [0, 1])
def test_the_allocator_is_tested_as_the_page_says(mine, monkeypatch, number):
    code = [each for each in blocks(EXTENDING, "python") if "from mine import" in each]
    assert len(code) == 2
    monkeypatch.syspath_prepend(mine)
    exec(code[number], {})
    del sys.modules["mine"]


def test_the_check_says_what_the_page_says(mine, monkeypatch, capsys):
    ((typed, said),) = re.findall(r"^(wfl-sim check .*)\n(.*)$", EXTENDING, re.MULTILINE)
    monkeypatch.chdir(mine)
    monkeypatch.setattr(sys, "argv", shlex.split(typed))
    with pytest.raises(SystemExit) as ended:
        main()
    assert (ended.value.code, capsys.readouterr().out) == (0, f"{said}\n")


SMALL = {
    "name": "small",
    "model": {"pretrained": "builtin:tiny-bert"},
    "data": "newswire",
    "method": {"kind": "hetlora", "lora": {"rank": 16}},
    "rounds": {"kind": "synchronous", "count": 1},
    "devices": [{"count": 2, "hardware": "raspberry-pi-5"}],
}


@pytest.mark.parametrize("page", ["data", "methods", "execution", "alignment"])
def test_keys_that_other_pages_show_are_valid(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.csv").write_text("label,title,text\n1,a b,c\n2,d,e f\n")
    (tmp_path / "databricks-dolly-15k.jsonl").touch()
    shown = blocks((DOCS / f"{page}.md").read_text(), "yaml")
    assert shown
    for text in shown:
        (tmp_path / "shown.yaml").write_text(text)
        load({**SMALL, **read_yaml(tmp_path / "shown.yaml").data})


def test_the_method_does_as_it_says(mine):
    with plugins_allowed():
        (loaded,) = load(mine / "mine.yaml", allow_plugins=True)
    uploads = [Upload({"a": np.array([4.0])}, 1.0), Upload({"a": np.array([8.0])}, 3.0)]
    state = loaded.scenario.method.aggregate({"a": np.array([2.0])}, uploads)
    assert state["a"] == pytest.approx([2.0 + 0.3 * (7.0 - 2.0)])


def test_the_decorated_selector_registers(monkeypatch):
    (code,) = (each for each in blocks(EXTENDING, "python") if "@SELECTORS" in each)
    monkeypatch.setattr(SELECTORS, "_kinds", dict(SELECTORS._kinds))
    exec(code, {"__name__": "page"})
    first = SELECTORS.find("first")
    assert is_dataclass(first)
    assert first().select([3, 4, 5], 2, None) == [3, 4]
