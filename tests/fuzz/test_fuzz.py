"""A short search with fixed seeds; `python -m tests.fuzz` is the long one."""

import pytest
from hypothesis import HealthCheck, given, settings

from tests.fuzz.laws import check_load, check_network, folder_with_tables
from tests.fuzz.strategies import networks, texts, trainings
from tests.fuzz.trainings import check_training
from wfl_sim.scenario.loading import load
from wfl_sim.scenario.resolve import digest, to_yaml

short = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return folder_with_tables(tmp_path_factory.mktemp("fuzz"))


@settings(short, max_examples=50)
@given(case=texts())
def test_a_text_is_a_scenario_or_one_line(folder, case):
    check_load(*case, folder)


@settings(short, max_examples=8)
@given(text=networks())
def test_a_network_keeps_its_laws(folder, text):
    check_network(text, folder)


@settings(short, max_examples=3)
@given(text=trainings())
def test_training_is_the_same_after_a_stop_and_in_groups(folder, text):
    check_training(text, folder)


@settings(short, max_examples=2)
@given(text=networks())
def test_what_a_run_folder_keeps_is_the_same_scenario(folder, text):
    (folder / "a.yaml").write_text(text, encoding="utf-8")
    scenario = load(folder / "a.yaml")[0].scenario
    (folder / "b.yaml").write_text(to_yaml(scenario), encoding="utf-8")
    assert digest(load(folder / "b.yaml")[0].scenario) == digest(scenario)
