import itertools
import json
import math
from collections import defaultdict

import pytest
from typer.testing import CliRunner

from wfl_sim.cli.commands import app
from wfl_sim.records import Metric, Span
from wfl_sim.results import Run, write_run
from wfl_sim.results.export import write_trace


def metric(value, scope="global"):
    return Metric(
        time=0.25,
        round=0,
        metric="accuracy",
        scope=scope,
        device="device-0" if scope == "device" else "",
        value=value,
        bits_up=8,
        bits_down=0,
        joules=0.5,
    )


@pytest.fixture
def trace(tmp_path):
    third = 1 / 3
    spans = [
        Span(
            start=0.0,
            end=third,
            actor="device-0",
            activity="upload",
            round=0,
            bits=800,
            joules=0.5,
            cell="cell-0",
            mean_sinr_db=10.0,
            mean_rate=math.nan,
        ),
        Span(start=third, end=2 * third, actor="device-0", activity="wait", round=0),
        Span(start=2 * third, end=1.0, actor="device-0", activity="idle", round=-1, outcome="cut"),
        Span(start=0.0, end=1.0, actor="server", activity="aggregate", round=0, flops=1e6),
    ]
    metrics = [metric(0.75), metric(math.nan), metric(0.5, "device")]
    write_run(
        tmp_path / "run",
        scenario_yaml="name: small\n",
        manifest={},
        spans=spans,
        metrics=metrics,
        states={},
    )
    path = write_trace(Run.open(tmp_path / "run"), tmp_path / "traces" / "trace.json")
    events = defaultdict(list)
    for event in json.loads(path.read_text("utf-8"))["traceEvents"]:
        events[event["ph"]].append(event)
    return events


def test_actors_are_named_threads(trace):
    names = {e["tid"]: e["args"]["name"] for e in trace["M"] if e["name"] == "thread_name"}
    assert names == {1: "device-0", 2: "server"}


def test_spans_are_complete_events_in_microseconds_with_their_numbers(trace):
    assert [(e["tid"], e["name"]) for e in trace["X"]] == [
        (1, "upload"),
        (1, "wait"),
        (1, "idle"),
        (2, "aggregate"),
    ]
    upload = trace["X"][0]
    assert (upload["ts"], upload["dur"]) == (0.0, 333333.333)
    assert upload["args"] == {
        "round": 0,
        "bits": 800,
        "flops": 0.0,
        "joules": 0.5,
        "cell": "cell-0",
        "outcome": "done",
        "mean_sinr_db": 10.0,
    }


def test_neighbours_touch_and_do_not_overlap_after_rounding(trace):
    nanoseconds = [(round(1e3 * e["ts"]), round(1e3 * e["dur"])) for e in trace["X"][:3]]
    for (start, length), (following, _) in itertools.pairwise(nanoseconds):
        assert start + length == following


def test_metrics_of_the_fleet_are_counters_and_nan_is_left_out(trace):
    assert [(e["name"], e["ts"], e["args"]) for e in trace["C"]] == [
        ("accuracy global", 250_000.0, {"accuracy": 0.75})
    ]


def test_plot_writes_traces_beside_the_figures(tmp_path):
    span = Span(start=0.0, end=1.0, actor="device-0", activity="compute", round=0)
    folder = tmp_path / "run"
    write_run(
        folder, scenario_yaml="name: small\n", manifest={}, spans=[span], metrics=[], states={}
    )
    expected = write_trace(Run.open(folder), tmp_path / "expected.json")
    done = CliRunner().invoke(app, ["plot", str(folder)])
    assert done.exit_code == 0
    path = folder / "figures" / "trace-small-0.json"
    assert not path.exists()
    done = CliRunner().invoke(app, ["plot", "--trace", str(folder)])
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, str(path))
    assert path.read_bytes() == expected.read_bytes()
