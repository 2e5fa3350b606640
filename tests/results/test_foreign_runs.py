"""Run folders and labels that others have written are data: shown as they are, and nothing more."""

import csv
import json

import pytest

from tests.results.test_comparison import written
from wfl_sim.cli.commands import app
from wfl_sim.results import Run, Sweep
from wfl_sim.results.comparison import Goal, compared
from wfl_sim.results.figures import draw_all
from wfl_sim.results.tables import write_csv


@pytest.fixture
def folder(tmp_path):
    written(tmp_path, 5, 0, True)
    return tmp_path / "fast-5-0"


def changed(folder, **parts):
    file = folder / "manifest.json"
    manifest = json.loads(file.read_text("utf-8")) | parts
    file.write_text(json.dumps(manifest), "utf-8")
    return folder


@pytest.mark.parametrize(
    "label", ["$\\frac{1}{$", "$x^2$", "=HYPERLINK(1)", "_hidden", "../../up", "[bold]", "%s", "ü"]
)
def test_any_label_is_drawn_as_it_is(folder, tmp_path, label):
    run = Run.open(changed(folder, label=label))
    assert run.label == label
    out = tmp_path / "figures"
    paths = draw_all([run], out)
    assert all(path.parent == out for path in paths)
    svg = next(
        path for path in paths if path.name.startswith("convergence") and path.suffix == ".svg"
    )
    assert svg.stat().st_size > 1000


def test_a_label_is_one_printable_line_and_long_ones_stay_apart(folder):
    assert Run.open(changed(folder, label="a\x1b[31m\nb")).label == "a\\x1b[31m\\nb"
    long = [Run.open(changed(folder, label="x" * 400 + end + "y" * 400)).label for end in "ab"]
    assert len(set(long)) == 2
    assert all(len(label) < 200 for label in long)


def test_a_spreadsheet_takes_no_text_for_a_formula(tmp_path):
    path = write_csv(tmp_path / "a.csv", ("a", "b"), [("=1+1", -1.5), ("@x", None), ("a=b", 2)])
    rows = list(csv.reader(path.read_text("utf-8").splitlines()))
    assert rows == [["a", "b"], ["'=1+1", "-1.5"], ["'@x", ""], ["a=b", "2"]]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"adapters": ["../../secret"]}, "adapters must be a list of file names"),
        ({"adapters": "shared"}, "adapters must be a list of file names"),
        ({"joules": [1, 2]}, "joules must be a mapping of names to numbers"),
        ({"bits": {"sent_up": "many"}}, "bits must be a mapping of names to numbers"),
        ({"bits": {"sent_up": 1}}, "bits must have sent_up and sent_down"),
        ({"grams_co2": "few"}, "grams_co2 must be a number"),
        ({"privacy": {"epsilon": None}}, "privacy must have a number epsilon"),
        ({"handovers": 3}, "handovers must have a number count"),
        ({"seed": "0"}, "seed must be an integer"),
        ({"simulated_seconds": None}, "simulated_seconds must be a number"),
        ({"point": {"a": {"value": 1}}}, "point must be a mapping of paths to value"),
    ],
)
def test_a_manifest_that_is_none_is_one_line(folder, parts, message):
    with pytest.raises(ValueError, match=f"manifest.json: {message}"):
        Run.open(changed(folder, **parts))


def test_a_command_tells_all_faults_of_a_folder_in_one_line(folder, capsys):
    changed(folder, joules="many", host_seconds=None)
    with pytest.raises(SystemExit) as ended:
        app(["plot", str(folder)])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.count("must be a mapping of names to numbers") == 2
    assert "numbers; /" in line


def test_a_run_without_totals_is_not_compared(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["bits"], manifest["host_seconds"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match=r"manifest\.json: has no bits, host_seconds"):
        compared([Run.open(folder)], Goal())


@pytest.mark.parametrize("name", ["../fast-5-0", "/etc", "", None, 3, ".hidden"])
def test_a_sweep_names_folders_of_its_own(tmp_path, name):
    sweep = {"format": 1, "name": "x", "runs": [{"folder": name}]}
    (tmp_path / "sweep.json").write_text(json.dumps(sweep))
    with pytest.raises(ValueError, match="a run must be a folder right in that of the sweep"):
        Sweep.open(tmp_path)


def test_a_link_among_the_figures_is_replaced_and_not_followed(folder, tmp_path):
    precious = tmp_path / "precious"
    precious.write_text("mine")
    out = tmp_path / "figures"
    names = [path.name for path in draw_all([Run.open(folder)], out)]
    for name in names:
        (out / name).unlink()
        (out / name).symlink_to(precious)
    draw_all([Run.open(folder)], out)
    assert precious.read_text() == "mine"


def test_a_folder_of_figures_that_leads_elsewhere_is_refused(folder, tmp_path):
    from typer.testing import CliRunner

    from wfl_sim.cli.commands import app

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (folder / "figures").symlink_to(elsewhere)
    result = CliRunner().invoke(app, ["plot", str(folder)])
    assert result.exit_code == 2
    assert "is a link that leads elsewhere: name a folder with --out" in result.output
    assert not list(elsewhere.iterdir())
