"""The layers: what each room may import, and what stays unloaded."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tools.import_graph import (
    RANKS,
    circles,
    folder_circles,
    imports,
    module_files,
    room_of,
    upward,
)

ROOT = Path(__file__).parents[1]


def test_every_room_has_a_rank():
    assert {room_of(module) for module in module_files()} <= set(RANKS)


def test_imports_go_down_or_stay_in_the_room():
    assert [str(each) for each in upward()] == []


def test_no_files_import_one_another_in_a_circle():
    assert circles() == []


@pytest.mark.parametrize(
    "room", ["radio", "network", "rounds", "results", "device_models", "execution"]
)
def test_folders_of_a_room_import_one_way(room):
    assert folder_circles(room) == []


@pytest.mark.parametrize("room", ["learning", "channel_models"])
def test_folders_and_files_of_a_room_import_one_way(room):
    assert folder_circles(room, alone=True) == []


def test_no_file_and_no_folder_holds_two_concepts():
    lines = {file: len(file.read_text().splitlines()) for file in module_files().values()}
    folders = Counter[Path]()
    for file, count in lines.items():
        folders[file.parent] += count
    assert {file: count for file, count in lines.items() if count > 300} == {}
    assert {folder: count for folder, count in folders.items() if count > 3500} == {}


def test_nothing_inside_imports_the_facade():
    facades = {"wfl_sim.protocols", "wfl_sim.registry", "wfl_sim.selection"}
    assert [str(each) for each in imports() if each.target in facades] == []


def test_an_upward_import_and_a_circle_are_found(tmp_path):
    files = {
        "wfl_sim/radio/band.py": "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from wfl_sim.network.cell import Cell\n",
        "wfl_sim/network/cell.py": "def f():\n    from wfl_sim.radio import band\n",
        "wfl_sim/network/other.py": "import wfl_sim.learning.learner\n",
        "wfl_sim/learning/learner.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert {str(each) for each in upward(tmp_path)} == {
        "wfl_sim.radio.band:3 imports wfl_sim.network.cell",
        "wfl_sim.network.other:1 imports wfl_sim.learning.learner",
    }
    assert circles(tmp_path) == [{"wfl_sim.radio.band", "wfl_sim.network.cell"}]


def test_a_circle_of_folders_is_found(tmp_path):
    folder = tmp_path / "wfl_sim/radio/bands"
    folder.mkdir(parents=True)
    (folder / "ofdma.py").write_text("from wfl_sim.radio.cell import CellConfig\n")
    (folder / "slices.py").write_text("")
    (folder.parent / "cell.py").write_text("from wfl_sim.radio.bands.slices import Slice\n")
    assert folder_circles("radio", tmp_path) == [{"radio", "bands"}]


@pytest.mark.parametrize(
    ("libraries", "rooms"),
    [
        ({"torch", "transformers", "peft"}, {"learning"}),
        ({"matplotlib"}, {"results", "channel_models"}),
        ({"simpy"}, {"network", "rounds", "flower", "gym"}),
        ({"flwr"}, {"flower"}),
        ({"gymnasium"}, {"gym"}),
        ({"typer", "rich"}, {"cli"}),
        ({"numba"}, {"channel_models"}),
    ],
)
def test_a_library_is_imported_where_it_belongs(libraries, rooms):
    found = set()
    for module, file in module_files().items():
        for line in file.read_text(encoding="utf-8").splitlines():
            word = line.split()[:2]
            if word[:1] in (["import"], ["from"]) and word[1].split(".")[0] in libraries:
                found.add(room_of(module))
    assert found == rooms


def test_only_figures_and_plots_import_matplotlib():
    found = [
        module
        for module, file in module_files().items()
        if "matplotlib" in file.read_text(encoding="utf-8")
        and not module.startswith(("wfl_sim.results.figures", "channel_models.plots"))
    ]
    assert found == []


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
