"""The JSON Schema: valid, true to the scenarios that ship, and deaf to no misspelling."""

from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from tests.fixtures.scenario_files import GOOD
from wfl_sim.scenario.builtin_kinds import FAMILIES
from wfl_sim.scenario.json_schema import json_schema
from wfl_sim.scenario.loading import load
from wfl_sim.scenario.resolve import to_dict

ROOT = Path(__file__).parents[2]
SCENARIOS = sorted((ROOT / "scenarios").rglob("*.yaml"))


@pytest.fixture(scope="module")
def schema():
    return json_schema()


@pytest.fixture(scope="module")
def accepts(schema):
    validator = Draft202012Validator(schema)
    return lambda text: validator.is_valid(YAML(typ="safe", pure=True).load(text))


def test_it_is_a_schema(schema):
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_shipped_scenarios_fit(path, accepts):
    assert accepts(path.read_text())


def test_resolved_scenarios_fit(files, schema):
    (loaded,) = load(files.write(GOOD + "data: newswire\n"))
    Draft202012Validator(schema).validate(to_dict(loaded.scenario))


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "extends: base.yaml\nrounds: {clients: 3}\nmethod: {lora: {rank: 4}}\n",
        "sweep: {seeds: [1, 2], variants: {a: null, b: {method: {kind: fedit}}}}\n",
        "method: {kind: ./mine.py:Mine, anything: 3}\nrounds: ./mine.py:Rounds\n",
        "devices: [{hardware: {base: raspberry-pi-5, memory: 4 GB}}, {hardware: mine.yaml}]\n",
        "model: {pretrained: org/net}\n",
        "cells.0.bandwidth: 10 MHz\nsweep: {variants: {high: {devices.*.height: 50 m}}}\n",
    ],
)
def test_what_it_accepts(text, accepts):
    assert accepts(text)


@pytest.mark.parametrize(
    "text",
    [
        "namee: x\n",
        "method: {kind: pftt, lroa: {rank: 3}}\n",
        "method: {kind: pftt, lora: {rnak: 3}}\n",
        "method: {lroa: {rank: 3}}\n",
        "method: {kind: pftl}\n",
        "method: pftl\n",
        "rounds: {kind: synchronous, count: many}\n",
        "cells: [{channel: {fading: {kind: rayleigh, profile: tdl-z}}}]\n",
        "cells: [{uplink: {allocatorr: equal}}]\n",
        "cells: [{bandwidth: true}]\n",
        "devices: [{hardware: {base: raspberry-pi-5, memry: 4 GB}}]\n",
        "devices: [{hardware: raspberry-pi-6}]\n",
        "data: {kind: newswire, partition: {kind: dirichlet, alfa: 1}}\n",
        "sweep: {seed: [1]}\n",
        "sweep: {seeds: [-1]}\n",
        "sweep: {variants: {a: {method: {kind: fedit, adapter: {}}}}}\n",
        "- name: x\n",
        "cels.0.bandwidth: 10 MHz\n",
        "sweep: {variants: {high: {device.0.height: 50 m}}}\n",
    ],
)
def test_what_it_marks(text, accepts):
    assert not accepts(text)


def test_every_kind_is_offered(schema):
    for registry in FAMILIES:
        offered = str(schema["$defs"][registry.family])
        assert all(f"'const': '{name}'" in offered for name in registry.kinds())
