"""Resolved scenarios load to what they came from."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fixtures.scenario_files import GOOD
from wfl_sim.config.errors import ScenarioError
from wfl_sim.radio.allocation.allocator import ALLOCATORS
from wfl_sim.scenario.loading import load
from wfl_sim.scenario.resolve import digest, to_dict, to_yaml

ROOT = Path(__file__).parents[2]
SCENARIOS = sorted((ROOT / "scenarios").rglob("*.yaml"))


def again(scenario, folder, **options):
    """Return what the resolved text loads to."""
    file = folder / "resolved.yaml"
    file.write_text(to_yaml(scenario), encoding="utf-8")
    (loaded,) = load(file, **options)
    return loaded.scenario


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_every_shipped_scenario_survives(path, tmp_path):
    try:
        runs = load(path)
    except ScenarioError as error:
        if "no such file" in str(error):
            pytest.skip("its data are not beside the project")
        raise
    # Runs of one point differ in nothing but their seed.
    points = {digest(replace(loaded.scenario, seed=0)): loaded for loaded in runs}
    for loaded in points.values():
        scenario = again(loaded.scenario, tmp_path)
        assert scenario == loaded.scenario
        assert digest(scenario) == digest(loaded.scenario)


POSITIVE = st.floats(min_value=1e-6, max_value=1e12)
TEXTS = st.text(alphabet=st.characters(blacklist_categories=["Cs", "Cc"]), max_size=12)
SETTINGS = st.fixed_dictionaries(
    # Far enough from a cell that moves about, for every path-loss model.
    {"devices.0.area.min_distance": st.just(60)},
    optional={
        "seed": st.integers(0, 2**62),
        "label": TEXTS | st.sampled_from(["null", "true", "1e5", "0x10", "~", "- a", "a: b", "#"]),
        "method.local.lr": POSITIVE,
        "method.lora.targets": st.lists(TEXTS, max_size=3),
        "rounds.select": st.sampled_from(["random", "best-channel"]),
        "payload.upload": st.sampled_from(["fp32", "fp16"]),
        "cells.0.uplink.noise_figure": st.floats(0, 30),
        "cells.0.uplink.csi_delay": st.floats(0, 1),
        "cells.0.position": st.tuples(st.floats(-9.0, 9.0), st.floats(-9.0, 9.0)).map(list),
        "cells.0.channel.shadowing": st.sampled_from(
            [{"kind": "log-normal", "sigma": 3.5}, {"kind": "map"}]
        ),
        "cells.0.channel.fading": st.sampled_from(["static", "rayleigh"]),
        "cells.0.channel.pathloss": st.sampled_from(["uma", "macro", {"kind": "log-distance"}]),
        "cells.0.downlink.broadcast": st.booleans(),
        "devices.0.power": POSITIVE,
        "devices.0.speed": st.floats(0, 100),
        "devices.0.hardware": st.sampled_from(["phone-flagship", "raspberry-pi-5"]),
        "data": st.sampled_from(
            [
                "newswire",
                {"kind": "newswire", "partition": {"kind": "by-label"}, "noise": 0.125},
                {"kind": "csv", "path": "s.yaml", "text": ["a", "b"], "columns": None},
                {"kind": "csv", "path": "s.yaml", "columns": ["text", "label", "null"]},
            ]
        ),
    },
)


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(changes=SETTINGS)
def test_variations_survive(files, changes):
    file = files.write()
    texts = [f"{path}={json.dumps(value, ensure_ascii=False)}" for path, value in changes.items()]
    texts = [text.replace('"s.yaml"', json.dumps(str(file))) for text in texts]
    (loaded,) = load(file, settings=texts)
    assert again(loaded.scenario, files.folder) == loaded.scenario


def test_a_resolved_scenario_is_complete_and_in_si(files):
    (loaded,) = load(files.write())
    data = to_dict(loaded.scenario)
    assert data["cells"][0]["bandwidth"] == 10e6
    assert data["cells"][0]["uplink"]["rate"] == {
        "kind": "shannon-gap",
        "gap": 3.0,
        "cap": 7.4063,
    }
    assert data["devices"][0]["hardware"]["name"] == "jetson-orin-nano"
    assert "data" not in data


def test_the_digest_tells_scenarios_apart(files):
    (one,) = load(files.write())
    (other,) = load(files.changed("rank: 8", "rank: 9"))
    (same,) = load(files.changed("bandwidth: 10 MHz", "bandwidth: 10000 kHz"))
    assert digest(one.scenario) == digest(same.scenario) != digest(other.scenario)


def test_the_digest_knows_files_by_their_content(files):
    def named(folder, table="a,b\n", code="", model="{}", inner="{}"):
        for name, content in (
            ("x.csv", table),
            ("net/config.json", model),
            ("net/more/config.json", inner),
        ):
            files.write(content, f"{folder}/{name}")
        files.write(PLUGIN + code, f"{folder}/mine.py")
        text = GOOD.replace("{allocator: proportional-fair}", "{allocator: ./mine.py:Mine}")
        text = text.replace("{kind: synthetic, payload: 2 Mbit, flops_per_step: 20 GFLOP}", "./net")
        text = text.replace("model: ./net", "model: {pretrained: ./net}")
        text += "data: {kind: csv, path: x.csv}\n"
        (loaded,) = load(files.write(text, f"{folder}/s.yaml"), allow_plugins=True)
        return digest(loaded.scenario)

    there = named("one")
    assert named("another/place") == there
    others = [
        named("two", table="a,c\n"),
        named("three", code="# changed\n"),
        named("four", model="{ }"),
        named("five", inner="{ }"),
    ]
    assert len({there, *others}) == 5
    assert named("two") == there


PLUGIN = (
    "from dataclasses import dataclass\n"
    "@dataclass(frozen=True)\n"
    "class Mine:\n"
    "    bias: float = 1.0\n"
    "    def shares(self, demands):\n"
    "        return 0\n"
)


def test_a_plugin_is_found_again_from_another_folder(files, monkeypatch):
    monkeypatch.setattr(ALLOCATORS, "_kinds", dict(ALLOCATORS._kinds))
    files.write(
        "from dataclasses import dataclass\n"
        "from wfl_sim.protocols import ALLOCATORS\n"
        "@ALLOCATORS('mine-too')\n"
        "@dataclass(frozen=True)\n"
        "class Mine:\n"
        "    bias: float = 1.0\n"
        "    def shares(self, demands):\n"
        "        return 0\n",
        "sub/mine.py",
    )
    text = GOOD.replace("{allocator: proportional-fair}", "{allocator: ./mine.py:Mine}")
    (loaded,) = load(files.write(text, "sub/s.yaml"), allow_plugins=True)
    assert to_dict(loaded.scenario)["cells"][0]["uplink"]["allocator"] == {
        "kind": f"{files.folder}/sub/mine.py:Mine",
        "bias": 1.0,
    }
    assert again(loaded.scenario, files.folder, allow_plugins=True) == loaded.scenario


OWN = """
import enum
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
import numpy as np

class Order(enum.Enum):
    RATE = "by rate"
    NONE = "as they are"

@dataclass(frozen=True)
class Own:
    order: Order = Order.RATE
    table: Path = Path("rates/table.csv")
    scale: float = np.float32(0.5)
    other: Any = {default}

    def shares(self, demands):
        return 0
"""


def of_own(files, default, *settings):
    files.write(OWN.replace("{default}", default), "own.py")
    text = GOOD.replace("allocator: proportional-fair", "allocator: {kind: ./own.py:Own}")
    return load(files.write(text), settings=settings, allow_plugins=True)[0].scenario


def test_fields_of_an_own_class_survive(files):
    key = "cells.0.uplink.allocator"
    for changes in ([], [f"{key}.order=as they are", f"{key}.table=/x"]):
        one = of_own(files, "None", *changes)
        assert again(one, files.folder, allow_plugins=True) == one
        assert len(digest(one)) == 8
    assert to_dict(one)["cells"][0]["uplink"]["allocator"]["order"] == "as they are"


@pytest.mark.parametrize(
    ("default", "said"),
    [
        ("len", "other: must be what a scenario can say .* got <built-in function len>"),
        ("field(default_factory=lambda: [1, len])", "other.1: must be what a scenario can say"),
        ("field(default_factory=lambda: {(1, 2): 3})", r"got \{\(1, 2\): 3\}"),
        ("field(default_factory=lambda: np.ones(2))", r"got array\("),
        (
            "frozenset({3, 1})",
            r"got frozenset\(",
        ),  # the order of a set is not that of another process
    ],
)
def test_what_no_scenario_can_say_is_one_line_at_its_field(files, default, said):
    with pytest.raises(ScenarioError, match=rf"s.yaml:\d+: cells.0.uplink.allocator.*{said}"):
        of_own(files, default)
