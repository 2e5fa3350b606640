"""A learner reaches a machine that does not have its base model."""

import shutil
import tempfile

import pytest

from tests.fixtures.runs import scenario
from tests.simulation.test_training_runs import TRAINING
from wfl_sim.execution.executors.pickling import PickledLearner
from wfl_sim.execution.task import InitialShared
from wfl_sim.learning.pretrained import builtin
from wfl_sim.scenario.loading import load
from wfl_sim.simulation.simulation import Simulation


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A model in a folder, which may go away, and an empty folder for temporary files."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    return shutil.copytree(builtin("tiny-bert"), tmp_path / "model")


def learner(tmp_path, model):
    setting = f"model={{pretrained: {model}}}"
    return Simulation(scenario(tmp_path, setting, text=TRAINING)).learner


def unpacked_models(tmp_path):
    return list((tmp_path / "temporary").glob("wfl_sim-model-*"))


def begun(learner):
    states = learner.run(InitialShared(recipe=learner.recipe, seed=1), []).states["shared"]
    return {name: array.tobytes() for name, array in states.items()}


def test_a_model_that_is_not_there_comes_along_and_is_unpacked_once(tmp_path, model):
    here = learner(tmp_path, model)
    expected = begun(here)
    pickled = PickledLearner.of(here, models=True)
    model.rename(tmp_path / "elsewhere")
    there = pickled.unpickled()
    assert there.recipe == here.recipe
    assert there.workload(0) == here.workload(0)
    assert begun(there) == expected
    (unpacked,) = unpacked_models(tmp_path)
    assert there.model.pretrained == str(unpacked)
    before = (unpacked / "config.json").stat().st_ino
    assert begun(pickled.unpickled()) == expected
    assert unpacked_models(tmp_path) == [unpacked]
    assert (unpacked / "config.json").stat().st_ino == before


def test_a_plugin_that_is_edited_meanwhile_is_one_line(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from wfl_sim.codecs.quantized import Int8\nclass Mine(Int8):\n    '''Mine.'''\n"
    )
    (tmp_path / "scenario.yaml").write_text(TRAINING)
    setting = f"payload.upload={tmp_path}/mine.py:Mine"
    (loaded,) = load(tmp_path / "scenario.yaml", settings=[setting], allow_plugins=True)
    pickled = PickledLearner.of(Simulation(loaded.scenario).learner)
    pickled.unpickled()
    (tmp_path / "mine.py").write_text("# edited\n")
    with pytest.raises(
        OSError, match=r"mine\.py, or what it imports, was edited .*: start it again"
    ):
        pickled.unpickled()


def test_a_model_that_is_there_stays_where_it_is(tmp_path, model):
    there = PickledLearner.of(learner(tmp_path, model), models=True).unpickled()
    assert there.model.pretrained == str(model)
    assert unpacked_models(tmp_path) == []


def test_another_model_in_its_place_is_not_taken_for_it(tmp_path, model):
    pickled = PickledLearner.of(learner(tmp_path, model), models=True)
    (model / "config.json").write_text("{}")
    assert pickled.unpickled().model.pretrained != str(model)
    (unpacked,) = unpacked_models(tmp_path)
    (unpacked / "config.json").write_text("{}")
    with pytest.raises(OSError, match="remove it"):
        pickled.unpickled()


def test_what_comes_with_a_package_and_what_stays_on_the_machine_is_not_carried(tmp_path, model):
    assert not PickledLearner.of(learner(tmp_path, "builtin:tiny-bert"), models=True).models
    pickled = PickledLearner.of(learner(tmp_path, model))
    assert not pickled.models
    assert pickled.unpickled().model.pretrained == str(model)


def test_a_model_with_sub_folders_comes_along_with_them(tmp_path, model):
    (model / "more").mkdir()
    (model / "more" / "config.json").write_text("{}")
    here = learner(tmp_path, model)
    recipe = here.recipe
    pickled = PickledLearner.of(here, models=True)
    model.rename(tmp_path / "elsewhere")
    assert pickled.unpickled().recipe == recipe
    (unpacked,) = unpacked_models(tmp_path)
    assert (unpacked / "more" / "config.json").read_text() == "{}"
