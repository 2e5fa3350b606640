"""Which runs a command makes, what it says of them, and where their figures go."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.fixtures.scenario_files import GOOD
from wfl_sim.cli.commands import app
from wfl_sim.results import Sweep

DOCS = Path(__file__).parents[2] / "docs"
VARIANTS = """\
sweep:
  seeds: [1, 2]
  variants:
    plain:
    wide: {cells: [{bandwidth: 20 MHz}]}
    fedit: {method: {kind: fedit, local: {steps: 4}, lora: {rank: 8}}}
"""
NO_TABLE = ("--no-figures", "--jobs", "1")


def command(*arguments, code=0):
    done = CliRunner().invoke(app, [*map(str, arguments)])
    assert done.exit_code == code, done.output
    return done


def names(folder, pattern="good-*"):
    return sorted(path.name for path in folder.glob(pattern))


def test_only_a_variant_and_other_seeds(files):
    file, out = files.write(GOOD + VARIANTS), files.folder / "runs"
    command("run", file, "--out", out, *NO_TABLE, "--only", "wide", "--seeds", "3..4")
    assert [name.rpartition("-")[0] for name in names(out)] == ["good-wide-s3", "good-wide-s4"]
    done = command("validate", file, "--only", "plain", "--only", "fedit", "--seeds", "1..5")
    assert done.stdout.endswith("valid, 10 runs of 3 devices\n")
    done = command("run", file, "--only", "wdie", code=2)
    assert done.stderr == "error: --only wdie: no such variant, did you mean 'wide'?\n"


def test_what_would_undo_a_variant_is_refused_before_anything_runs(files):
    file, out = files.write(GOOD + VARIANTS), files.folder / "runs"
    done = command("run", file, "--out", out, "--set", "method=fedit", code=2)
    assert done.stderr == (
        "error: --set method=fedit: method: undoes sweep.variants.fedit, which sets method.kind: "
        "choose among the variants with --only\n"
    )
    assert not out.exists()


def test_a_finished_run_is_left_alone_and_a_changed_one_is_not(files):
    file, out = files.write(), files.folder / "runs"
    assert "tasks executed" in command("run", file, "--out", out, *NO_TABLE).stdout
    (folder,) = out.glob("good-*")
    before = (folder / "manifest.json").stat().st_mtime_ns
    assert "there already" in command("run", file, "--out", out, *NO_TABLE).stdout
    assert (folder / "manifest.json").stat().st_mtime_ns == before
    (folder / "spans.parquet").write_bytes((folder / "metrics.parquet").read_bytes())
    assert "tasks executed" in command("run", file, "--out", out, *NO_TABLE).stdout


def test_shares_make_the_sweep_together(files):
    file, out = files.write(GOOD + VARIANTS), files.folder / "runs"
    share = ("sweep", file, "--out", out, *NO_TABLE, "--shard")
    ended = []
    for number in range(1, 5):
        done = command(*share, f"{number}/4")
        (folder,) = out.glob("good-sweep-*")
        ended.append(len(names(folder)))
        left = 6 - ended[-1]
        last = (
            f"{folder}: runs of other shares that have not ended: {left}" if left else str(folder)
        )
        assert done.stdout.splitlines()[-1] == last
        assert (folder / "table.parquet").exists() == (left == 0)
    assert ended == [1, 3, 4, 6]
    (whole,) = out.glob("good-sweep-*")
    done = command("sweep", file, "--out", out, *NO_TABLE)
    assert done.stdout.count("there already") == 6
    assert Sweep.open(whole).table.num_rows == 6


@pytest.mark.parametrize(
    ("shard", "message"),
    [
        ("0/4", "--shard 0/4: must be a share such as 3/10"),
        ("5/4", "--shard 5/4: must be a share such as 3/10"),
        ("4", "--shard 4: must be a share such as 3/10"),
        ("1/7", "--shard 1/7: must be at most 6 shares, one for each run"),
    ],
)
def test_wrong_shares(files, shard, message):
    file = files.write(GOOD + VARIANTS)
    assert command("sweep", file, "--shard", shard, code=2).stderr == f"error: {message}\n"


def test_what_does_not_stay_and_what_has_no_effect_is_said_once(files):
    text = GOOD + "load_memory: 3 s\nsweep: {seeds: [1, 2], variants: {a: {method: fedit}, b: }}\n"
    file = files.write(text)
    expected = [
        "warning: s.yaml:25: sweep.variants.a.method: fedit replaces pftt; keys that do not stay: "
        "lora, local",
        "warning: s.yaml:24: load_memory: has no effect without `interference: load-average`",
    ]
    assert files.short(command("validate", file).stderr).splitlines() == expected
    done = command("run", file, "--out", files.folder / "runs", *NO_TABLE)
    assert files.short(done.stderr).splitlines() == expected


def test_an_unknown_executor(files):
    line = command("run", files.write(), "--executor", "bogus", code=2).stderr
    assert line.startswith("error: --executor bogus: unknown executor 'bogus' (known: auto, ")


def test_figures_of_other_runs_go_elsewhere_and_patterns_pass_over_them(files):
    file, out = files.write(GOOD + VARIANTS), files.folder / "runs"
    options = ("run", file, "--out", out, "--jobs", "1")
    said = command(*options, "--only", "plain").stdout.splitlines()
    assert "whole runs: network only" in said
    assert ["label", "server", "(J)"] in [line.split() for line in said]
    command(*options, "--only", "wide")
    folders = names(out, "good-figures-*")
    assert len(folders) == 2
    assert all(re.fullmatch(r"good-figures-[0-9a-f]{8}", name) for name in folders)
    done = command("compare", *sorted(out.glob("good-*")), "--no-figures")
    assert [line for line in done.stderr.splitlines() if "passed over" in line] == [
        f"warning: {out / name}: figures and tables, no run: passed over" for name in folders
    ]
    assert len(names(out, "comparison-*")) == 1
    assert "plain" in done.stdout
    assert "wide" in done.stdout


def test_a_sweep_is_plotted_with_its_axes(files):
    block = "sweep: {grid: {cells.0.bandwidth: [10 MHz, 20 MHz]}}\n"
    file, out = files.write(GOOD + block), files.folder / "runs"
    command("sweep", file, "--out", out, *NO_TABLE)
    (folder,) = out.glob("good-sweep-*")
    names = ("--name", "bandwidth=width", "--name", "bandwith=width")
    done = command("plot", folder, *names, "--width", "5in", "--target", "0.5")
    drawn = {Path(line).name for line in done.stdout.split()}
    assert {"along-cells.0.bandwidth.png", "breakdown.png", "comparison.csv"} <= drawn
    assert done.stderr == (
        "warning: --width 5in: squeezes panels side by side: --style ieee draws each alone\n"
        "warning: --target 0.5: has no effect: no run has measured accuracy\n"
        "warning: --name bandwith=width: no figure has 'bandwith'\n"
    )


@pytest.mark.slow
def test_the_script_for_slurm_does_a_sweep(files):
    """Two starts of the program: the page's script, as SLURM would start it twice."""
    (script, *_) = re.findall(r"```bash\n(.*?)```", (DOCS / "clusters.md").read_text(), re.DOTALL)
    files.write(script, "park.sh")
    files.write(GOOD + "sweep: {seeds: [1, 2]}\n", "park.yaml")
    (files.folder / "bin").mkdir()
    program = f'#!/bin/sh\nexec {sys.executable} -m wfl_sim "$@"\n'
    files.write(program, "bin/wfl-sim").chmod(0o755)
    given = {**os.environ, "PATH": f"{files.folder / 'bin'}:{os.environ['PATH']}"}
    given |= {"SLURM_ARRAY_TASK_COUNT": "2", "SLURM_CPUS_PER_TASK": "1"}
    given["PYTHONPATH"] = str(DOCS.parent)
    for number in ("1", "2"):
        subprocess.run(
            ["bash", "park.sh"],
            cwd=files.folder,
            env={**given, "SLURM_ARRAY_TASK_ID": number},
            check=True,
        )
    (folder,) = (files.folder / "runs").glob("good-sweep-*")
    assert Sweep.open(folder).table.num_rows == 2
    assert (folder / "figures" / "comparison.csv").exists()
