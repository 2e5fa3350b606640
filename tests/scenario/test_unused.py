"""Keys that have no effect are said, those that have one are not; suggestions look deeper."""

import pytest

from tests.fixtures.scenario_files import GOOD
from wfl_sim.config.errors import ScenarioError
from wfl_sim.scenario.loading import load, remarks

TRAINED = GOOD.replace(
    "model: {kind: synthetic, payload: 2 Mbit, flops_per_step: 20 GFLOP}",
    "model: {pretrained: builtin:tiny-bert}\ndata: newswire",
)
NOTHING = "with a synthetic model, which trains nothing and has its payload given"


def said(files, *settings, text=GOOD):
    lines = remarks(load(files.write(text), settings=settings))
    return [line[line.index("has no effect") :] for line in lines if "has no effect" in line]


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (["load_memory=3 s"], "has no effect without `interference: load-average`"),
        (["load_memory=10 s"], None),
        (["load_memory=3 s", "interference=load-average"], "has no effect with one cell"),
        (
            ["backhaul={links: [{hub: a, ends: [server, cell-0]}], edge_servers: [a]}"],
            "hierarchical",
        ),
        (["backhaul={links: [{hub: a, ends: [server, cell-0]}]}"], None),
        (
            [
                "backhaul={links: [{hub: a, ends: [server, cell-0]}], edge_servers: [a]}",
                "rounds.kind=hierarchical",
                "rounds.count=2",
                "method.kind=fedit",
            ],
            None,
        ),
        (["method.lora.rank=4"], f"has no effect {NOTHING}"),
        (["method.adapter.bottleneck=32"], f"has no effect {NOTHING}"),
        (["method.local.steps=9"], None),
        (["method.local.lr=1e-4", "method.local.batch=3"], f"has no effect {NOTHING}; nor has"),
        (["payload.upload=fp16"], f"has no effect {NOTHING}"),
        (["cells.0.uplink.allocator=equal", "cells.0.uplink.averaging=1 s"], "looks at no average"),
        (["cells.0.uplink.averaging=1 s"], None),
        (["evaluation={every: 3, interval: 9 s}"], "has no effect beside `interval`"),
        (["devices.0.speed=9 m/s"], None),
        (["devices.0.away_power=1 W"], "has no effect for devices that are always there"),
        (
            ["server.staleness={kind: delta, exponent: 2}"],
            "has no effect in rounds that wait for all",
        ),
    ],
)
def test_what_has_no_effect_is_said(files, settings, line):
    found = said(files, *settings)
    assert len(found) == (line is not None)
    assert line is None or line in found[0]


def test_a_rank_that_changes_what_is_sent_has_an_effect(files):
    """Devices of another rank send another share of what the method's own rank makes."""
    method = "method={kind: hetlora, lora: {rank: 4}}"
    assert said(files, method, "devices.0.rank=2") == []
    (line,) = said(files, method)
    assert line == f"has no effect {NOTHING}"


def test_with_training_these_keys_have_an_effect(files):
    settings = ["method.lora.rank=4", "method.local.batch=3", "payload.upload=fp16"]
    assert said(files, *settings, text=TRAINED) == []


def test_what_has_an_effect_in_one_variant_is_fine(files):
    text = (
        GOOD
        + "load_memory: 3 s\n"
        + "layout: {kind: hexagonal, rings: 1}\n"
        + "sweep: {variants: {a: {interference: load-average}, b: }}\n"
    )
    assert said(files, text=text) == []
    (line,) = said(files, text=text.replace("load-average", "none"))
    assert line == "has no effect without `interference: load-average`"


def test_the_line_has_its_place_and_is_there_once(files):
    file = files.write(GOOD + "load_memory: 3 s\nsweep: {seeds: [1, 2, 3]}\n")
    (line,) = remarks(load(file))
    assert files.short(line).startswith("s.yaml:24: load_memory: has no effect without")


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("method.lr", "'local.lr'"),
        ("method.rank", "'lora.rank'"),
        ("method.stepss", "'local.steps'"),
        ("cells.0.allocator", "'uplink.allocator' or 'downlink.allocator'"),
        ("bandwidth", "'cells.0.bandwidth'"),
        ("cells.0.bandwidht", "'bandwidth'"),
    ],
)
def test_suggestions_look_one_level_deeper(files, key, meant):
    with pytest.raises(ScenarioError, match=rf"unknown key .*, did you mean {meant}\?$"):
        load(files.write(), settings=[f"{key}=1"])
