"""The walls between the rooms: who may load what."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def imported(folder):
    """Return the top-level names that the files of a folder import, and where."""
    for file in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            else:
                continue
            for name in names:
                yield name, f"{file.relative_to(ROOT)}:{node.lineno}"


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("channel_models", {"simpy", "torch", "transformers", "pydantic", "wfl_sim", "networkx"}),
        ("wfl_sim/methods", {"simpy", "torch", "transformers", "peft", "channel_models"}),
        ("wfl_sim/entities", {"torch", "transformers", "peft", "matplotlib"}),
        ("wfl_sim/radio", {"torch", "transformers", "peft", "simpy"}),
        ("wfl_sim/rounds", {"torch", "transformers", "peft", "numpy"}),
        ("wfl_sim/learning", {"simpy", "matplotlib", "networkx"}),
        ("wfl_sim/execution", {"torch", "transformers", "peft", "simpy", "matplotlib"}),
        ("wfl_sim/figures", {"torch", "transformers", "peft", "simpy"}),
        ("wfl_sim/results", {"torch", "transformers", "peft", "simpy", "matplotlib"}),
    ],
)
def test_a_room_stays_behind_its_walls(folder, forbidden):
    broken = [
        f"{where} imports {name}"
        for name, where in imported(folder)
        if name.split(".")[0] in forbidden
    ]
    assert not broken


def test_only_learning_imports_torch():
    heavy = {"torch", "transformers", "peft"}
    broken = [
        where
        for name, where in imported("wfl_sim")
        if name.split(".")[0] in heavy and not where.startswith("wfl_sim/learning/")
    ]
    assert not broken


def loaded_by(code):
    """Return the top-level modules in a fresh interpreter that has run `code`."""
    script = f"{code}\nimport sys; print('\\n'.join({{m.split('.')[0] for m in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True
    )
    return set(done.stdout.split())


def test_channel_models_stands_alone():
    loaded = loaded_by("import channel_models")
    assert not loaded & {"simpy", "torch", "transformers", "pydantic", "wfl_sim", "matplotlib"}


def test_a_scenario_is_read_without_torch(tmp_path):
    file = tmp_path / "scenario.yaml"
    file.write_text((ROOT / "scenarios/quickstart.yaml").read_text())
    loaded = loaded_by(f"from wfl_sim.scenario.loading import load; load({str(file)!r})")
    assert not loaded & {"torch", "transformers", "peft", "matplotlib", "pyarrow"}


def test_a_synthetic_network_study_needs_no_torch(tmp_path):
    loaded = loaded_by(
        "from pathlib import Path\n"
        "from tests.fixtures.runs import outcome\n"
        f"assert outcome(Path({str(tmp_path)!r})).spans"
    )
    assert not loaded & {"torch", "transformers", "peft", "matplotlib"}
