"""The code of users' classes: files, what they import, and what a notebook holds in memory."""

import importlib
import subprocess
import sys
from dataclasses import dataclass

import pytest

from wfl_sim.config.plugin_code import code_of, plugin
from wfl_sim.methods.parts import LoRA

MINE = """\
from dataclasses import dataclass
{imports}

@dataclass(frozen=True)
class Mine:
    size: int = 1

    def value(self):
        {body}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder on the path of imports, whose modules are forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def mine(folder, imports="", body="return 1"):
    (folder / "mine.py").write_text(MINE.format(imports=imports, body=body))
    importlib.invalidate_caches()
    return plugin(folder / "mine.py").Mine()


def test_built_in_classes_have_no_code_of_users():
    assert code_of(LoRA(), {"a": [LoRA()]}, 3, "text", None) == ""


def test_an_edited_file_runs_again_and_has_another_code(folder):
    first = mine(folder)
    second = mine(folder, body="return 2")
    assert (first.value(), second.value()) == (1, 2)
    assert code_of(first) != code_of(second) != ""
    again = mine(folder)
    assert again.value() == 1
    assert type(again) is not type(second)
    assert type(mine(folder)) is type(again)


def test_where_a_class_is_held_does_not_matter(folder):
    @dataclass(frozen=True)
    class Holder:
        inside: object

    holder = Holder(())
    assert len({code_of(holder), code_of(Holder(({"x": mine(folder)},)))}) == 2


@pytest.mark.parametrize(
    ("imports", "body"),
    [
        ("from near import RATE", "return RATE"),
        ("import near", "return near.RATE"),
        ("", "from near import RATE; return RATE"),
        ("from bundle.inner import RATE", "return RATE"),
        ("import bundle.inner", "return bundle.inner.RATE"),
        ("from bundle import inner", "return inner.RATE"),
    ],
)
def test_a_module_that_it_imports_counts_through_all_levels(folder, imports, body):
    (folder / "bundle").mkdir()
    (folder / "bundle" / "__init__.py").write_text("from . import other\n")
    (folder / "bundle" / "inner.py").write_text("from near import RATE\n")
    (folder / "bundle" / "other.py").write_text("from .inner import RATE\n")
    (folder / "near.py").write_text("from far import RATE\n")
    found = []
    for rate in (0.9, 0.125):
        (folder / "far.py").write_text(f"RATE = {rate}\n")
        sys.modules.pop("far", None)
        component = mine(folder, imports, body)
        found.append((component.value(), code_of(component)))
    (one, first), (other, second) = found
    assert (one, other) == (0.9, 0.125)
    assert first != second


def test_a_file_that_was_edited_after_its_import_does_not_count_as_what_runs(folder):
    (folder / "own.py").write_text(MINE.format(imports="", body="return 1"))
    own = importlib.import_module("own")
    before = code_of(own.Mine())
    (folder / "own.py").write_text(MINE.format(imports="", body="return 2000"))
    assert code_of(own.Mine()) == before
    importlib.reload(own)
    assert own.Mine().value() == 2000
    assert code_of(own.Mine()) != before


def test_installed_packages_do_not_count(folder):
    (folder / "site-packages").mkdir()
    (folder / "site-packages" / "library.py").write_text("RATE = 1\n")
    sys.path.insert(0, str(folder / "site-packages"))
    try:
        before = code_of(mine(folder, "import library"))
        (folder / "site-packages" / "library.py").write_text("RATE = 20\n")
        assert code_of(mine(folder, "import library")) == before
    finally:
        sys.path.remove(str(folder / "site-packages"))


def test_an_installed_plugin_counts_with_its_package(folder):
    package = folder / "site-packages" / "theirs"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "kinds.py").write_text(MINE.format(imports="from . import rates", body="return 1"))
    sys.path.insert(0, str(package.parent))
    try:
        codes = []
        for rate in (1, 20):
            (package / "rates.py").write_text(f"RATE = {rate}\n")
            for name in [name for name in sys.modules if name.partition(".")[0] == "theirs"]:
                del sys.modules[name]
            importlib.invalidate_caches()
            codes.append(code_of(importlib.import_module("theirs.kinds").Mine()))
        assert codes[0] != codes[1]
    finally:
        sys.path.remove(str(package.parent))


def in_notebook(*cells, log=False):
    """Return what a fresh interpreter prints that runs cells without a file, as a kernel does."""
    script = (
        "import linecache, sys\n"
        "from wfl_sim.config.plugin_code import code_of\n"
        f"for cell in {list(cells)!r}:\n"
        "    exec(compile(cell, '/tmp/ipykernel_1/1.py', 'exec'), globals())\n"
        "print(code_of(Mine()))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout, done.stderr
    return (done.stdout, done.stderr) if log else done.stdout


CELL = MINE.format(imports="import math", body="return RATE * helper(2.0)")


def test_a_class_of_a_notebook_counts_with_all_that_it_uses():
    rate, helper = "RATE = 0.9\n", "def helper(x):\n    return POWER * math.exp(x)\nPOWER = 2\n"
    first = in_notebook(rate, helper, CELL)
    assert in_notebook(rate, "print\n", "other = 3\n" + helper, CELL) == first
    others = [
        in_notebook("RATE = 0.1\n", helper, CELL),
        in_notebook(rate, helper.replace("POWER = 2", "POWER = 3"), CELL),
        in_notebook(rate, helper.replace("exp", "log"), CELL),
        in_notebook(rate, helper, CELL.replace("2.0", "3.0")),
        in_notebook(rate, helper, CELL.replace("size: int = 1", "size: int = 2")),
        in_notebook(
            rate,
            helper,
            "class Base:\n    def other(self):\n        return 1\n",
            CELL.replace("class Mine", "class Mine(Base)"),
        ),
        in_notebook(rate, helper + "helper = __import__('functools').lru_cache(helper)\n", CELL),
        in_notebook(rate, helper + "helper = __import__('functools').partial(helper)\n", CELL),
        in_notebook(rate, helper, CELL + "    def __post_init__(self):\n        assert self\n"),
        in_notebook(
            rate,
            "def made(k):\n    def helper(x):\n        return k\n    return helper\n"
            "helper = made(1)\n",
            CELL,
        ),
        in_notebook(
            rate,
            "def made(k):\n    def helper(x):\n        return k\n    return helper\n"
            "helper = made(2)\n",
            CELL,
        ),
    ]
    assert len({first, *others}) == len(others) + 1


def test_what_cannot_be_told_is_said_and_equals_nothing_of_another_process():
    rate = "import threading\nRATE = threading.Lock()\nhelper = abs\n"
    one, log = in_notebook(rate, CELL, log=True)
    assert one != in_notebook(rate, CELL)
    assert log.count("a plug-in of a script or notebook uses a lock, whose content cannot be") == 1
