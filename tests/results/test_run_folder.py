import dataclasses
import errno
import json
import math
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from wfl_sim.records import Level, Metric, Span
from wfl_sim.results import (
    Run,
    Sweep,
    crossing,
    digest_metrics,
    digest_spans,
    digest_states,
    write_run,
)
from wfl_sim.results.tables import COLUMNS, write_whole
from wfl_sim.results.writing import check_replaceable

SPANS = [
    Span(
        start=0.0,
        end=1.5,
        actor="device-0",
        activity="upload",
        round=1,
        bits=800,
        joules=0.3,
        cell="cell-0",
        mean_sinr_db=12.5,
        mean_rate=533.0,
    ),
    Span(start=1.5, end=2.0, actor="device-0", activity="wait", round=-1, outcome="cut"),
    Span(start=0.0, end=2.0, actor="gerät-1", activity="compute", round=1, flops=6e9, joules=4.0),
]


def metric(time, value, **changes):
    row = Metric(
        time=time,
        round=int(time),
        metric="accuracy",
        scope="global",
        device="",
        value=value,
        bits_up=int(100 * time),
        bits_down=int(10 * time),
        joules=2 * time,
    )
    return dataclasses.replace(row, **changes)


METRICS = [
    metric(2.0, 0.6),
    metric(0.0, 0.2),
    metric(1.0, 0.9, scope="device", device="device-0"),
    metric(3.0, 0.5),
    metric(3.0, math.nan, metric="loss"),
]
STATES = {
    "shared": {"lora/a": np.arange(6, dtype=np.float32).reshape(2, 3).T, "head/b": np.zeros(())},
    "device-0": {"adapter/x": np.ones(4, np.float16)},
}
SCENARIO = "name: small\nseed: 7\nmethod: {kind: pftt}\n"


def write(folder, **changes):
    content = {
        "scenario_yaml": SCENARIO,
        "manifest": {"label": "PFTT", "seed": 7, "rounds": np.int64(2)},
        "spans": SPANS,
        "metrics": METRICS,
        "states": STATES,
    }
    write_run(folder, **(content | changes))
    return folder


def test_rows_and_states_come_back_as_they_were(tmp_path):
    run = Run.open(write(tmp_path / "runs" / "small"))
    assert [Span(**row) for row in run.spans.to_pylist()] == SPANS
    assert [Metric(**row) for row in run.metrics.to_pylist()][:4] == METRICS[:4]
    assert math.isnan(run.metrics.to_pylist()[4]["value"])
    assert run.scenario == {"name": "small", "seed": 7, "method": {"kind": "pftt"}}
    assert (run.label, run.seed, run.manifest["rounds"]) == ("PFTT", 7, 2)
    states = run.states()
    assert sorted(states) == ["device-0", "shared"]
    for name, state in STATES.items():
        for key, array in state.items():
            np.testing.assert_array_equal(states[name][key], array, strict=True)
    run.verify()


def test_levels_come_back_and_are_there_only_where_there_are_any(tmp_path):
    rows = [
        Level(time=float(t), actor="device-0", quantity="battery", value=9.0 - t) for t in (0, 2)
    ]
    run = Run.open(write(tmp_path / "with", levels=rows))
    run.verify()
    assert run.level_arrays["value"].tolist() == [9.0, 7.0]
    without = Run.open(write(tmp_path / "without"))
    assert not (tmp_path / "without" / "levels.parquet").exists()
    assert without.levels.num_rows == 0
    assert "levels" not in without.manifest["digests"]
    (tmp_path / "with" / "levels.parquet").unlink()
    with pytest.raises(ValueError, match=r"levels\.parquet: missing"):
        Run.open(tmp_path / "with")


def test_arrays_hold_text_and_nan_for_no_value(tmp_path):
    columns = Run.open(write(tmp_path / "small")).span_arrays
    assert list(columns) == [column.name for column in COLUMNS["spans"]]
    assert columns["actor"].tolist() == ["device-0", "device-0", "gerät-1"]
    np.testing.assert_array_equal(columns["mean_rate"], [533.0, np.nan, np.nan])
    assert columns["bits"].dtype == np.int64


def test_a_run_without_rows_or_states_is_a_run(tmp_path):
    run = Run.open(write(tmp_path / "empty", spans=[], metrics=[], states={}))
    assert (run.spans.num_rows, run.measured, run.states()) == (0, (), {})
    assert run.span_arrays["actor"].shape == (0,)
    run.verify()


def test_stored_columns_carry_units(tmp_path):
    folder = write(tmp_path / "small")
    for name, columns in (("spans", COLUMNS["spans"]), ("metrics", COLUMNS["metrics"])):
        schema = pq.read_schema(folder / f"{name}.parquet")
        stored = {field.name: field.metadata[b"unit"].decode() for field in schema}
        assert stored == {column.name: column.unit for column in columns}


def test_columns_are_the_fields_of_the_rows():
    assert [c.name for c in COLUMNS["spans"]] == [f.name for f in dataclasses.fields(Span)]
    assert [c.name for c in COLUMNS["levels"]] == [f.name for f in dataclasses.fields(Level)]
    assert [c.name for c in COLUMNS["metrics"]] == [f.name for f in dataclasses.fields(Metric)]


def test_the_documentation_names_every_column_with_its_unit():
    text = (Path(__file__).parents[2] / "docs" / "results.md").read_text("utf-8")
    for column in (*COLUMNS["spans"], *COLUMNS["metrics"], *COLUMNS["levels"]):
        assert f"| `{column.name}` | {column.unit} |" in text


def test_equal_arguments_give_equal_bytes(tmp_path):
    first, second = write(tmp_path / "a"), write(tmp_path / "b")
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert len(files) == 6
    for file in files:
        assert (first / file).read_bytes() == (second / file).read_bytes(), file


def test_a_digest_changes_with_one_float_and_not_with_its_spelling():
    nudged = [*SPANS[:2], dataclasses.replace(SPANS[2], joules=math.nextafter(4.0, 5.0))]
    assert digest_spans(nudged) != digest_spans(SPANS)
    assert digest_spans([SPANS[1], SPANS[0], SPANS[2]]) != digest_spans(SPANS)
    unsigned = [dataclasses.replace(SPANS[0], start=-0.0), *SPANS[1:]]
    assert digest_spans(unsigned) == digest_spans(SPANS)
    absent = [*SPANS[:1], dataclasses.replace(SPANS[1], mean_rate=0.0), SPANS[2]]
    assert digest_spans(absent) != digest_spans(SPANS)
    assert digest_metrics([metric(1.0, math.nan)]) == digest_metrics([metric(1.0, -math.nan)])
    assert digest_metrics([metric(1.0, 1.0, device="ab")]) != digest_metrics([metric(1.0, 1.0)])


def test_text_digests_keep_the_borders_between_words():
    pairs = [[dataclasses.replace(s, cell=c) for s, c in zip(SPANS, cells, strict=True)]
             for cells in (("ab", "c", ""), ("a", "bc", ""))]  # fmt: skip
    assert digest_spans(pairs[0]) != digest_spans(pairs[1])


def test_a_states_digest_sees_values_names_and_shapes_but_not_order_in_memory():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    base = digest_states({"shared": {"a": array, "b": array}})
    assert digest_states({"shared": {"b": np.asfortranarray(array), "a": array}}) == base
    assert digest_states({"shared": {"a": array, "b": array.astype(">f4")}}) == base
    assert digest_states({"shared": {"a": array, "c": array}}) != base
    assert digest_states({"shared": {"a": array, "b": array.reshape(3, 2)}}) != base
    assert digest_states({"shared": {"a": array, "b": array + 1e-6}}) != base


def test_digests_are_pinned():
    assert digest_spans(SPANS)[:16] == "fdef23d6e20e589b"
    assert digest_metrics(METRICS)[:16] == "553e5b6a3a09f8c3"
    assert digest_states(STATES)[:16] == "2799cdad0974b984"


def test_a_run_of_the_same_name_is_replaced_without_its_figures(tmp_path):
    folder = write(tmp_path / "small")
    (folder / "figures").mkdir()
    (folder / "figures" / "old.png").write_bytes(b"old")
    (folder / "notes.txt").write_text("mine")
    write(folder, spans=SPANS[:1], states={})
    run = Run.open(folder)
    assert run.spans.num_rows == 1
    assert not (folder / "figures").exists()
    assert list((folder / "adapters").iterdir()) == []
    assert (folder / "notes.txt").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


KILLED = """
import os, shutil, sys
from pathlib import Path
from tests.results.test_run_folder import SPANS, write
from wfl_sim.results import writing

where, exchanges, folder = sys.argv[1], sys.argv[2] == "True", Path(sys.argv[3])
if not exchanges:
    writing._exchanged = lambda one, other: False
owner, name, number = {
    "first": (Path, "rename", 1),
    "second": (Path, "rename", 2),
    "end": (shutil, "rmtree", 1),
}[where]
real, calls = getattr(owner, name), []

def dies(*arguments, **options):
    calls.append(arguments)
    if len(calls) == number:
        os._exit(9)
    return real(*arguments, **options)

setattr(owner, name, dies)
write(folder, spans=SPANS[:1])
"""


@pytest.mark.parametrize(
    ("where", "exchanges", "at_once", "left"),
    [
        ("end", True, 1, 1),
        ("first", False, 2, 2),
        ("second", False, None, 2),
        ("end", False, 1, 1),
    ],
)
def test_a_kill_leaves_the_old_run_or_the_new(tmp_path, where, exchanges, at_once, left):
    """`at_once` and `left` are the rows of the run that is there, before and after a check."""
    folder = write(tmp_path / "small", spans=SPANS[:2])
    (folder / "notes.txt").write_text("mine")
    (folder / "more").mkdir()
    (folder / "more" / "deep.txt").write_text("mine, too")
    command = [sys.executable, "-c", KILLED, where, str(exchanges), str(folder)]
    assert subprocess.run(command).returncode == 9
    if at_once is None:
        assert not folder.exists()
    else:
        assert Run.open(folder).spans.num_rows == at_once
    check_replaceable(folder)
    assert Run.open(folder).spans.num_rows == left
    assert (folder / "notes.txt").read_text() == "mine"
    assert (folder / "more" / "deep.txt").read_text() == "mine, too"
    assert not list(tmp_path.glob(".*.old"))


def test_a_file_is_placed_whole_or_not_at_all_and_named(tmp_path, monkeypatch):
    path = tmp_path / "below" / "a.csv"
    write_whole(path, b"old")

    def full(file, content):
        file.open("wb").close()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match=rf"No space left on device: '{path}'"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == ["a.csv"]


def test_a_device_is_not_replaced_by_a_file():
    with pytest.raises(FileExistsError, match="is a pipe or a device, not a file: '/dev/null'"):
        write_whole(Path(os.devnull), b"")


def test_something_else_is_not_replaced(tmp_path):
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match=r"thesis: holds files but no manifest\.json"):
        write(folder)
    assert [path.name for path in folder.iterdir()] == ["thesis.tex"]
    with pytest.raises(ValueError, match="is not a folder"):
        write(folder / "thesis.tex")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"states": {"../evil": {}}}, "must be a file name, got '../evil'"),
        ({"manifest": {"seconds": math.inf}}, "not JSON compliant"),
    ],
)
def test_a_refused_run_leaves_nothing_behind(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        write(tmp_path / "small", **changes)
    assert list(tmp_path.iterdir()) == []


def test_a_failing_disk_leaves_the_old_run(tmp_path, monkeypatch):
    folder = write(tmp_path / "small")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write(folder, spans=[])
    monkeypatch.undo()
    assert Run.open(folder).spans.num_rows == len(SPANS)
    assert [path.name for path in tmp_path.iterdir()] == ["small"]


def test_every_missing_or_damaged_file_has_its_line(tmp_path):
    folder = write(tmp_path / "small")
    (folder / "spans.parquet").unlink()
    (folder / "metrics.parquet").write_bytes(b"PAR1 nonsense PAR1")
    (folder / "scenario.yaml").write_text("a: [1, 2\nb: 3\n")
    (folder / "adapters" / "shared.safetensors").unlink()
    state = folder / "adapters" / "device-0.safetensors"
    state.write_bytes(state.read_bytes()[:-1])
    with pytest.raises(ValueError) as caught:
        Run.open(folder)
    lines = str(caught.value).splitlines()
    assert len(lines) == 5
    beginnings = (
        "scenario.yaml: damaged: ",
        "adapters/device-0.safetensors: damaged: ",
        "adapters/shared.safetensors: missing",
        "spans.parquet: missing",
        "metrics.parquet: damaged: ",
    )
    for line, beginning in zip(lines, beginnings, strict=True):
        assert line.startswith(f"{folder / beginning}")


def test_what_the_system_does_not_let_read_is_not_called_damaged(tmp_path):
    """Folders stand for files without permission, which an administrator could read."""
    folder = write(tmp_path / "small")
    names = ["scenario.yaml", "adapters/shared.safetensors", "samples.json", "spans.parquet"]
    for name in names:
        (folder / name).unlink(missing_ok=True)
        (folder / name).mkdir()
    said = os.strerror(errno.EISDIR)
    with pytest.raises(ValueError) as caught:
        Run.open(folder)
    assert str(caught.value).splitlines() == [
        f"{folder / name}: cannot be read: {said}" for name in names
    ]
    (folder / "sweep.json").mkdir()
    with pytest.raises(ValueError, match=rf"sweep\.json: cannot be read: {said}$"):
        Sweep.open(folder)


def test_a_wrong_manifest_is_refused(tmp_path):
    folder = write(tmp_path / "small")
    manifest = json.loads((folder / "manifest.json").read_text())
    for content, message in (
        ("{", r"manifest\.json: damaged: "),
        ("[]", r"manifest\.json: damaged: must hold a mapping, holds a list"),
        (json.dumps(manifest | {"format": 2}), "format 2 is newer than 1, which this reads"),
        (json.dumps({"seed": 1}), "has no format number"),
        (json.dumps({"format": 1}), "has no digests"),
    ):
        (folder / "manifest.json").write_text(content)
        with pytest.raises(ValueError, match=message):
            Run.open(folder)
    with pytest.raises(ValueError, match="nowhere: no such run folder"):
        Run.open(tmp_path / "nowhere")


def test_a_table_of_other_columns_is_refused(tmp_path):
    folder = write(tmp_path / "small")
    table = pq.read_table(folder / "spans.parquet").drop_columns(["joules"])
    index = table.column_names.index("round")
    table = table.set_column(index, "round", table["round"].cast("float64"))
    pq.write_table(table, folder / "spans.parquet")
    with pytest.raises(ValueError) as caught:
        Run.open(folder)
    assert str(caught.value).splitlines() == [
        f"{folder}/spans.parquet: column 'round' is double, should be int64",
        f"{folder}/spans.parquet: column 'joules' is missing",
    ]


def test_verify_finds_a_changed_number(tmp_path):
    folder = write(tmp_path / "small")
    table = pq.read_table(folder / "metrics.parquet")
    values = table["value"].to_pylist()
    values[0] = 0.61
    index = table.column_names.index("value")
    pq.write_table(
        table.set_column(index, table.field("value"), [values]), folder / "metrics.parquet"
    )
    with pytest.raises(ValueError, match=r"small: the digest of the metrics differs"):
        Run.open(folder).verify()


def test_verify_finds_half_a_scenario(tmp_path):
    folder = write(tmp_path / "small")
    path = folder / "scenario.yaml"
    path.write_text(path.read_text().splitlines()[0])
    with pytest.raises(ValueError, match=r"small: the digest of the scenario differs"):
        Run.open(folder).verify()
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["scenario_digest"]  # as of an earlier version
    (folder / "manifest.json").write_text(json.dumps(manifest))
    Run.open(folder).verify()


def test_a_series_is_sorted_by_time_and_adds_both_directions(tmp_path):
    run = Run.open(write(tmp_path / "small"))
    series = run.series("accuracy", "global")
    assert series.time.tolist() == [0.0, 2.0, 3.0]
    assert series.value.tolist() == [0.2, 0.6, 0.5]
    assert series.round.tolist() == [0, 2, 3]
    assert series.bits.tolist() == [0, 220, 330]
    assert series.joules.tolist() == [0.0, 4.0, 6.0]
    assert run.series("accuracy", "device", "device-0").value.tolist() == [0.9]
    measured = "accuracy/device, accuracy/global, loss/global"
    with pytest.raises(ValueError, match=f"no metric reward/global; measured was {measured}"):
        run.series("reward", "global")


def test_crossing_is_the_first_evaluation_at_or_above_the_target(tmp_path):
    series = Run.open(write(tmp_path / "small")).series("accuracy", "global")
    reached = crossing(series, 0.6)
    assert reached is not None
    assert (reached.time, reached.round, reached.bits, reached.joules) == (2.0, 2, 220, 4.0)
    assert crossing(series, 0.3) == reached
    assert crossing(series, 0.61) is None
    down = crossing(dataclasses.replace(series, value=1 - series.value), 0.5, falling=True)
    assert down is not None
    assert down.time == 2.0


def test_label_and_seed_fall_back_on_the_scenario(tmp_path):
    run = Run.open(write(tmp_path / "small", manifest={}))
    assert (run.label, run.seed) == ("small", 7)


def test_many_spans_are_quick_and_whole(tmp_path):
    spans = [
        Span(start=float(i), end=i + 1.0, actor=f"device-{i % 300}", activity="wait", round=i)
        for i in range(150_000)
    ]
    run = Run.open(write(tmp_path / "long", spans=spans))
    columns = run.span_arrays
    assert columns["actor"][[0, 299, 149_999]].tolist() == ["device-0", "device-299", "device-299"]
    assert columns["round"].tolist() == list(range(150_000))


def test_reading_a_run_loads_neither_torch_nor_matplotlib():
    code = "import sys, wfl_sim.results; print({'torch', 'matplotlib', 'simpy'} & set(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"


def replace_often(folder, complaints):
    for _ in range(40):
        try:
            write_run(
                folder, scenario_yaml="name: x\n", manifest={}, spans=(), metrics=(), states={}
            )
        except Exception as error:
            complaints.put(repr(error))


def test_two_processes_may_write_the_same_run(tmp_path):
    context = multiprocessing.get_context("spawn")
    complaints = context.SimpleQueue()
    both = [
        context.Process(target=replace_often, args=(tmp_path / "run", complaints)) for _ in range(2)
    ]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert complaints.empty()
    Run.open(tmp_path / "run").verify()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
