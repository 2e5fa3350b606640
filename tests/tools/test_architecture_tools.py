"""The map of the rooms fits the code, and the measures count what they say."""

import ast

from tools.draw_architecture import CONTENTS, is_current
from tools.import_graph import PACKAGES, RANKS, ROOT
from tools.journeys import journeys
from tools.measure import FileMeasure, measure_file


def test_the_drawing_fits_the_imports():
    assert is_current(), "python -m tools.draw_architecture draws it anew"


def test_every_room_is_drawn():
    loose = {"state", "records", "randomness"}
    assert {room for room, rank in RANKS.items() if rank < 10} - loose == set(CONTENTS)


def test_lines_are_counted_by_kind():
    text = '"""Doc."""\n\nimport os\nfrom a import (\n    b,\n)\n\n# why\nx = 1\n"""Unit."""\n'
    assert measure_file(text) == FileMeasure(lines=10, code=1, imports=4)


def test_journeys_pass_through_the_files_that_they_are_named_for():
    passed = {name: {file for file, _ in each.stations} for name, each in journeys().items()}
    assert "wfl_sim/scenario/loading.py" in passed["load synthetic.yaml"]
    assert "wfl_sim/learning/local_update.py" in passed["local update"]
    assert "wfl_sim/learning/evaluator.py" in passed["evaluation"]
    assert "wfl_sim/methods/aggregation.py" in passed["aggregation"]


def test_scripts_import_what_there_is():
    """Benchmarks and drawings run by hand alone, so a name that has moved would go unnoticed."""
    scripts = [*ROOT.glob("benchmarks/**/*.py"), *ROOT.glob("docs/drawings/*.py")]
    wanted = [
        (script.name, node.module, alias.name)
        for script in scripts
        for node in ast.walk(ast.parse(script.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PACKAGES
        for alias in node.names
    ]
    assert len(wanted) > 50
    assert [each for each in wanted if not _defines(*each[1:])] == []


def _defines(module, name):
    """Whether a module defines or imports a name, or is a package with a file of it."""
    path = ROOT / module.replace(".", "/")
    if (path / f"{name}.py").is_file() or (path / name).is_dir():
        return True
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {each.id for each in targets if isinstance(each, ast.Name)}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Constant):
            names.add(node.value)  # what a package offers by name, loaded when it is asked for
    return name in names
