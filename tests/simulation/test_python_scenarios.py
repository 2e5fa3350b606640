"""Scenarios of Python: mappings in place of YAML, and classes that a notebook defines."""

import inspect
import pickle
import re
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

import wfl_sim
from tests.fixtures.runs import BASE
from tests.simulation.test_training_runs import TRAINING
from wfl_sim.config.errors import ScenarioError
from wfl_sim.scenario.builtin_kinds import FAMILIES
from wfl_sim.scenario.loading import load
from wfl_sim.scenario.resolve import digest
from wfl_sim.simulation.request import RunRequest
from wfl_sim.simulation.simulation import Simulation


def plain(text):
    return dict(YAML(typ="safe", pure=True).load(text))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"jobs": 0}, "jobs: must be a whole number of at least 1, got 0"),
        ({"jobs": -1}, "jobs: must be a whole number of at least 1, got -1"),
        ({"threads": 0}, "threads: must be a whole number of at least 1, got 0"),
        ({"threads": "2"}, "threads: must be a whole number of at least 1, got '2'"),
    ],
)
def test_numbers_of_jobs_and_threads_are_checked(wrong, said, tmp_path):
    two = {**plain(BASE), "sweep": {"seeds": [1, 2]}}
    for start in (wfl_sim.run, wfl_sim.sweep):
        with pytest.raises(ScenarioError, match=re.escape(said)):
            start(two, out=tmp_path, **wrong)


def test_one_setting_may_stand_without_a_list():
    (loaded,) = wfl_sim.load(plain(BASE), settings="seed=9")
    assert loaded.scenario.seed == 9
    assert RunRequest.of(plain(BASE), "seed=9").loaded[0].scenario.seed == 9


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"file": [1]}, "file: must be a path, a mapping or a `Scenario`, got [1]"),
        ({"settings": None}, "settings: must be texts such as 'rounds.count=5', got None"),
        (
            {"settings": [("a", 5)]},
            "settings: must be texts such as 'rounds.count=5', got [(",
        ),
        (
            {"settings": {"seed": 5}},
            "settings: must be texts such as 'rounds.count=5', got {",
        ),
        ({"out": None}, "out: must be a path, got None"),
        ({"only": 3}, "only: must be names of variants, got 3"),
        ({"seeds": [1, 2]}, "seeds: must be a text such as '1..5', got [1, 2]"),
    ],
)
def test_arguments_of_other_types_are_one_line(wrong, said):
    """They were errors of attributes, far inside."""
    for start in (wfl_sim.load, wfl_sim.run, wfl_sim.sweep):
        if {*wrong} <= {"file", *inspect.signature(start).parameters}:
            with pytest.raises(ScenarioError, match=re.escape(said)):
                start(**{"file": plain(BASE), **wrong})


def test_what_is_no_scenario_is_said():
    made = wfl_sim.Scenario.from_dict
    with pytest.raises(ScenarioError, match="a scenario must be a mapping, got 's"):
        made("s.yaml")
    for key, value in (("sweep", {"seeds": [1]}), ("extends", "s.yaml")):
        with pytest.raises(ScenarioError, match=f"^{key}: is of several .*: `load` reads it"):
            made({**plain(BASE), key: value})


def test_a_result_goes_to_other_processes():
    """Its states were a view of a mapping, which cannot be pickled."""
    one = Simulation(wfl_sim.Scenario.from_dict(plain(BASE)), network_only=True).run()
    assert pickle.loads(pickle.dumps(one)) == one


def test_names_of_python_are_offered_before_their_first_use():
    assert {*wfl_sim.__all__} <= {*dir(wfl_sim)}


def test_home_is_written_short(tmp_path, monkeypatch):
    """The folder was made under the name `~`, and could not be read again."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "s.yaml").write_text(BASE)
    (run,) = wfl_sim.run("~/s.yaml", out="~/runs")
    assert run.folder.parent == tmp_path / "runs"


def test_a_typed_scenario_is_loaded_as_it_is_run():
    one = wfl_sim.Scenario.from_dict(plain(BASE))
    (loaded,) = wfl_sim.load(one, settings="seed=9")
    assert loaded.scenario == replace(one, seed=9)


def test_a_mapping_is_the_same_as_its_file(tmp_path):
    (tmp_path / "s.yaml").write_text(BASE)
    (one,) = wfl_sim.run(tmp_path / "s.yaml", out=tmp_path / "file")
    (two,) = wfl_sim.run(plain(BASE), out=tmp_path / "mapping")
    (three,) = wfl_sim.run(wfl_sim.Scenario.from_dict(plain(BASE)), out=tmp_path / "typed")
    assert one.folder.name == two.folder.name == three.folder.name
    assert one.manifest["digests"] == two.manifest["digests"] == three.manifest["digests"]


def test_values_of_numpy_tuples_and_components_are_taken():
    from wfl_sim.radio.allocation import MaxCI

    cell = {"bandwidth": np.float64(10e6), "uplink": {"allocator": MaxCI()}}
    data = {**plain(BASE), "seed": np.int64(9), "cells": (cell,), "rounds.count": 5}
    made = wfl_sim.Scenario.from_dict(data)
    assert made.rounds.count == 5
    assert (made.seed, made.cells[0].bandwidth) == (9, 10e6)
    assert made.cells[0].uplink.allocator == MaxCI()


def test_a_mapping_may_extend_a_file_and_have_a_sweep(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("base.yaml").write_text(BASE)
    swept = {"extends": "base.yaml", "name": "mine", "sweep": {"seeds": range(1, 3)}}
    assert [each.scenario.seed for each in load(swept, settings=["rounds.count=1"])] == [1, 2]
    found = wfl_sim.sweep(swept, settings=["rounds.count=1"], out="runs")
    assert [run.seed for run in found.runs()] == [1, 2]
    there = pickle.loads(pickle.dumps(RunRequest.of(swept)))  # as other processes get it
    assert [each.scenario.seed for each in there.loaded] == [1, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": -1}, "^seed: must not be negative, got -1$"),
        ({"rounds": {"kind": "synchronous", "count": "3"}}, "^rounds.count: must be an integer"),
        (
            {"cells": [{"bandwith": "10 MHz"}]},
            "^cells.0.bandwith: unknown key 'bandwith', did you mean",
        ),
        ({"cells": [{"bandwidth": {1e6}}]}, "^cells.0.bandwidth: must be plain data or a comp"),
        ({"method": wfl_sim.Scenario}, r"^method: must be an object, got the class Scenario: Sc"),
        ({"payload": {1: 2}}, "^payload: the key 1 must be a text$"),
        ({"extends": "none.yaml"}, "^extends: no file 'none.yaml' in the working folder$"),
    ],
)
def test_errors_name_the_key(change, message):
    with pytest.raises(ScenarioError, match=message):
        load({**plain(BASE), **change})


def test_a_mapping_that_holds_itself_is_one_line():
    inside = {"bandwidth": "10 MHz"}
    inside["uplink"] = (inside,)
    for door in (load, wfl_sim.Scenario.from_dict, wfl_sim.run):
        with pytest.raises(ScenarioError, match=r"^cells\.0\.uplink: must have at most 100 levels"):
            door({**plain(BASE), "cells": [inside]})


@pytest.fixture
def cell():
    """Run texts as a notebook does; what they register is forgotten afterwards."""
    known = [(each, dict(each._kinds)) for each in FAMILIES]
    names = {"__name__": "__main__"}

    def run(text):
        exec(compile(text, "/tmp/ipykernel_1/1.py", "exec"), names)
        return names

    yield run
    for registry, kinds in known:
        registry._kinds.clear()
        registry._kinds.update(kinds)


CELL = """
from dataclasses import dataclass
from wfl_sim.codecs import Float32
from wfl_sim.methods.fedit import FedIT
from wfl_sim.protocols import CODECS, METHODS, SELECTORS, weighted_mean

@METHODS("damped")
@dataclass(frozen=True, kw_only=True)
class Damped(FedIT):
    def aggregate(self, shared, uploads):
        mean = weighted_mean(uploads)
        return {{name: old + {rate} * (mean[name] - old) for name, old in shared.items()}}

@CODECS("scaled")
@dataclass(frozen=True)
class Scaled(Float32):
    def encode(self, state):
        return super().encode({{name: {scale} * array for name, array in state.items()}})

@SELECTORS("first")
@dataclass(frozen=True)
class First:
    def select(self, devices, count, rng):
        return devices[{first}:][:count]
"""


def test_a_method_a_codec_and_a_selection_of_a_notebook_replace_their_older_ones(tmp_path, cell):
    scenario = {
        **plain(TRAINING),
        "method": {"kind": "damped", "lora": {"rank": 2}, "local": {"steps": 1, "batch": 4}},
        "payload": {"upload": "scaled"},
        "rounds": {"kind": "synchronous", "count": 1, "clients": 2, "select": "first"},
        "execution": "inline",
    }
    cells = [(0.5, 1, 0), (0.25, 1, 0), (0.5, 2, 0), (0.5, 1, 1), (0.5, 1, 0)]
    digests, runs = [], []
    for rate, scale, first in cells:
        cell(CELL.format(rate=rate, scale=scale, first=first))
        (loaded,) = load(scenario)
        digests.append(digest(loaded.scenario))
        if scale == 1 and not first:
            runs += wfl_sim.run(scenario, out=tmp_path)
    assert len(set(digests)) == 4
    assert digests[0] == digests[4]
    one, other, again = runs  # real training, which an older class would not have repeated
    assert one.manifest["digests"]["states"] != other.manifest["digests"]["states"]
    assert one.folder == again.folder
    assert one.manifest["tasks_executed"] > 0
    assert again.manifest == one.manifest  # it had ended, and is left alone


def test_a_cell_may_rename_its_class_and_take_no_name_of_another(cell):
    cell(CELL.format(rate=1, scale=1, first=0))
    names = cell(CELL.format(rate=1, scale=1, first=0).replace("First", "Foremost"))
    assert names["SELECTORS"].find("first") is names["Foremost"]
    taken = CELL.format(rate=1, scale=1, first=0).replace('"damped"', '"fedit"')
    with pytest.raises(ValueError, match="method 'fedit' is already registered"):
        cell(taken)


def test_an_object_whose_class_has_no_name_is_refused_at_once(cell):
    names = cell(CELL.format(rate=1, scale=1, first=0).replace('@SELECTORS("first")', ""))
    rounds = {"kind": "synchronous", "count": 1, "select": names["First"]()}
    with pytest.raises(
        ScenarioError, match=r"rounds.select: First is not a registered selector: register"
    ):
        wfl_sim.run({**plain(BASE), "rounds": rounds})


@contextmanager
def one_line(start):
    with pytest.raises(ScenarioError) as raised:
        yield
    text = str(raised.value)
    assert text.startswith(start)
    assert "\n" not in text


def test_a_class_of_a_notebook_in_other_processes_is_one_line(tmp_path, cell):
    cell(CELL.format(rate=1, scale=1, first=0))
    scenario = {**plain(TRAINING), "payload": {"upload": "scaled"}}
    with one_line("execution: the learner cannot go to another process: "):
        wfl_sim.run({**scenario, "execution": "processes"}, out=tmp_path)
    selected = {"kind": "synchronous", "count": 1, "select": "first"}
    swept = {**plain(BASE), "rounds": selected, "sweep": {"seeds": [1, 2]}}
    with one_line("jobs: First is of a script or notebook, which other processes cannot see"):
        wfl_sim.run(swept, out=tmp_path, jobs=2)


def test_tables_go_to_pandas_in_one_line(tmp_path):
    pytest.importorskip("pandas")
    (run,) = wfl_sim.run(plain(BASE), out=tmp_path)
    frame = run.spans.to_pandas()
    assert frame.joules.sum() == pytest.approx(run.joules)
