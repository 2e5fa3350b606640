"""Edited plug-ins: no stored result and no finished run of the old code is taken for the new."""

import subprocess
import sys

import pytest

import wfl_sim
from tests.fixtures.runs import BASE
from tests.simulation.test_training_runs import TRAINING
from wfl_sim.scenario.builtin_kinds import FAMILIES
from wfl_sim.scenario.loading import load
from wfl_sim.scenario.resolve import digest
from wfl_sim.simulation.learner_cache import LearnerCache, learning_of

KINDS = {
    "allocator": ("proportional-fair", "cells.0.uplink.allocator=MINE"),
    "antenna": ("omni", "cells.0.antenna=MINE"),
    "area": ("rectangle", "devices.0.area={kind: MINE, width: 900 m, height: 900 m}"),
    "availability": ("always", "devices.0.availability=MINE"),
    "codec": ("int8", "payload.upload=MINE"),
    "data": ("newswire", "data=MINE"),
    "fading": ("rayleigh", "cells.0.channel.fading={kind: MINE, profile: tdl-a}"),
    "frequency": ("full", "devices.0.compute={frequency: MINE}"),
    "jitter": ("gamma", "devices.0.compute={jitter: {kind: MINE, cv: 0.1}}"),
    "layout": ("hexagonal", "layout={kind: MINE, rings: 0}"),
    "loss": ("waterfall", "cells.0.uplink.loss=MINE"),
    "method": ("fedit", "method=MINE"),
    "metric": ("macro-f1", "evaluation={metrics: [MINE]}"),
    "mobility": ("static", "devices.0.mobility=MINE"),
    "model": ("pretrained", "model={kind: MINE, pretrained: builtin:tiny-bert}"),
    "optimizer": ("average", "server.optimizer=MINE"),
    "partition": ("iid", "data={kind: newswire, partition: MINE}"),
    "pathloss": ("free-space", "cells.0.channel.pathloss=MINE"),
    "rate": ("attenuated-shannon", "cells.0.uplink.rate=MINE"),
    "reward": ("given-answer", "method={kind: pfit, rewards: {safety: MINE}}"),
    "robust": ("median", "server={robust: MINE}"),
    "rounds": ("synchronous", "rounds={kind: MINE, count: 2}"),
    "selector": ("all", "rounds={kind: synchronous, count: 2, select: MINE}"),
    "shadowing": ("map", "cells.0.channel.shadowing={kind: MINE, sigma: 4 dB}"),
    "staleness": ("delta", "server.staleness=MINE"),
    "station": ("earth", "cells.0.station=MINE"),
}
"""Of each family a built-in kind that a plug-in can extend, and how a scenario names it."""

CELLS = "cells: [{bandwidth: 10 MHz, channel: {pathloss: macro, shadowing: {sigma: 6 dB}}}]\n"
LEARNED = ("codec", "method", "metric", "optimizer", "reward", "robust", "staleness")
SPEAKS = """
name: speaks
model: {pretrained: builtin:tiny-gpt2-instruct}
data: {kind: instruct, examples: 8}
method: fedit
rounds: {kind: synchronous, count: 1}
devices: [{count: 1, hardware: jetson-orin-nano}]
"""


def write_plugin(folder, family, number):
    cls = {each.family: each for each in FAMILIES}[family].find(KINDS[family][0])
    (folder / "mine.py").write_text(
        f"from {cls.__module__} import {cls.__name__} as Base\n"
        f"NUMBER = {number}\n"
        "class Mine(Base):\n    '''Mine.'''\n"
    )


def loaded(folder, family, text=BASE):
    (folder / "s.yaml").write_text(text)
    setting = KINDS[family][1].replace("MINE", f"{folder}/mine.py:Mine")
    return load(folder / "s.yaml", settings=[setting], allow_plugins=True)[0].scenario


def test_every_family_is_here():
    closed = {"algorithm", "executor"}  # fixed, and what decides no result
    assert {each.family for each in FAMILIES} == {*KINDS, *closed}


@pytest.mark.parametrize("family", KINDS)
def test_the_digest_follows_the_code_of_every_kind(tmp_path, family):
    digests = []
    for number in (1, 2, 1):
        write_plugin(tmp_path, family, number)
        digests.append(digest(loaded(tmp_path, family, TRAINING + CELLS)))
    assert digests[0] == digests[2] != digests[1]


@pytest.mark.parametrize("family", LEARNED)
def test_the_recipe_follows_the_code_of_what_is_learned_with(tmp_path, family):
    recipes, groups = [], []
    for number in (1, 2, 1):
        write_plugin(tmp_path, family, number)
        scenario = loaded(tmp_path, family, SPEAKS if family == "reward" else TRAINING)
        recipes.append(LearnerCache().learner(scenario).recipe)
        groups.append(learning_of(scenario))
    assert recipes[0] == recipes[2] != recipes[1]
    assert groups[0] == groups[2] != groups[1]


OPTIMIZER = """\
from dataclasses import dataclass
from factor import FACTOR


@dataclass(frozen=True)
class Part:
    '''A part of the way to the mean.'''

    def step(self, shared, mean, memory):
        return {name: shared[name] + FACTOR * (mean[name] - shared[name]) for name in mean}, {}
"""


def test_an_edited_module_of_a_server_optimiser_changes_the_numbers(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "s.yaml").write_text(TRAINING)
    (tmp_path / "opt.py").write_text(OPTIMIZER)
    runs = []
    for factor in (0.9, 0.1, 0.9):
        (tmp_path / "factor.py").write_text(f"FACTOR = {factor}\n")
        runs += wfl_sim.run(
            tmp_path / "s.yaml",
            settings=["method=fedit", "rounds.count=1", f"server.optimizer={tmp_path}/opt.py:Part"],
            out=tmp_path / "runs",
            allow_plugins=True,
        )
    del sys.modules["factor"]
    one, other, again = runs
    assert one.manifest["digests"]["states"] != other.manifest["digests"]["states"]
    assert one.folder == again.folder != other.folder
    assert other.manifest["tasks_executed"] > 0
    assert again.manifest == one.manifest  # it had ended, and is left alone


def test_a_point_of_a_sweep_runs_again_with_an_edited_plugin(tmp_path):
    (tmp_path / "s.yaml").write_text(BASE + "sweep: {seeds: [1]}\n")
    runs = []
    for number in (1, 1, 2):
        write_plugin(tmp_path, "selector", number)
        runs += wfl_sim.sweep(
            tmp_path / "s.yaml",
            settings=[f"rounds.select={tmp_path}/mine.py:Mine"],
            out=tmp_path / "runs",
            allow_plugins=True,
        ).runs()
    times = [run.manifest["host_seconds"] for run in runs]
    assert times[0] == times[1] != times[2]


def test_two_plugins_of_one_name_share_no_learner(tmp_path):
    write_plugin(tmp_path, "optimizer", 1)
    (tmp_path / "mine.py").rename(tmp_path / "other.py")
    write_plugin(tmp_path, "optimizer", 2)
    kinds = "[{optimizer: ./mine.py:Mine}, {optimizer: ./other.py:Mine}]"
    (tmp_path / "s.yaml").write_text(TRAINING + f"sweep: {{grid: {{server: {kinds}}}}}\n")
    one, other = (each.scenario for each in load(tmp_path / "s.yaml", allow_plugins=True))
    cache = LearnerCache()
    assert cache.learner(one) is not cache.learner(other)
    assert cache.learner(one).recipe != cache.learner(other).recipe


NOTEBOOK = """\
RATE = {rate}

@OPTIMIZERS("part")
@dataclass(frozen=True)
class Part:
    '''A part of the way to the mean.'''

    def step(self, shared, mean, memory):
        return {{name: shared[name] + RATE * (mean[name] - shared[name]) for name in mean}}, {{}}
"""


def test_a_cell_of_a_notebook_that_runs_again_has_another_recipe_and_digest(tmp_path):
    (tmp_path / "s.yaml").write_text(TRAINING)
    script = (
        "from dataclasses import dataclass\n"
        "from wfl_sim.protocols import OPTIMIZERS\n"
        "from wfl_sim.scenario.loading import load\n"
        "from wfl_sim.scenario.resolve import digest\n"
        "from wfl_sim.simulation.learner_cache import LearnerCache\n"
        f"for cell in {[NOTEBOOK.format(rate=rate) for rate in (0.9, 0.1, 0.9)]!r}:\n"
        "    exec(compile(cell, '/tmp/ipykernel_1/1.py', 'exec'), globals())\n"
        f"    (loaded,) = load({str(tmp_path / 's.yaml')!r}, settings=['server.optimizer=part'])\n"
        "    print(LearnerCache().learner(loaded.scenario).recipe, digest(loaded.scenario))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 3, done.stderr
    assert lines[0] == lines[2]
    assert not set(lines[0].split()) & set(lines[1].split())


def test_a_metric_has_its_name_before_it_goes_to_another_process(tmp_path):
    """Which file a class is of is known where the scenario was read alone."""
    write_plugin(tmp_path, "metric", 1)
    learner = LearnerCache().learner(loaded(tmp_path, "metric", TRAINING))
    assert [name for name, _ in learner.metrics] == ["Mine"]
