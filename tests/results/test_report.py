"""The report: a page that stands alone, holds the numbers of its runs, and works in a browser."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.fixtures.browser import WIDTHS, look
from tests.fixtures.runs import outcome, scenario
from wfl_sim.records import LabelCount, Metric, Span
from wfl_sim.results import Run, report, write_run
from wfl_sim.results.comparison import choose_goal
from wfl_sim.results.figures.style import FILLS
from wfl_sim.results.report import as_script, write_report
from wfl_sim.results.report.content import report_content
from wfl_sim.results.run import INFRASTRUCTURE
from wfl_sim.results.totals import upload_counts
from wfl_sim.scenario.resolve import to_yaml

SETTINGS = [
    "layout={kind: hexagonal, rings: 1, spacing: 400 m}",
    "interference=none",
    "devices.0.area={kind: cells}",
    "devices.0.mobility={kind: random-waypoint, slowest: 40 km/h, fastest: 60 km/h}",
    "devices.1.area={kind: cells}",
    "devices.1.battery={capacity: 300 J, charging: 1 W}",
    "rounds.count=2",
]
HOSTILE = "</script><script>document.title = 'taken'</script><img src=x onerror=alert(1)>"


def measured(result, seed):
    rng = np.random.default_rng(seed)
    ends = sorted({span.end for span in result.spans if span.activity == "upload"})
    return [
        Metric(
            time=time,
            round=number - 1,
            metric="accuracy",
            scope="personal_mean",
            device="",
            value=0.2 + 0.02 * number - 0.06 * (seed == 2) + float(rng.normal(0, 0.01)),
            bits_up=1000 * number,
            bits_down=500 * number,
            joules=3.0 * number,
        )
        for number, time in enumerate([0.0, *ends])
    ]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root, found = tmp_path_factory.mktemp("report"), []
    result = outcome(root, *SETTINGS)
    for label, seed in (("first", 1), ("first", 2), (HOSTILE, 3)):
        write_run(
            root / f"{len(found)}",
            scenario_yaml=to_yaml(scenario(root, *SETTINGS)),
            manifest={"name": "page", "label": label, **result.totals, "seed": seed},
            spans=result.spans,
            metrics=measured(result, seed),
            states={},
            levels=result.levels,
            labels=[
                LabelCount(device="device-0", part="train", label=HOSTILE, count=7),
                LabelCount(device="device-5", part="train", label="plain", count=2),
            ],
            samples=[dict.fromkeys(("device", "request", "given", "before", "after"), HOSTILE)],
        )
        found.append(Run.open(root / f"{len(found)}"))
    return found


@pytest.fixture(scope="module")
def page(runs, tmp_path_factory):
    return write_report(runs, tmp_path_factory.mktemp("page") / "figures" / "report.html")


def test_equal_runs_give_equal_pages_that_ask_nobody(runs, page, tmp_path):
    text = page.read_text("utf-8")
    assert write_report(runs, f"{tmp_path}/again.html").read_text("utf-8") == text
    assert not re.search(r"""(src|href)=["']|@import|https?://(?!www\.w3\.org/2000/svg)""", text)
    assert "default-src 'none'" in text
    assert len(text) < 400_000
    assert not re.search(r"@\w+(\.\w+)?@", text.split('id="data">')[0])


def test_texts_of_runs_end_no_script(page):
    data = re.search(r'id="data">(.*?)</script>', page.read_text("utf-8"), re.DOTALL)[1]
    assert "<" not in data
    assert list(json.loads(data)["labels"]) == ["first", HOSTILE]
    assert json.loads(as_script({"a": [float("nan"), (1, float("inf"))]})) == {
        "a": [None, [1, None]]
    }


def test_a_metric_that_is_no_number_is_one_line(runs, tmp_path):
    lost = [
        Metric(
            time=0.0,
            round=-1,
            metric="accuracy",
            scope="personal_mean",
            device="",
            value=float("nan"),
            bits_up=0,
            bits_down=0,
            joules=0.0,
        )
    ]
    manifest = {**runs[0].manifest, "label": "lost"}
    text = (runs[0].folder / "scenario.yaml").read_text()
    write_run(tmp_path, scenario_yaml=text, manifest=manifest, spans=[], metrics=lost, states={})
    both = [runs[0], Run.open(tmp_path)]
    line = "accuracy, personal mean: not finite at the end of 1 of 2 runs: lost (1)"
    assert report_content(both)["notes"] == [line]
    assert choose_goal(both[:1]).gaps(both[:1]) == []


def test_samples_that_are_none_are_one_line(runs, tmp_path):
    shutil.copytree(runs[0].folder, tmp_path / "run")
    for text in ("{", "{}", '[{"device": "device-0"}]', '[{"device": 0, "request": ""}]'):
        (tmp_path / "run" / "samples.json").write_text(text)
        with pytest.raises(ValueError, match=r"samples\.json: damaged"):
            Run.open(tmp_path / "run")


def test_a_link_in_its_place_is_replaced(runs, tmp_path):
    (tmp_path / "other").write_text("mine")
    (tmp_path / "report.html").symlink_to(tmp_path / "other")
    write_report(runs, tmp_path / "report.html")
    assert (tmp_path / "other").read_text() == "mine"


def test_it_holds_the_numbers_of_its_runs(runs):
    found = report_content(runs)
    first, run = found["details"][0], runs[0]
    spans = run.span_arrays
    assert np.allclose(first["spans"]["end"], spans["end"], rtol=1e-8)
    names = [first["words"]["activity"][each] for each in first["spans"]["activity"]]
    assert names == spans["activity"].tolist()
    assert [first["actors"][each] for each in first["spans"]["actor"]] == spans["actor"].tolist()
    assert len(first["sites"]) == 7
    assert first["hexagon"] == pytest.approx(400 / 3**0.5)
    assert {len(first["places"][f"device-{i}"]["x"][0]) > 1 for i in range(4)} == {True}
    assert first["capacity"] == {"device-4": 300.0, "device-5": 300.0}
    assert first["holdings"]["counts"][0] == [7, 0]
    assert first["holdings"]["counts"][5] == [0, 2]
    (curves,) = found["curves"]
    assert {curves["by"][cost][1]["y"][-1] for cost in curves["by"]} == {
        runs[2].final("accuracy", "personal_mean")
    }
    assert found["summary"][0]["uploads"] == np.mean(
        [(each.span_arrays["activity"] == "upload").sum() for each in runs[:2]]
    )


def test_a_given_target_is_that_of_summary_and_curves(runs):
    lowest = min(runs[2].series("accuracy", "personal_mean").value)
    found = report_content(runs, target=float(lowest))
    assert {row["target"]["target"] for row in found["summary"]} == {lowest}
    assert {each["target"] for each in found["curves"]} == {lowest}


def test_large_runs_are_thinned_and_the_page_says_so(runs, monkeypatch):
    monkeypatch.setattr("wfl_sim.results.report.content.MOST_DEVICES", 3)
    monkeypatch.setattr("wfl_sim.results.report.content.MOST_SPANS", 12)
    monkeypatch.setattr("wfl_sim.results.report.content.MOST_DETAILED", 1)
    found = report_content(runs)
    assert found["details"][0]["devices"] == 3
    assert len(found["details"]) == 1
    assert max(found["details"][0]["spans"]["start"]) < runs[0].seconds
    assert found["notes"][0].startswith("labels differ in their seeds, so in drops of devices")
    assert found["notes"][2].endswith(": 3 of 6 devices are shown; 5 took part.")
    assert "the first " in found["notes"][3]


def counted(folder, *settings):
    """Return the spans and totals of a run, and its uploads by their end."""
    rows = outcome(folder, *settings)
    write_run(
        folder / "run",
        scenario_yaml="name: late\n",
        manifest=dict(rows.totals),
        spans=rows.spans,
        metrics=[],
        states={},
    )
    return rows, upload_counts(Run.open(folder / "run"))


def test_late_uploads_are_those_after_the_aggregation_of_their_round(tmp_path):
    rounds = "rounds={kind: deadline, count: 6, deadline: 0.5 s, late: fold}"
    rows, counts = counted(tmp_path, rounds)
    closed = {s.round: s.start for s in rows.spans if s.activity == "aggregate"}
    uploads = [s for s in rows.spans if s.activity == "upload"]
    late = [s for s in uploads if s.outcome == "done" and s.end > closed.get(s.round, float("inf"))]
    assert counts["uploads"] == len(uploads)
    assert counts["late"] == len(late) > 0


def test_an_upload_through_handovers_is_one(tmp_path):
    one, two = (  # device-0 sends through two handovers, device-1 is called off within one
        [("upload", "done"), ("handover", "done")] * 2 + [("upload", "done")],
        [("upload", "done"), ("handover", "dropped")],
    )
    spans = [
        Span(start=t, end=t + 1, actor=actor, activity=what, round=0, outcome=outcome)
        for actor, each in (("device-0", one), ("device-1", two))
        for t, (what, outcome) in enumerate(each)
    ]
    write_run(tmp_path, scenario_yaml="name: x\n", manifest={}, spans=spans, metrics=[], states={})
    found = upload_counts(Run.open(tmp_path))
    assert found == {"uploads": 2, "late": 0, "dropped": 1, "lost": 0}


def test_late_is_what_reaches_the_server_late(tmp_path):
    wire = "cells.0.backhaul={latency: 2 s}"
    rounds = "rounds={kind: over-selection, count: 3, take: 2}"
    rows, counts = counted(tmp_path, rounds, wire)
    assert counts["late"] == rows.totals["unused_uploads"] > 0
    # Whatever is asked for is late, in rounds too short for anything and over a long wire.
    for settings in ([], [wire]):
        rounds = "rounds={kind: deadline, count: 30, deadline: 0.1 s, late: fold}"
        rows, counts = counted(tmp_path, rounds, *settings)
        assert rows.totals["rounds"]["empty"] > 0
        assert counts["late"] == sum(
            (s.activity, s.outcome) == ("upload", "done") and s.round < 29 for s in rows.spans
        )
    rounds = "rounds={kind: over-selection, count: 3, take: 2}"
    rows, counts = counted(tmp_path, rounds, "method.kind=local-only")
    assert "unused_uploads" not in rows.totals
    assert counts["late"] == counts["uploads"] == 0


def test_the_replay_names_everything_that_a_device_does():
    text = (Path(report.__file__).parent / "replay.js").read_text("utf-8")
    listed = re.findall(r'"([\w-]+)"', re.search(r"swatches\(\[(.*?)\]", text)[1])
    assert set(listed) == set(FILLS) - {*INFRASTRUCTURE, "receive", "transmit"}


SCRIPT = Path(__file__).with_name("report_script.js").read_text("utf-8")


def test_the_page_works_in_a_browser_at_desk_and_phone_width(runs, page, tmp_path):
    seen, spans = look(page, tmp_path, SCRIPT), runs[0].span_arrays
    assert set(seen) == set(WIDTHS)
    for width in seen.values():
        found = width["found"]
        assert width["errors"] == []
        assert width["overflow"] <= 0
        assert found["title"] == "page: wfl_sim report"
        assert found["sections"] == [
            *("Summary", "Convergence", "Replay", "Timeline", "Energy and time"),
            *("SINR and rate", "Labels by device", "Generated text", "Scenario"),
        ]
        assert found["subtitle"] == f"3 runs: first · {HOSTILE}"
        assert set(found["keys"]) == {
            activity
            for actor, activity in zip(spans["actor"], spans["activity"], strict=True)
            if actor.startswith("device-")
        }
        assert not found["touching"]
        assert found["moved"]
        assert 500 < found["played"] < 1000
        assert found["zoomed"]
        finals = [
            np.mean([run.final("accuracy", "personal_mean") for run in runs[:2]]),
            runs[2].final("accuracy", "personal_mean"),
        ]
        assert found["exact"] == pytest.approx(finals, rel=1e-15)
        shown = re.findall(r"(?:first|onerror=alert\(1\)>): ([\d.]+)", found["tip"])
        assert [float(each) for each in shown] == pytest.approx(finals, rel=1e-3)
        at_end = runs[0].final("accuracy", "personal_mean")
        assert float(found["end"].removeprefix("accuracy")) == pytest.approx(at_end, rel=1e-3)
        assert [each.split(" (")[0] for each in found["axes"]] == [
            *("completed rounds", "simulated time", "energy drawn", "sent over the air"),
        ]
        assert HOSTILE in found["labels"]
        assert re.search(r"first1 of 2(≥ [\d.]+){4}.*1 of 1[\d.]+$", found["costs"], re.DOTALL)
        assert found["answers"] == [HOSTILE] * 3
        assert found["second"] == 1
