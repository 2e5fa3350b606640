"""Run folders: their names, and what cannot be written is refused before anything is simulated."""

import errno
import os
import sys

import pytest

import wfl_sim
from tests.fixtures.runs import BASE
from wfl_sim.config.errors import ScenarioError
from wfl_sim.results.tables import NAME_BYTES, file_name
from wfl_sim.simulation import run as running
from wfl_sim.simulation.request import RunRequest


def folders(tmp_path, text):
    (tmp_path / "s.yaml").write_text(text)
    request = RunRequest.of(tmp_path / "s.yaml", out=tmp_path / "runs", network_only=True)
    return [request.folder(each.scenario).name for each in request.loaded]


def test_a_long_label_is_cut_and_the_digest_tells_runs_apart(tmp_path):
    (short,) = folders(tmp_path, BASE + "label: short\n")
    assert short.startswith("synthetic-short-s5-")
    names = [
        *folders(tmp_path, BASE + f"label: {'ü' * 300}\n"),
        *folders(tmp_path, BASE + f"label: {'ü' * 301}\n"),
        *folders(tmp_path, BASE.replace("name: synthetic", "name: " + "n" * 500)),
    ]
    assert len(set(names)) == 3
    for name in names:
        assert NAME_BYTES - 2 < len(name.encode()) <= NAME_BYTES
        assert name.endswith("-network")


def test_a_run_with_a_long_name_and_label_has_all_its_files(tmp_path):
    text = BASE.replace("name: synthetic", "name: " + "n" * 500) + f"label: {'l' * 700}\n"
    (tmp_path / "s.yaml").write_text(text + "sweep: {seeds: [1]}\n")
    (run,) = wfl_sim.run(tmp_path / "s.yaml", out=tmp_path / "runs")
    assert run.manifest["label"] == "l" * 700
    (again,) = wfl_sim.sweep(tmp_path / "s.yaml", out=tmp_path / "sweeps").runs()
    assert again.folder.name == run.folder.name


def test_file_names_of_long_words_differ():
    names = [file_name("timeline", "x" * 300, end) for end in ("run", "round")]
    assert len(set(names)) == 2
    assert all(len(name) <= NAME_BYTES for name in names)
    assert file_name("Timeline", "a b", "run") == "timeline-a-b-run"


def test_a_run_folder_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    (tmp_path / "s.yaml").write_text(BASE)

    def closed(folder):
        raise PermissionError(errno.EACCES, "Permission denied", str(folder / "manifest.json"))

    monkeypatch.setattr("wfl_sim.simulation.request.check_replaceable", closed)
    with pytest.raises(ScenarioError, match=rf"^{tmp_path}/runs/synthetic-.*: cannot be written"):
        wfl_sim.run(tmp_path / "s.yaml", out=tmp_path / "runs")


@pytest.mark.skipif(sys.platform == "win32", reason="names are no bytes there")
def test_a_path_that_is_not_in_utf_8_is_refused_at_once(tmp_path):
    (tmp_path / "s.yaml").write_text(BASE)
    with pytest.raises(ScenarioError, match="cannot be written: the path is not in UTF-8"):
        wfl_sim.run(tmp_path / "s.yaml", out=tmp_path / os.fsdecode(b"r\xff"))


@pytest.mark.parametrize("what", ["foreign", "half-deleted", "file"])
@pytest.mark.parametrize("start", [wfl_sim.run, wfl_sim.sweep], ids=["run", "sweep"])
def test_a_folder_that_cannot_be_replaced_is_refused_at_once(tmp_path, monkeypatch, what, start):
    file, out = tmp_path / "s.yaml", tmp_path / "runs"
    file.write_text(BASE + "sweep: {seeds: [1, 2]}\n")
    started = start(file, out=out)
    (_, run) = started if isinstance(started, list) else started.runs()
    if what == "file":
        run.folder.rename(tmp_path / "elsewhere")
        run.folder.write_text("")
    else:
        (run.folder / "manifest.json").unlink()
        if what == "foreign":
            (run.folder / "spans.parquet").rename(run.folder / "thesis.tex")

    def simulated(*_, **__):
        raise AssertionError("it has begun")

    monkeypatch.setattr(running, "Simulation", simulated)
    said = "is not a folder" if what == "file" else "holds files but no manifest.json"
    with pytest.raises(ScenarioError, match=rf"^{run.folder}: {said}"):
        start(file, out=out)
