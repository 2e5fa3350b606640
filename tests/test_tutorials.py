"""The tutorials, typed from top to bottom in an empty folder, do what they say."""

import glob
import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest

from wfl_sim.cli import main
from wfl_sim.results import Run

DOCS = Path(__file__).parents[1] / "docs"
LESS = {
    "study.yaml": [
        "--set",
        "sweep.seeds=[1, 2]",
        "--set",
        "sweep.grid.devices.0.power=[20 dBm, 23 dBm]",
        "--set",
        "rounds.count=1",
    ],
    "own.yaml": ["--set", "rounds.count=1"],
    "methods.yaml": ["--set", "sweep.seeds=[1, 2]", "--set", "rounds.count=1"],
}
"""What a sweep leaves out here, for the time that it takes."""


def typed(page, monkeypatch, folder, capsys):
    """Write the files of a page, run its commands and scripts, and return what they said."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    text = (DOCS / page).read_text(encoding="utf-8")
    said = {}
    for language, block in re.findall(r"```(\w*)\n(.*?)```", text, re.DOTALL):
        name = block.splitlines()[0].removeprefix("# ")
        if language:
            assert Path(name).stem not in sys.stdlib_module_names, "would take its place"
            (folder / name).write_text(block, encoding="utf-8")
            if re.search(r"^(print|with|for)\b", block, re.MULTILINE) and language == "python":
                runpy.run_path(str(folder / name))
                said[name] = capsys.readouterr().out
            continue
        for line in block.splitlines():
            program, *words = shlex.split(line)
            if program != "wfl-sim":
                continue
            # Spawned processes would begin with the program that runs the tests.
            alone = ["--jobs", "1"] if words[0] == "sweep" else []
            words = [each for word in words for each in sorted(glob.glob(word)) or [word]]
            less = [option for word in words for option in LESS.get(word, [])]
            arguments = [program, *words, *less, *alone]
            monkeypatch.setattr(sys, "argv", arguments)
            with pytest.raises(SystemExit) as ended:
                main()
            said[line], problem = capsys.readouterr()
            assert not ended.value.code, problem
    return said


@pytest.mark.slow
def test_the_tutorial_on_networks(tmp_path, monkeypatch, capsys):
    said = typed("tutorial-wireless.md", monkeypatch, tmp_path, capsys)
    assert "valid" in said["wfl-sim validate --deep cell.yaml"]
    assert "proportional-fair" in said["values.py"]
    assert "proportional-fair" in said["makespans.py"]
    assert (tmp_path / "makespans.pdf").is_file()
    (study,) = tmp_path.glob("runs/study-sweep-*")
    assert (study / "figures" / "along-devices.0.power.png").is_file()
    assert (tmp_path / "paper" / "along-devices.0.power-1-simulated-time-s.pdf").is_file()
    assert len(list(tmp_path.glob("runs/own-sweep-*/*/manifest.json"))) == 6


@pytest.mark.slow
def test_the_tutorial_on_learning(tmp_path, monkeypatch, capsys):
    said = typed("tutorial-learning.md", monkeypatch, tmp_path, capsys)
    (folder,) = tmp_path.glob("runs/topics-*")
    accuracy = Run.open(folder).series("accuracy", "global").value
    assert accuracy[-1] > accuracy[0] + 0.2
    (methods,) = tmp_path.glob("runs/methods-sweep-*")
    assert (methods / "figures" / "convergence-accuracy-personal_mean.png").is_file()
    paper = tmp_path / "paper" / "convergence-accuracy-personal_mean-2-completed-rounds.pdf"
    assert paper.is_file()
    assert len(said["curves.py"].splitlines()) == 6
