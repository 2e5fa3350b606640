"""Sweeps that run: one folder, one table, one training; checked first, continued after a stop."""

import csv
import json
import pickle
import shutil
import signal

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import wfl_sim
from tests.cli.test_cli import INTERRUPTED, started
from tests.fixtures.commands import wfl_sim as command
from tests.fixtures.scenario_files import GOOD
from wfl_sim.cli.commands import app
from wfl_sim.config.errors import ScenarioError
from wfl_sim.execution.worker_pool import JobQueue
from wfl_sim.results import Goal, Sweep, compared
from wfl_sim.simulation.progress import listener_for
from wfl_sim.simulation.request import RunRequest
from wfl_sim.simulation.run import Runner
from wfl_sim.simulation.sweep import useful_jobs

BANDWIDTHS = """\
sweep:
  grid: {cells.0.bandwidth: [5 MHz, 10 MHz, 20 MHz]}
  seeds: [1, 2]
"""
BLOCK = GOOD.replace("    bandwidth: 10 MHz\n", "    subcarrier_spacing: 15 kHz\n") + BANDWIDTHS
LEARNING = BLOCK.replace(
    "model: {kind: synthetic, payload: 2 Mbit, flops_per_step: 20 GFLOP}",
    "model: {pretrained: builtin:tiny-bert}\ndata: {kind: newswire, examples: 24}\n"
    "evaluation: {global_examples: 8, personal_examples: 4}",
).replace("steps: 4", "steps: 1")


def refusal(files, text):
    with pytest.raises(ScenarioError) as caught:
        wfl_sim.sweep(files.write(text), out=files.folder / "runs")
    return files.short(caught.value)


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """The runs of BLOCK, for tests that begin with them."""
    folder = tmp_path_factory.mktemp("swept")
    (folder / "s.yaml").write_text(BLOCK, encoding="utf-8")
    wfl_sim.sweep(folder / "s.yaml", out=folder / "runs")
    return folder / "runs"


@pytest.fixture
def sweep(swept, files):
    """Return that sweep in a folder `runs` of its own."""
    (folder,) = shutil.copytree(swept, files.folder / "runs").glob("*-sweep-*")
    return Sweep.open(folder)


def test_a_sweep_has_a_folder_with_a_table_over_its_runs(files, sweep):
    assert sweep.folder.parent == files.folder / "runs"
    assert not sweep.missing
    runs = sweep.runs()
    assert [(run.label, run.seed) for run in runs] == [
        (f"bandwidth={width} MHz", seed) for width in (5, 10, 20) for seed in (1, 2)
    ]
    table = sweep.table
    assert table.column_names[:4] == ["run", "label", "cells.0.bandwidth", "seed"]
    assert table.schema.field("cells.0.bandwidth").metadata == {b"unit": b"Hz"}
    assert table["cells.0.bandwidth"].to_pylist() == [5e6, 5e6, 10e6, 10e6, 20e6, 20e6]
    for run, row in zip(runs, table.to_pylist(), strict=True):
        run.verify()
        spans = run.span_arrays
        assert row["run"] == run.folder.name
        assert row["rounds"] == 2
        assert row["simulated_seconds"] == pytest.approx(spans["end"].max())
        assert row["joules"] == pytest.approx(spans["joules"].sum())
        assert row["bits_up"] == spans["bits"][spans["activity"] == "upload"].sum()
        assert row["target"] is None
    seconds = table["simulated_seconds"].to_pylist()
    assert seconds[0] > seconds[2] > seconds[4]


def test_ten_bandwidths_cost_one_training(files):
    settings = [f"sweep.grid.cells.0.bandwidth=[{', '.join(f'{w} MHz' for w in range(5, 55, 5))}]"]
    sweep = wfl_sim.sweep(
        files.write(LEARNING), settings=[*settings, "sweep.seeds=[1]"], out=files.folder / "runs"
    )
    first, *others = sweep.runs()
    # 2 rounds of 2 updates, aggregation, 3 evaluations of 3 devices and all, and initial states
    assert first.manifest["tasks_executed"] == 2 * (2 + 1) + 3 * (3 + 1) + 1 + (3 + 1)
    assert [run.manifest["tasks_executed"] for run in others] == [0] * 9
    for run in others:
        run.verify()
        assert run.manifest["digests"]["states"] == first.manifest["digests"]["states"]
        assert run.series("accuracy", "global").value.tolist() == (
            first.series("accuracy", "global").value.tolist()
        )
    assert len({run.manifest["digests"]["spans"] for run in (first, *others)}) == 10


def test_the_table_tells_what_it_took_to_reach_the_target(files):
    sweep = wfl_sim.sweep(files.write(LEARNING), out=files.folder / "runs")
    # So short a training gets no better; what is reached at the start is no target of its own.
    assert {row["target"] for row in sweep.table.to_pylist()} == {None}
    best = max(run.series("accuracy", "personal_mean").value[-1] for run in sweep.runs())
    table = compared(sweep.runs(), Goal(target=float(best))).to_pylist()
    assert any(row["seconds_to_target"] is not None for row in table)
    for run, row in zip(sweep.runs(), table, strict=True):
        series = run.series("accuracy", "personal_mean")
        assert row["accuracy_personal_mean"] == series.value[-1]
        reached = series.value >= row["target"]
        if not reached.any():
            assert row["seconds_to_target"] is None
            continue
        first = int(reached.argmax())
        assert row["seconds_to_target"] == series.time[first]
        assert row["joules_to_target"] == series.joules[first]
        assert row["bits_to_target"] == series.bits[first]
        assert row["rounds_to_target"] == series.rounds[first]
    said = ["sweep", str(files.folder / "s.yaml"), "--target", str(best), "--no-figures"]
    assert CliRunner().invoke(app, [*said, "--out", str(files.folder / "runs")]).exit_code == 0
    compared_to = pq.read_table(sweep.folder / "figures/comparison.parquet")
    assert Sweep.open(sweep.folder).table.to_pylist() == compared_to.to_pylist() == table


@pytest.mark.slow
def test_processes_change_nothing(files):
    """Two processes at once on one training, from one empty store: the digests of one process."""
    file = files.write(LEARNING)
    settings = ["sweep.grid.cells.0.bandwidth=[5 MHz, 20 MHz]", "sweep.seeds=[1]"]
    one = wfl_sim.sweep(file, settings=settings, out=files.folder / "one")
    two = wfl_sim.sweep(file, settings=settings, out=files.folder / "two", jobs=2)
    digests = [[run.manifest["digests"] for run in sweep.runs()] for sweep in (one, two)]
    assert digests[0] == digests[1]
    table = two.table.drop_columns(["host_seconds", "tasks_executed"])
    assert table == one.table.drop_columns(["host_seconds", "tasks_executed"])


def test_training_that_spreads_takes_one_run_at_a_time(files):
    file = files.write(LEARNING)

    def jobs(*settings, **options):
        return useful_jobs(RunRequest(file=file, out=files.folder, settings=settings, **options), 8)

    # Two seeds are two trainings, whatever the bandwidths.
    assert jobs() == 2
    assert jobs(network_only=True) == 6
    assert jobs("execution=processes") == 1


def test_every_point_is_checked_before_anything_runs(files):
    text = BLOCK.replace("[5 MHz, 10 MHz, 20 MHz]", "[5 MHz, 21 MHz]")
    assert refusal(files, text).startswith("s.yaml:25: sweep.grid.cells.0.bandwidth.1: must be")
    # A memory that a step does not fit is found by counting, not by reading.
    memory = "[{base: jetson-orin-nano}, {base: jetson-orin-nano, memory: 1 MB}]"
    text = LEARNING.replace(
        "cells.0.bandwidth: [5 MHz, 10 MHz, 20 MHz]", f"devices.0.hardware: {memory}"
    )
    said = refusal(files, text)
    assert said.startswith(
        "s.yaml:27: sweep.grid.devices.0.hardware.1: jetson-orin-nano has 1.0 MB"
    )
    assert not (files.folder / "runs").exists()


def test_a_file_without_a_sweep(files):
    said = refusal(files, GOOD)
    assert said == (
        "s.yaml:1: sweep: is required and missing: give `grid`, `zip`, `variants` or `seeds`"
    )


def test_what_has_ended_is_left_alone_and_what_has_changed_is_not(files, sweep, caplog):
    file, out = files.write(BLOCK), files.folder / "runs"
    manifests = [folder / "manifest.json" for folder in sweep.planned]
    before = [path.stat().st_mtime_ns for path in manifests]
    (sweep.planned[1] / "spans.parquet").write_bytes(b"damaged")
    (sweep.planned[2] / "manifest.json").write_text(
        manifests[2].read_text().replace('"inputs": "', '"inputs": "other')
    )
    before[2] = manifests[2].stat().st_mtime_ns
    yaml = sweep.planned[3] / "scenario.yaml"
    whole = yaml.read_text("utf-8")
    yaml.write_text(whole[: len(whole) // 2], "utf-8")
    again = wfl_sim.sweep(file, out=out)
    assert again.folder == sweep.folder
    after = [path.stat().st_mtime_ns for path in manifests]
    assert [one == other for one, other in zip(before, after, strict=True)] == [
        True,
        False,
        False,
        False,
        True,
        True,
    ]
    assert yaml.read_text("utf-8") == whole
    assert {line for line in caplog.messages if line.endswith(": run again")} == {
        f"{sweep.planned[1]}/spans.parquet: damaged: Parquet file size is 7 bytes, smaller than "
        "the minimum file footer (8 bytes): run again",
        f"{sweep.planned[2].name}: is of other code, libraries, files or threads: run again",
        f"{sweep.planned[3]}: the digest of the scenario differs from that in manifest.json: "
        "run again",
    }
    for run in again.runs():
        run.verify()


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_impossible_run_is_named_and_does_not_keep_the_others_from_running(files, caplog, jobs):
    block = "stall: 5 s\nsweep: {grid: {model.payload: [20 Gbit, 2 Mbit, 1 Mbit]}}\n"
    file, out = files.write(GOOD + block), files.folder / "runs"
    with pytest.raises(ScenarioError) as caught:
        wfl_sim.sweep(file, out=out, jobs=jobs)
    said = files.short(caught.value)
    assert said.startswith("1 of 3 runs cannot be run, the first of them good-payload=20-Gbit-s3-")
    assert ": s.yaml:24: stall: nothing has completed since 0 s" in said
    assert [line for line in caplog.messages if line.endswith(": the other runs go on")]
    (sweep,) = map(Sweep.open, out.glob("*-sweep-*"))
    assert len(sweep.runs()) == 2


@pytest.mark.parametrize(
    ("edited", "old", "new"),
    [("s.yaml", "20 MHz", "15 MHz"), ("s.yaml", ", 20 MHz", ""), ("sun.csv", "0,1", "0,2")],
)
def test_what_was_edited_after_the_plan_is_not_run(files, edited, old, new):
    """Other processes read the scenario for themselves, seconds after the sweep was planned."""
    files.write("start (s),end (s),power (W)\n0,10,1\n", "sun.csv")
    battery = "hardware: jetson-orin-nano\n    battery: {capacity: 9 kJ, harvest: sun.csv}"
    file = files.changed("hardware: jetson-orin-nano", battery, BLOCK)
    request = RunRequest(file=file, out=files.folder / "runs", network_only=True).as_sweep()
    ours = Runner(request)
    sent = pickle.dumps(ours)
    changed = files.folder / edited
    changed.write_text(changed.read_text().replace(old, new, 1))
    with pytest.raises(OSError, match="was edited meanwhile: start it again"):
        pickle.loads(sent)(5, listener_for(6))
    if edited == "s.yaml":
        assert ours(5, listener_for(6)).is_dir()
    else:
        with pytest.raises(OSError, match="was edited meanwhile: start it again"):
            ours(5, listener_for(6))


def test_a_file_that_is_named_is_an_input(files):
    trace = files.write("start (s),end (s),power (W)\n0,10,1\n", "harvest.csv")
    text = BLOCK.replace(
        "    hardware: jetson-orin-nano\n",
        "    hardware: jetson-orin-nano\n    battery: {capacity: 9 kJ, harvest: harvest.csv}\n",
    )
    file, out = files.write(text), files.folder / "runs"
    one = ["sweep.seeds=[1]", "sweep.grid.cells.0.bandwidth=[20 MHz]"]
    before = wfl_sim.sweep(file, settings=one, out=out)
    trace.write_text("start (s),end (s),power (W)\n0,10,2\n")
    after = wfl_sim.sweep(file, settings=one, out=out)
    assert after.folder != before.folder
    manifests = [sweep.runs()[0].manifest for sweep in (before, after)]
    assert manifests[0]["inputs"] != manifests[1]["inputs"]


def test_the_command_says_what_it_did(files):
    out = files.folder / "runs"
    few = ("--set", "sweep.seeds=[1]")
    arguments = ("sweep", files.write(BLOCK), "--out", out, *few, "--jobs", "2")
    done = command(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    (folder,) = (each for each in out.iterdir() if not each.name.startswith("."))
    assert files.short(done.stdout).splitlines()[-1] == f"runs/{folder.name}"
    assert "bandwidth=20 MHz" in done.stdout
    figures = {path.name for path in (folder / "figures").iterdir()}
    assert {"along-cells.0.bandwidth.png", "comparison.parquet", "comparison.csv"} <= figures
    again = command(*arguments[:-2], "--no-figures", "--jobs", "1")
    assert again.stdout.count("there already") == 3


@pytest.mark.slow
def test_ctrl_c_and_on(files):
    out = files.folder / "runs"
    begun, go = files.folder / "begun", files.folder / "go"
    files.write(
        "import time\n"
        "from pathlib import Path\n"
        "from wfl_sim.rounds.selection import RandomSelection\n"
        "class Mine(RandomSelection):\n"
        "    '''Mine.'''\n"
        "    def select(self, devices, count, rng):\n"
        f"        ended = len(list(Path({str(out)!r}).glob('*/*/manifest.json')))\n"
        f"        while ended == 2 and not Path({str(go)!r}).exists():\n"
        f"            Path({str(begun)!r}).touch()\n"
        "            time.sleep(0.01)\n"
        "        return super().select(devices, count, rng)\n",
        "mine.py",
    )
    sweep = "sweep: {grid: {rounds.count: [1, 2, 3]}}\n"
    text = GOOD.replace("  clients: 2\n", "  clients: 2\n  select: ./mine.py:Mine\n") + sweep
    file = files.write(text)
    arguments = ("sweep", file, "--out", out, "--no-figures", "--jobs", "1", "--allow-plugins")
    process = started(*arguments, until=lambda _: begun.exists())
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert (process.returncode, said) == (130, INTERRUPTED)
    (folder,) = out.glob("*-sweep-*")
    assert len(Sweep.open(folder).missing) == 1
    assert not (folder / "table.parquet").exists()
    partial = command("compare", folder, "--no-figures")
    assert "1 of 3 runs not ended" in partial.stderr
    go.touch()
    done = command(*arguments)
    assert done.stdout.count("there already") == 2
    sweep = Sweep.open(folder)
    assert sweep.table["rounds"].to_pylist() == [1, 2, 3]
    for run in sweep.runs():
        run.verify()


def test_compare_writes_a_table_for_people_and_one_for_programs(files, sweep):
    out = files.folder / "runs"
    (single,) = wfl_sim.run(files.write(GOOD, "t.yaml"), out=out)
    to = files.folder / "compared"
    done = command("compare", sweep.folder, single.folder, "--out", to)
    seeds = "labels differ in their seeds, so in drops of devices and in data: "
    said = f"warning: {seeds}bandwidth=5 MHz and 2 more 1, 2; good 3\n"
    assert (done.returncode, done.stderr) == (0, said)
    table = pq.read_table(to / "comparison.parquet").to_pylist()
    assert [row["run"] for row in table] == [
        *(folder.name for folder in sweep.planned),
        single.folder.name,
    ]
    assert table[-1]["cells.0.bandwidth"] is None
    with (to / "comparison.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["joules"]) for row in rows] == [row["joules"] for row in table]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none"], "none: no such run folder"),
        (["sweep", "--metric", "bleu"], "no run has a metric 'bleu'; measured: nothing"),
        (["sweep", "--scope", "all"], "scope must be one of personal_mean, global, "),
        (["sweep", "other"], "label 'bandwidth=5 MHz' holds seed 1 twice: "),
        (["empty"], "empty: no run of this sweep has ended yet"),
        (["broken"], "broken/sweep.json: damaged: "),
    ],
)
def test_what_cannot_be_compared_is_one_line(files, sweep, arguments, message, monkeypatch):
    sweep.folder.rename(files.folder / "sweep")
    if "other" in arguments:
        settings = ["rounds.count=1", "sweep.grid.cells.0.bandwidth=[5 MHz]", "sweep.seeds=[1]"]
        other = wfl_sim.sweep(files.write(BLOCK), out=files.folder, settings=settings)
        other.folder.rename(files.folder / "other")
    files.write(json.dumps({"format": 1, "runs": [{"folder": "a"}]}), "empty/sweep.json")
    files.write("{", "broken/sweep.json")
    monkeypatch.chdir(files.folder)
    done = CliRunner().invoke(app, ["compare", *arguments, "--no-figures"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {message}")
    assert done.stderr.count("\n") == 1


def test_a_newer_sweep_is_refused(files):
    files.write(json.dumps({"format": 2, "runs": []}), "new/sweep.json")
    with pytest.raises(ValueError, match="format 2 is newer than 1, which this reads"):
        Sweep.open(files.folder / "new")


def test_a_worker_stays_with_its_group_and_apart_from_the_others():
    queue = JobQueue(["a", "a", "a", "b", "b", "c"])
    assert [queue.next(-1), queue.next(-1)] == [0, 3]
    assert queue.next(0) == 1
    assert queue.next(3) == 4
    assert queue.next(4) == 5
    assert queue.next(5) == 2
    assert not queue
