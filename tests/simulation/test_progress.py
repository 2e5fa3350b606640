"""How far runs have come: shares, time left, newest metric; in logs, bars and notebooks."""

import io
import sys
from types import SimpleNamespace

import pytest
from rich.console import Console

import wfl_sim
from tests.fixtures.scenario_files import GOOD
from wfl_sim.cli import report as reports
from wfl_sim.cli.report import Report
from wfl_sim.execution.store import MissingResultError
from wfl_sim.network.context import DueEvaluation
from wfl_sim.scenario.loading import load
from wfl_sim.simulation import progress as progresses
from wfl_sim.simulation.progress import NewestMetric, RunsProgress


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes when it is told to."""
    now = SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(progresses.time, "monotonic", lambda: now.seconds)
    return now


def test_the_time_left_is_that_of_the_present_rate(clock):
    runs = RunsProgress(4)
    assert runs.line == "0 of 4 runs, 0%"
    clock.seconds += 60
    runs.progress(0, 1, 2)
    assert runs.line == "0 of 4 runs, 12%, 7 min left"
    runs.end(0, kept=False)
    clock.seconds += 60
    runs.end(1, kept=False)
    assert runs.line == "2 of 4 runs, 50%, 2 min left"


def test_runs_that_were_there_already_tell_nothing_about_the_rate(clock):
    runs = RunsProgress(3)
    for number in (0, 1):
        runs.end(number, kept=True)
    clock.seconds += 30
    assert runs.line == "2 of 3 runs, 67%"
    runs.progress(2, 1, 2)
    assert runs.line == "2 of 3 runs, 83%, 30 s left"


class Values(dict):
    """A store that has some results."""

    def holds(self, key):
        return key in self

    def get(self, key):
        if self[key] is None:
            raise MissingResultError(key)
        return SimpleNamespace(values=self[key])


def evaluation(time, overall, *personal):
    return DueEvaluation(
        time=time, round=0, bits_up=0, bits_down=0, joules=0.0, overall=overall, personal=personal
    )


def test_the_newest_metric_is_that_of_the_last_finished_evaluation(clock):
    store, said, done = Values(), [], []
    newest = NewestMetric(store, lambda *told: done.append(told), lambda *told: said.append(told))
    newest.watch([evaluation(0.0, "g0", "a0", "b0"), evaluation(1.0, "g1", "a1", "b1")])
    store |= {"g0": {"accuracy": 0.25}, "a0": {"accuracy": 0.5}}
    newest("task", 1, 9)
    clock.seconds += 3
    newest("task", 2, 9)
    assert said == []
    store["b0"] = {"accuracy": 0.75}
    newest("task", 3, 9)
    assert said == []  # it looked a moment ago
    clock.seconds += 3
    newest("task", 4, 9)
    assert said == [("accuracy personal mean", 0.625)]
    store |= {"g1": {"accuracy": 0.3}, "a1": {"accuracy": 1.0}, "b1": None}
    clock.seconds += 3
    newest("task", 5, 9)
    assert said == [("accuracy personal mean", 0.625)]  # one has gone from the store
    assert done == [("task", number, 9) for number in range(1, 6)]


def test_a_log_gets_a_line_a_minute(files, clock, capsys):
    report = Report([each.scenario for each in load(files.write(GOOD), seeds="1..2")])
    report.progress(0, 1, 4)
    clock.seconds += 30
    report.simulated(0, 1234.5)
    report.measured(0, "accuracy personal mean", 0.81251)
    assert capsys.readouterr().out == ""
    clock.seconds += 31
    report.progress(0, 1, 2)
    report.progress(0, 3, 4)
    assert capsys.readouterr().out == (
        "good: 0 of 2 runs, 25%, 3 min left, 1,234 s simulated, "
        "accuracy personal mean 0.8125 (good, seed 1)\n"
    )


def test_the_bar_shows_the_metric(files, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    text = io.StringIO()
    monkeypatch.setattr(
        reports, "Console", lambda **_: Console(file=text, force_terminal=True, width=120)
    )
    with Report([load(files.write())[0].scenario]) as report:
        report.measured(0, "accuracy personal mean", 0.8125)
        report._bar.refresh()
    assert "good: 0 of 1 run, accuracy personal mean 0.8125" in text.getvalue()


def test_a_notebook_has_a_bar(files, monkeypatch):
    shown = []
    handle = SimpleNamespace(update=lambda html: shown.append(html.data))
    display = pytest.importorskip("IPython.display", reason="IPython is not installed")
    monkeypatch.setattr(display, "display", lambda *_, **__: handle)
    shell = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=None))
    monkeypatch.setitem(sys.modules, "IPython", shell)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    file = files.write(GOOD + "sweep: {seeds: [1, 2]}\n")
    wfl_sim.run(file, out=files.folder / "runs")
    bar, _, rest = shown[-1].partition("</progress>")
    assert bar == '<progress max="1" value="1.0000">'
    # A slow machine adds the simulated time, that a run tells once a second.
    assert rest.startswith(" 2 of 2 runs, 100%, 0 s left")


def test_the_newest_metric_of_a_run_that_trains(files, monkeypatch):
    """The value that was told last is one that the run has measured."""
    monkeypatch.setattr(progresses, "_LOOKS", 0.0)
    told = []
    monkeypatch.setattr(progresses.SilentProgress, "measured", lambda _, *what: told.append(what))
    text = GOOD.replace(
        "model: {kind: synthetic, payload: 2 Mbit, flops_per_step: 20 GFLOP}",
        "model: {pretrained: builtin:tiny-bert}\ndata: {kind: newswire, examples: 24}\n"
        "evaluation: {global_examples: 8, personal_examples: 4}",
    ).replace("steps: 4", "steps: 1")
    (run,) = wfl_sim.run(files.write(text), out=files.folder / "runs")
    values = run.series("accuracy", "personal_mean").value.tolist()
    assert told
    assert {number for number, *_ in told} == {0}
    assert {metric for _, metric, _ in told} == {"accuracy personal mean"}
    assert [value for *_, value in told] == pytest.approx(values[-len(told) :])
