"""Lists of runs and what two runs differ in."""

import errno
import json
import shutil

import pytest
from typer.testing import CliRunner

from tests.results.test_comparison import written
from wfl_sim.cli.commands import app
from wfl_sim.results import Run, Sweep, write_sweep
from wfl_sim.results.overview import differences, leaves, overview


@pytest.fixture
def folder(tmp_path):
    for seed in (1, 2):
        for fast in (False, True):
            written(tmp_path, 20, seed, fast)
    for number, run in enumerate(sorted(tmp_path.iterdir())):
        kind = "fedit" if run.name.startswith("fast") else "pftt"
        extra = "" if kind == "fedit" else "\n  adapter: {bottleneck: 16}"
        text = f"name: known\nseed: {number % 2 + 1}\nmethod:\n  kind: {kind}{extra}\n"
        (run / "scenario.yaml").write_text(text)
    return tmp_path


def command(*arguments):
    done = CliRunner().invoke(app, [*map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.output


def test_ls_shows_state_and_what_differs(folder):
    (folder / "damaged").mkdir()
    (folder / "damaged" / "manifest.json").write_text("{}")
    (folder / "notes").mkdir()
    (folder / ".store").mkdir()
    sweep = folder / "known-sweep-12345678"
    plan = [
        {"folder": name, "label": name, "seed": 1, "point": {}} for name in ("fast-20-1", "later")
    ]
    write_sweep(sweep, "known", plan)
    shutil.copytree(folder / "fast-20-1", sweep / "fast-20-1")
    lines = command("ls", folder).splitlines()
    assert lines[0].startswith(f"damaged  cannot be opened: {folder}/damaged/")
    assert lines[1] == "fast-20-1  3.0 s simulated  seed=1, method=fedit"
    assert lines[2] == "fast-20-2  3.5 s simulated  seed=2, method=fedit"
    assert lines[3] == "known-sweep-12345678  sweep, 1 of 2 runs ended"
    assert lines[4] == "slow-20-1  6.0 s simulated  seed=1, method=pftt, bottleneck=16"
    assert len(lines) == 6
    inside = command("ls", sweep).splitlines()
    assert inside == ["fast-20-1  3.0 s simulated", "later  not ended"]


def test_a_folder_that_cannot_be_read_does_not_hide_the_others(folder, monkeypatch):
    before, is_one = overview(folder), Sweep.is_one
    closed = next(entry.folder for entry in before if not is_one(entry.folder))

    def asked(path):
        if path == closed:
            raise PermissionError(errno.EACCES, "Permission denied", str(path / "sweep.json"))
        return is_one(path)

    monkeypatch.setattr(Sweep, "is_one", asked)
    after = {entry.folder: entry.state for entry in overview(folder)}
    assert len(after) == len(before)
    assert after[closed] == "cannot be read: Permission denied"


def test_ls_says_that_there_is_nothing_and_takes_no_run(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    done = CliRunner().invoke(app, ["ls", str(tmp_path / "empty")])
    assert (done.exit_code, done.output) == (0, f"{tmp_path / 'empty'}: no runs\n")
    run = next(each.folder for each in overview(folder) if (each.folder / "spans.parquet").exists())
    done = CliRunner().invoke(app, ["ls", str(run)])
    assert (done.exit_code, "is a run: name the folder" in done.output) == (2, True)


def test_a_run_alone_differs_in_nothing(folder):
    (entry,) = [each for each in overview(folder) if each.folder.name == "fast-20-1"]
    assert entry.differs == "seed=1, method=fedit"
    for other in ("fast-20-2", "slow-20-1", "slow-20-2"):
        shutil.rmtree(folder / other)
    assert [entry.differs for entry in overview(folder)] == [""]
    with pytest.raises(ValueError, match="no such folder"):
        overview(folder / "none")


def test_diff_shows_keys_and_results(folder):
    one, other = folder / "fast-20-1", folder / "slow-20-1"
    lines = command("diff", one, other).splitlines()
    assert lines[:2] == [
        "scenario: method.kind: fedit | pftt",
        "scenario: method.adapter.bottleneck: - | 16",
    ]
    assert "result: simulated_seconds: 3 | 6" in lines
    assert "result: accuracy personal_mean: 0.81 | 0.61" in lines
    assert not any(line.startswith("result: bits") for line in lines)
    assert command("diff", one, one) == "no difference\n"


def test_versions_that_differ_are_shown(folder):
    one, other = folder / "fast-20-1", folder / "fast-20-2"
    path = other / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"versions": {"numpy": "9"}}))
    found = {path for path, *_ in differences(Run.open(one), Run.open(other))}
    assert "run: versions.numpy" in found


def test_leaves_of_nested_values():
    nested = {"a": {"b": 1, "c": []}, "d": [{"e": 2}, {"e": None}], "f": [1, 2], "g": {}}
    assert dict(leaves(nested)) == {
        "a.b": 1,
        "a.c": [],
        "d.0.e": 2,
        "d.1.e": None,
        "f": [1, 2],
        "g": {},
    }
