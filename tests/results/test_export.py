"""Exports are read back with the tools that they are for; a tool that is absent is named."""

import csv
import json
import math
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from tests.results.test_comparison import seconds, written
from wfl_sim.cli.commands import app
from wfl_sim.results import Run
from wfl_sim.results import export as exports
from wfl_sim.results.export import FORMS, _cells, export, points
from wfl_sim.results.figures import draw_all
from wfl_sim.results.summary import SummaryRow
from wfl_sim.results.tables import COLUMNS, table


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for seed in (1, 2):
        for fast in (False, True):
            written(folder, 20, seed, fast)
    return [Run.open(each) for each in sorted(folder.iterdir())]


def test_points_are_the_evaluations_with_what_was_spent(runs):
    end = seconds(20, 1, True)
    assert list(points(runs[0])) == [
        (
            share * end,
            step,
            {
                "accuracy/personal_mean": value,
                "spent/joules": share * 10 * end,
                "spent/bits_up": 100.0 * step,
                "spent/bits_down": 50.0 * step,
            },
        )
        for step, (share, value) in enumerate([(0.0, 0.1), (0.5, 0.7), (1.0, 0.81)])
    ]


def test_csv_has_every_row_of_every_table(runs, tmp_path):
    paths = export(runs, "csv", tmp_path)
    assert len(paths) == sum(len(run.tables) for run in runs) + 1
    with (tmp_path / runs[0].folder.name / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["value"]) for row in rows] == runs[0].metric_arrays["value"].tolist()
    with (tmp_path / "runs.csv").open() as file:
        assert [row["run"] for row in csv.DictReader(file)] == [run.folder.name for run in runs]


def test_the_table_for_latex(runs, tmp_path):
    (path,) = export(runs, "latex", tmp_path)
    text = path.read_text()
    begin, end = text.index(r"\begin{tabular}{lrrrrrr}"), text.index(r"\end{tabular}")
    rows = [row for row in text[begin:end].split("\n") if "&" in row]
    assert all(row.count("&") == 6 and row.endswith(r"\\") for row in rows)
    # The mean of 0.81 and 0.82; t(0.975, 1) = 12.706 times 0.01 / 2.
    assert rows[1].startswith(r"fast bandwidth=20 MHz & $0.815 \pm 0.064$ & 2/2 & $2.0 \pm 0.0$ & ")
    assert rows[2].startswith(r"slow bandwidth=20 MHz & $0.615 \pm 0.064$ & 0/2 & $\ge 2.0$ & ")
    # 300 bit down and up: 0.0003 Mbit, not 0.0.
    assert rows[1].endswith(r"$0.0003 \pm 0.0$ \\")


def test_tiny_numbers_in_the_table_for_latex_are_powers_of_ten():
    row = SummaryRow("a_b", 2, 1.2e-5, 3e-6, 1e-5, 2, 1.0, 2.0, 4.5e-12, 3e3)
    tiny = replace(row, least_joules=4.5e-12, half_joules=1e-13, least_mbit=1234.0)
    name, final, reached, _, _, joules, mbit = _cells(tiny)
    assert (name, reached) == (r"a\_b", "2/2")
    assert final == r"$1.2\times 10^{-5} \pm 3\times 10^{-6}$"
    assert joules == r"$4.5\times 10^{-12} \pm 1\times 10^{-13}$"
    assert mbit == "$1{,}234.0$"
    diverged = replace(row, final=math.nan, half_width=math.nan, least_seconds=math.inf)
    assert [*_cells(diverged)][1:5] == ["--", "2/2", "--", r"$\infty$"]


def test_the_table_for_latex_of_the_network_alone(runs, tmp_path):
    fast = [run.folder for run in runs if run.label == runs[0].label]
    for number, folder in enumerate(fast):
        shutil.copytree(folder, tmp_path / f"{number}")
        pq.write_table(runs[0].metrics.slice(0, 0), tmp_path / f"{number}" / "metrics.parquet")
    alone = [Run.open(tmp_path / f"{number}") for number in range(len(fast))]
    (path,) = export(alone, "latex", tmp_path / "out")
    row = path.read_text().split("\n")[5]
    mean = sum(run.seconds for run in alone) / 2
    width = 12.7062 * abs(alone[0].seconds - alone[1].seconds) / 2
    assert row.startswith(rf"fast bandwidth=20 MHz & ${mean:.1f} \pm {width:.1f}$ & $")
    assert row.count("&") == 3


def test_a_label_without_the_metric_has_dashes(runs, tmp_path):
    folder = tmp_path / "other"
    shutil.copytree(runs[0].folder, folder)
    pq.write_table(runs[0].metrics.slice(0, 0), folder / "metrics.parquet")
    manifest = json.loads((folder / "manifest.json").read_text()) | {"label": "network"}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (alone,) = export(runs, "latex", tmp_path / "alone")
    (beside,) = export([*runs, Run.open(folder)], "latex", tmp_path / "beside")
    row = "network & -- & -- & -- & -- & -- & -- \\\\\n"
    assert row in beside.read_text()
    assert beside.read_text().replace(row, "") == alone.read_text()


def test_every_table_of_the_folder_is_a_csv(runs, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(runs[0].folder, folder)
    labels = {"device": ["device-0"], "part": ["train"], "label": ["a"], "count": [3]}
    pq.write_table(table(labels, COLUMNS["labels"]), folder / "labels.parquet")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["digests"]["labels"] = ""
    (folder / "manifest.json").write_text(json.dumps(manifest))
    export([Run.open(folder)], "csv", tmp_path / "out")
    made = tmp_path / "out" / "run" / "labels.csv"
    assert made.read_text() == "device,part,label,count\ndevice-0,train,a,3\n"


def test_runs_whose_files_would_have_one_name_are_refused(runs, tmp_path):
    for number, label in enumerate(("one", "two")):
        folder = tmp_path / str(number) / "run"
        shutil.copytree(runs[0].folder, folder)
        manifest = json.loads((folder / "manifest.json").read_text()) | {"label": label}
        (folder / "manifest.json").write_text(json.dumps(manifest))
    both = [Run.open(tmp_path / str(number) / "run") for number in range(2)]
    with pytest.raises(ValueError, match="2 runs are in folders named run: export them one by"):
        export(both, "csv", tmp_path / "out")
    with pytest.raises(ValueError, match="holds seed 1 twice"):
        export([runs[0], runs[0]], "perfetto", tmp_path / "out")


def test_labels_that_are_alike_in_file_names_have_a_trace_and_figures_each(runs, tmp_path):
    for label in ("PFTT", "pftt"):
        folder = tmp_path / f"{label}-1"
        shutil.copytree(runs[0].folder, folder)
        manifest = json.loads((folder / "manifest.json").read_text()) | {"label": label}
        (folder / "manifest.json").write_text(json.dumps(manifest))
    both = [Run.open(tmp_path / f"{label}-1") for label in ("PFTT", "pftt")]
    paths = export(both, "perfetto", tmp_path / "out")
    assert [path.name for path in paths] == ["PFTT-1.json", "pftt-1.json"]
    drawn = draw_all(both, tmp_path / "out", only=["timeline"])
    assert [path.name for path in drawn if path.suffix == ".png" and "run" in path.stem] == [
        *("timeline-pftt-run.png", "timeline-pftt-run-2.png")
    ]


@pytest.mark.parametrize("label", ["50 % & more", "a_b#c", "{x}~y^z\\end$", "<b>|", "[1]", "*"])
def test_labels_are_no_commands_of_latex(tmp_path, runs, label):
    manifest = json.loads((runs[0].folder / "manifest.json").read_text()) | {"label": label}
    folder = tmp_path / "run"
    folder.mkdir()
    for file in runs[0].folder.iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (path,) = export([Run.open(folder)], "latex", tmp_path / "out")
    (row,) = (line for line in path.read_text().splitlines() if "0.810" in line)
    cell = row[: row.index(" & $0.810")]
    bare = re.sub(r"\\(text\w+\{\}|[&%$#_{}])|\{[\[*]\}", "", cell)
    assert not set(bare) & set("&%$#_{}~^\\<>|[*")


def test_perfetto_has_the_spans_in_microseconds(runs, tmp_path):
    paths = export(runs, "perfetto", tmp_path)
    assert len(paths) == 4
    events = json.loads(paths[0].read_text())["traceEvents"]
    durations = [event["dur"] for event in events if event["ph"] == "X"]
    assert durations == pytest.approx([1e6 * seconds(20, 1, True) / 2] * 2, abs=1e-3)


def test_tensorboard_reads_it_back_with_simulated_wall_time(runs, tmp_path):
    pytest.importorskip("tensorboard", reason="the extra `tensorboard` is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    export(runs, "tensorboard", tmp_path)
    paths = export(runs, "tensorboard", tmp_path)  # takes the place of the first
    for run, path in zip(runs, paths, strict=True):
        found = EventAccumulator(str(path))
        found.Reload()
        assert set(found.Tags()["scalars"]) == set(next(points(run))[2])
        read = [(e.wall_time, e.step, e.value) for e in found.Scalars("accuracy/personal_mean")]
        series = run.series("accuracy", "personal_mean")
        assert [time for time, _, _ in read] == series.time.tolist()
        assert [step for _, step, _ in read] == series.rounds.tolist()
        assert [value for *_, value in read] == pytest.approx(series.value.tolist(), rel=1e-6)


@pytest.mark.filterwarnings("default")  # of what mlflow calls
def test_mlflow_reads_it_back_in_simulated_milliseconds(runs, tmp_path):
    pytest.importorskip("sqlalchemy", reason="the extra `mlflow` is not installed")
    mlflow = pytest.importorskip("mlflow", reason="the extra `mlflow` is not installed")
    (path,) = export(runs, "mlflow", tmp_path)
    export(runs[:1], "mlflow", tmp_path)  # takes the place of the run in the experiment
    client = mlflow.MlflowClient(f"sqlite:///{path}")
    experiment = client.get_experiment_by_name("known")
    found = client.search_runs([experiment.experiment_id])
    assert len(found) == 4
    one = next(each for each in found if each.info.run_name == runs[0].folder.name)
    history = client.get_metric_history(one.info.run_id, "accuracy/personal_mean")
    series = runs[0].series("accuracy", "personal_mean")
    assert [metric.timestamp for metric in history] == [round(1e3 * t) for t in series.time]
    assert [metric.value for metric in history] == series.value.tolist()
    assert [metric.step for metric in history] == series.rounds.tolist()
    assert one.data.params == {"name": "known"}
    assert one.data.tags["label"] == runs[0].label
    assert one.info.end_time == round(1e3 * runs[0].seconds)


def records(content, block=32768):
    """Yield the records of a log in the format of LevelDB, after the 7 bytes of its header."""
    at, parts = 7, b""
    while at + 7 <= len(content):
        if block - at % block < 7:
            at += block - at % block
            continue
        size, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        parts += content[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # a whole record, or the last part of one
            yield parts
            parts = b""


def test_wandb_keeps_it_offline_with_simulated_time(runs, tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="the extra `wandb` is not installed")
    from wandb.proto import wandb_internal_pb2

    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    found = [*points(runs[0])]
    time, step, values = found[-1]
    found.append((time + 1.0, step, values))  # evaluated twice in the last round
    monkeypatch.setattr(exports, "points", lambda run: found)
    export(runs[:1], "wandb-offline", tmp_path)
    (folder,) = export(runs[:1], "wandb-offline", tmp_path)  # takes the place of the first
    assert len([*tmp_path.glob("wandb/offline-run-*")]) == 1
    (log,) = folder.glob("*.wandb")
    rows = []
    for data in records(log.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        if record.WhichOneof("record_type") == "history":
            items = record.history.item
            rows.append({i.key or "/".join(i.nested_key): json.loads(i.value_json) for i in items})
    series = runs[0].series("accuracy", "personal_mean")
    assert [row["accuracy/personal_mean"] for row in rows[:-1]] == series.value.tolist()
    assert [row["simulated_seconds"] for row in rows] == [*series.time.tolist(), time + 1.0]
    assert [row["completed_rounds"] for row in rows] == [*series.rounds.tolist(), step]


@pytest.mark.parametrize("form", ["tensorboard", "mlflow", "wandb-offline"])
def test_what_is_not_installed_is_named(runs, tmp_path, monkeypatch, form):
    monkeypatch.setattr(exports, "find_spec", lambda name: None)
    extra = form.removesuffix("-offline")
    said = rf"^{extra} is not installed: pip install 'wfl-sim\[{extra}\]'$"
    with pytest.raises(ValueError, match=said):
        export(runs, form, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_library_that_is_there_in_part_is_one_line(runs, tmp_path, monkeypatch):
    (tmp_path / "wandb.py").write_text("import that_is_not_there\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    said = "^wandb cannot be imported: No module named 'that_is_not_there'$"
    with pytest.raises(ValueError, match=said):
        export(runs, "wandb-offline", tmp_path / "out")


def test_the_command(runs, tmp_path):
    folders = [str(run.folder) for run in runs]
    done = CliRunner().invoke(app, ["export", *folders, "--to", "latex", "--target", "0.5"])
    assert done.exit_code == 0
    (path,) = done.output.split()
    assert "costs to reach 0.5" in Path(path).read_text()
    done = CliRunner().invoke(app, ["export", *folders, "--to", "latx"])
    assert (done.exit_code, done.output) == (2, "error: no format 'latx', did you mean 'latex'?\n")
    done = CliRunner().invoke(app, ["export", *folders, "--to", "latex", "--target", "nan"])
    assert done.exit_code == 2
    assert "must be a finite number, got nan" in done.output
    done = CliRunner().invoke(app, ["export", folders[0], "--peft", "x", "--metric", "loss"])
    assert done.exit_code == 2
    assert "--peft DIR with --device and --merge alone" in done.output
    done = CliRunner().invoke(app, ["export", "--help"])
    assert all(form in done.output for form in FORMS)
