"""`wfl-sim store` says what is there, finds what is damaged and removes what is old."""

import errno
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.execution.test_store import result
from tests.simulation.test_training_runs import TRAINING
from wfl_sim.cli.commands import app
from wfl_sim.execution.store import Store
from wfl_sim.execution.store_maintenance import entries, limit_of


@pytest.fixture
def out(tmp_path):
    """A folder of runs whose store has three entries, of one size."""
    with Store(tmp_path / ".store") as store:
        for n in range(3):
            store.put(f"{n:032x}", result(n))
    for item in entries(tmp_path / ".store"):
        used = 1_000_000 + int(item.key, 16)
        os.utime(item.path, (used, used))
    return tmp_path


def said(*arguments, code=0):
    done = CliRunner().invoke(app, ["store", *map(str, arguments)])
    assert done.exit_code == code, done.output
    return done.output.splitlines()


def size(out):
    return next(iter(entries(out / ".store"))).size


def test_size(out):
    assert said("size", "--out", out) == [
        f"{out}/.store: 3 entries, {3 * size(out) / 1000:.4g} kB",
        "limit: none",
        "in use: no",
    ]
    with Store(out / ".store"):
        assert said("size", "--out", out)[2] == "in use: yes"


def test_list_begins_with_what_was_used_last(out):
    lines = said("list", "--out", out)
    assert [line.split()[4] for line in lines] == [f"{n:032x}" for n in (2, 1, 0)]
    assert lines[0].endswith("empty private upload accuracy=0.5 loss=0.3333")


def test_verify_names_what_is_damaged_and_removes_it_when_asked(out):
    assert said("verify", "--out", out) == [f"{out}/.store: 3 entries, 0 damaged"]
    path = next(iter(entries(out / ".store"))).path
    with open(path, "r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x77")
    lines = said("verify", "--out", out, code=1)
    assert lines == [f"{path}: the checksum differs", f"{out}/.store: 3 entries, 1 damaged"]
    assert said("verify", "--remove", "--out", out)[0].endswith(": removed")
    assert said("verify", "--out", out) == [f"{out}/.store: 2 entries, 0 damaged"]


def test_what_cannot_be_read_or_removed_does_not_hide_the_others(out):
    path = Path(next(iter(entries(out / ".store"))).path)
    path.unlink()
    path.mkdir()
    listed = said("list", "--out", out)
    assert len(listed) == 3
    assert [line for line in listed if line.endswith("cannot be read: Is a directory")]
    for more in ((), ("--remove",)):
        first, last = said("verify", *more, "--out", out, code=1)
        assert first.startswith(f"{path}: cannot be read (Is a directory)")
    assert ": cannot be removed: " in first
    assert last == f"{out}/.store: 3 entries, 1 damaged, 0 of them removed"


def test_prune_keeps_what_was_used_last(out):
    limit = 2 * size(out)
    (line,) = said("prune", f"{limit} B", "--out", out)
    assert line.startswith("removed 1 entries, ")
    assert sorted(int(item.key, 16) for item in entries(out / ".store")) == [1, 2]


def test_prune_says_what_it_may_not_take(out):
    with Store(out / ".store") as store:
        store.get(f"{0:032x}")
        lines = said("prune", "0 B", "--out", out)
    assert lines[1].endswith("B of it may be needed by runs that go on")
    assert [int(item.key, 16) for item in entries(out / ".store")] == [0]


def test_a_limit_may_be_set_before_there_is_anything(tmp_path):
    assert said("limit", "1 GB", "--out", tmp_path / "new") == ["limit: 1 GB"]
    assert limit_of(tmp_path / "new" / ".store") == 10**9


def test_a_limit_that_is_no_number_is_none_and_said(out, caplog):
    (out / ".store" / "limit").write_text("garbage")
    assert limit_of(out / ".store") is None
    assert "is no number of bytes" in caplog.text


def test_a_limit_stays_until_it_is_lifted(out):
    assert said("limit", "20 GB", "--out", out) == ["limit: 20 GB"]
    assert limit_of(out / ".store") == 20 * 10**9
    assert said("limit", "none", "--out", out) == ["limit: none"]
    assert limit_of(out / ".store") is None


def test_mistakes_are_one_line(out, tmp_path):
    (line,) = said("size", "--out", tmp_path / "nowhere", code=2)
    assert line.startswith(f"error: {tmp_path}/nowhere/.store: no store there")
    (line,) = said("prune", "20 GHz", "--out", out, code=2)
    assert line.startswith("error: SIZE: ")


def test_a_run_whose_store_cannot_be_made_ends_with_one_line(tmp_path):
    file = tmp_path / "s.yaml"
    file.write_text(TRAINING)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / ".store").write_text("in the way")
    done = CliRunner().invoke(app, ["run", str(file), "--out", str(tmp_path / "runs")])
    assert done.exit_code == 2
    assert done.output == f"error: {tmp_path}/runs/.store: File exists\n"


def test_a_run_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    file = tmp_path / "s.yaml"
    file.write_text(TRAINING)

    def full(*given, **named):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("wfl_sim.simulation.run.write_run", full)
    done = CliRunner().invoke(app, ["run", str(file), "--out", str(tmp_path), "--network-only"])
    assert done.exit_code == 2
    (line,) = done.output.splitlines()
    assert line.startswith(f"error: {tmp_path}/training-")
    assert line.endswith(
        ": cannot be written (No space left on device); the same command continues"
    )


def test_a_run_whose_disk_fills_up_ends_with_one_line_and_continues(tmp_path, monkeypatch):
    file = tmp_path / "s.yaml"
    file.write_text(TRAINING)
    command = ["run", str(file), "--out", str(tmp_path / "runs"), "--no-figures"]
    write, written = os.write, []

    def full(handle, content):
        written.append(len(content))
        if len(written) > 9:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(handle, content)

    monkeypatch.setattr("wfl_sim.execution.store.os.write", full)
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2
    assert done.output == (
        f"error: {tmp_path}/runs/.store: cannot be written (No space left on device); "
        "what is there stays good\n"
    )
    assert not list((tmp_path / "runs").glob("training*"))
    monkeypatch.undo()
    assert said("verify", "--out", tmp_path / "runs")[-1].endswith("9 entries, 0 damaged")
    assert CliRunner().invoke(app, command).exit_code == 0
