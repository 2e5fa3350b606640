"""Scripts beside the package answer as `wfl-sim` does."""

from pathlib import Path

import pytest

from wfl_sim.cli.scripts import at_least, run_script, script_options
from wfl_sim.config.errors import ScenarioError

ROOT = Path(__file__).parents[2]
CHILDREN = {"flower.py", "plain.py"}
"""Programs that benchmarks/frameworks/compare.py starts; they know nothing of wfl_sim."""
SCRIPTS = sorted(
    path
    for folder in ("benchmarks", "tools")
    for path in (ROOT / folder).rglob("*.py")
    if path.name not in CHILDREN and 'if __name__ == "__main__"' in path.read_text()
)


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (ScenarioError("a.yaml:3: rounds: is missing"), 2, "error: a.yaml:3: rounds: is missing\n"),
        (FileNotFoundError(2, "No such file", "a.csv"), 2, "error: a.csv: No such file\n"),
        (OSError(28, "No space left on device"), 2, "error: No space left on device\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_what_stops_a_script_is_one_line(raised, code, said, capsys, monkeypatch):
    monkeypatch.setattr("signal.signal", lambda *_: None)

    def main():
        raise raised

    with pytest.raises(SystemExit) as stop:
        run_script(main)
    assert (stop.value.code, capsys.readouterr().err) == (code, said)


def test_a_fault_in_a_script_keeps_its_traceback_and_a_code_is_passed_on():
    with pytest.raises(ZeroDivisionError):
        run_script(lambda: 1 // 0)
    with pytest.raises(SystemExit) as stop:
        run_script(lambda: 1)
    assert stop.value.code == 1


def test_help_is_the_docstring(capsys):
    with pytest.raises(SystemExit):
        script_options("One line.\n\n    python it.py").parse_args(["--help"])
    assert "One line.\n\n    python it.py\n" in capsys.readouterr().out


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_script_has_help_and_ends_in_one_line(path):
    text = path.read_text()
    assert "script_options(__doc__)" in text
    assert "run_script(main" in text


def test_a_number_below_the_least_is_one_line(capsys):
    options = script_options("One line.")
    options.add_argument("--seed", type=at_least(0))
    assert options.parse_args(["--seed", "0"]).seed == 0
    for text, problem in (
        ("-1", "must be at least 0, got -1"),
        ("x", "invalid integer value: 'x'"),
    ):
        with pytest.raises(SystemExit) as stop:
            options.parse_args(["--seed", text])
        assert stop.value.code == 2
        assert f"error: argument --seed: {problem}\n" in capsys.readouterr().err
