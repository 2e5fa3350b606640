"""What a person sees: a line for each run, a bar in a terminal, the closing table."""

import io
import math
import re

import pytest
from rich.console import Console

from tests.fixtures.scenario_files import GOOD
from wfl_sim.cli import report as reports
from wfl_sim.cli import tables
from wfl_sim.cli.report import Report
from wfl_sim.cli.tables import show_kinds
from wfl_sim.results import Goal
from wfl_sim.results.summary import SummaryRow
from wfl_sim.scenario.loading import load
from wfl_sim.simulation.request import RunRequest
from wfl_sim.simulation.run import run_all


@pytest.fixture
def terminal(monkeypatch):
    """Let the report believe that it writes to a terminal of 80 columns, and return the text."""
    monkeypatch.setenv("TERM", "xterm")
    text = io.StringIO()

    def console(stderr=False):
        return Console(file=text, force_terminal=True, width=80, stderr=stderr)

    for module in (tables, reports):
        monkeypatch.setattr(module, "Console", console)
    return text


def follow(files, text=GOOD):
    request = RunRequest(file=files.write(text), out=files.folder / "runs")
    report = Report([each.scenario for each in request.loaded])
    with report:
        folders = dict(report.follow(run_all(request, jobs=1, listener=report)))
    report.close(list(folders.values()), figures=False)
    return folders


def test_a_log_gets_one_line_a_run(files, capsys, monkeypatch):
    monkeypatch.setattr(reports, "_LINES", math.inf)  # on a slow machine there are others
    folders = follow(files, GOOD + "sweep: {seeds: [1, 2]}\n")
    lines, *tables = capsys.readouterr().out.split("\n\n")
    lines = lines.splitlines()
    assert [each.partition("\n")[0] for each in tables] == [
        *("whole runs: network only", "joules of all devices by component"),
        "beside the joules of devices",
    ]
    assert [line.split("  ")[0] for line in lines] == [str(folders[0]), str(folders[1])]
    assert all(" simulated s in " in line for line in lines)


def test_a_target_of_what_nobody_measured_is_said(files, capsys):
    (folder,) = follow(files).values()
    capsys.readouterr()
    Report([]).compare([folder], files.folder / "out", target=0.5, figures=False)
    said = "warning: --target 0.5: has no effect: no run has measured accuracy\n"
    assert capsys.readouterr().err == said


def test_a_folder_in_brackets_is_shown_as_it_is(files, capsys):
    folder = files.folder / "[red]"
    folder.mkdir()
    files.folder = folder
    follow(files)
    assert "/[red]/runs/good-s3-" in capsys.readouterr().out


def test_a_terminal_gets_a_bar_with_the_time_left(files, terminal):
    (loaded,) = load(files.write())
    with Report([loaded.scenario]) as report:
        report.progress(0, 1, 4)
        report._bar.refresh()
    assert "good: 0 of 1 run" in terminal.getvalue()
    assert " 25 %" in terminal.getvalue()
    assert "left" in terminal.getvalue()


def test_a_warning_is_given_once_whatever_its_figures(files, capsys):
    (loaded,) = load(files.write())
    report = Report([loaded.scenario])
    report.warn("s.yaml:3: devices: distance 612.5 m is far")
    report.warn("s.yaml:3: devices: distance 701.25 m is far")
    report.warn("s.yaml:3: devices: height 3 m is odd")
    assert capsys.readouterr().err.splitlines() == [
        "warning: s.yaml:3: devices: distance 612.5 m is far",
        "warning: s.yaml:3: devices: height 3 m is odd",
    ]


def test_a_remark_on_runs_is_given_once_whatever_their_digests(files, capsys):
    (loaded,) = load(files.write())
    report = Report([loaded.scenario])
    for name in ("good-s1-1a2b3c4d", "good-s2-f00dbeef-network", "good-lr=1e-3-s11-12345678"):
        report.warn(f"{name}: 2 of 3 rounds aggregated nothing")
    line = "warning: good-s1-1a2b3c4d: 2 of 3 rounds aggregated nothing\n"
    assert capsys.readouterr().err == line


def plain(text):
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def test_kinds_fit_80_columns(terminal):
    show_kinds("")
    lines = plain(terminal.getvalue()).splitlines()
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith("allocator") for line in lines) == 1
    assert any(line.split()[:2] == ["hardware", "edge-server"] for line in lines)


def test_the_closing_table_fits_80_columns(monkeypatch, terminal):
    nan = math.nan
    pftt = SummaryRow("pftt", 3, 0.8125, 0.0123, 0.8, 2, 123.4, 5.0, 23456.7, 1234.5)
    alone = SummaryRow("local-only", 1, 0.5, nan, 0.8, 0, nan, nan, nan, nan)
    monkeypatch.setattr(tables, "summary", lambda *_: [pftt, alone])
    reports.Console().print(*tables.closing([], Goal()))
    lines = plain(terminal.getvalue()).splitlines()
    assert lines[0].rstrip() == "accuracy, personal mean, costs to reach 0.8"
    assert max(map(len, lines)) <= 80
    assert lines[2].split() == [
        *("pftt", "3", "0.812", "±", "0.012", "2/3", "5.0", "123.4", "23,456.7", "1,234.5")
    ]
    assert lines[3].split() == ["local-only", "1", "0.500", "0/1", "-", "-", "-", "-"]
    note = (
        "≥: 2 of 4 runs did not reach it (censored), and what was spent until "
        "the last evaluation counts"
    )
    assert " ".join(map(str.strip, lines[4:])).strip() == note


@pytest.mark.parametrize("width", [20, 40, 60])
def test_a_narrow_terminal_loses_no_label_and_no_number(monkeypatch, width):
    row = SummaryRow("pftt", 2, 0.8, 0.01, 0.7, 2, 3.0, 5.0, 7.0, 9.0, 3.0, 5.0, 7.0, 9.0)
    monkeypatch.setattr(tables, "summary", lambda *_: [row])
    written = io.StringIO()
    console = reports.Console(file=written, width=width)
    tables.show(console, *tables.closing([], Goal()))
    last = written.getvalue().splitlines()[-1].split()
    assert last == ["pftt", "2", "0.800", "±", "0.010", "2/2", "5.0", "3.0", "7.0", "9.0"]
    assert console.width == width


def test_the_closing_table_of_runs_that_all_reach_the_target(monkeypatch, terminal):
    row = SummaryRow("pftt", 2, 0.8, 0.01, 0.7, 2, 3.0, 5.0, 7.0, 9.0, 3.0, 5.0, 7.0, 9.0)
    some = SummaryRow("fedit", 2, 0.8, 0.01, 0.7, 1, 3.0, 5.0, 7.0, 9.0, 4.0, 6.0, 8.0, 10.0)
    monkeypatch.setattr(tables, "summary", lambda *_: [row])
    reports.Console().print(*tables.closing([], Goal()))
    lines = plain(terminal.getvalue()).splitlines()
    assert len(lines) == 3
    assert lines[2].split()[-4:] == ["5.0", "3.0", "7.0", "9.0"]
    monkeypatch.setattr(tables, "summary", lambda *_: [some])
    reports.Console().print(*tables.closing([], Goal()))
    assert plain(terminal.getvalue()).splitlines()[5].split()[-8:] == [
        *("≥", "6.0", "≥", "4.0", "≥", "8.0", "≥", "10.0")
    ]


def test_hardware_is_listed_too(capsys):
    show_kinds("hardware")
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[1] for line in lines} >= {"jetson-orin-nano", "edge-server"}


def test_an_unknown_family():
    with pytest.raises(
        ValueError, match=r"^unknown family 'allocatorr', did you mean 'allocator'\?$"
    ):
        show_kinds("allocatorr")


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.0227, "0.023"), (0.0, "0.0"), (1.25, "1.2"), (4321, "4,321.0"), (math.nan, "-")],
)
def test_small_costs_keep_two_digits(value, written):
    assert tables.number(value) == written
