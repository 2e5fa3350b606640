"""Kinds by name: decorator, entry point, file."""

import subprocess
import sys
from dataclasses import dataclass, field
from typing import Protocol

import pytest
from ruamel.yaml import YAML

from tests.fixtures.runs import BASE
from wfl_sim.config.documents import SourcedStr
from wfl_sim.config.errors import ScenarioError, did_you_mean
from wfl_sim.config.plugin_code import plugins_allowed
from wfl_sim.config.registry import From, Registry, describe
from wfl_sim.rounds.selection.selector import Selector
from wfl_sim.scenario.builtin_kinds import FAMILIES
from wfl_sim.scenario.loading import load

PLUGIN = """\
from dataclasses import dataclass

@dataclass(frozen=True, kw_only=True)
class Mine:
    '''Mine alone.'''
    size: int = 1

    def shares(self, demands):
        return demands

class Plain:
    pass

number = 3
"""


@dataclass(frozen=True)
class Square:
    """Four equal sides.

    And four right angles.
    """

    side: float = 1.0
    colour: str = "blue"


@pytest.fixture
def shapes():
    registry = Registry("shape")
    registry("square")(Square)
    return registry


def test_a_decorated_class_is_found_by_name_and_named_by_class(shapes):
    assert shapes.find("square") is Square
    assert shapes.name_of(Square()) == "square"
    assert dict(shapes.kinds()) == {"square": Square}
    assert repr(shapes) == "Registry('shape': square)"


def test_a_name_is_taken_once(shapes):
    shapes.add("square", Square)

    @dataclass(frozen=True)
    class Other:
        pass

    with pytest.raises(ValueError, match=r"^shape 'square' is already registered: choose "):
        shapes.add("square", Other)


@dataclass(frozen=True)
class Framed:
    """A square of two, unless told otherwise."""

    inside: Square = field(default_factory=lambda: Square(side=2.0, colour="red"))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({}, Square(2.0, "red")),
        ({"inside": {}}, Square(2.0, "red")),
        ({"inside": {"side": 3.0}}, Square(3.0, "red")),
        ({"inside": {"side": 1.0, "colour": "blue"}}, Square(1.0, "blue")),
        ({"inside": Square()}, Square()),
    ],
)
def test_a_key_leaves_the_others_as_the_default_has_them(shapes, written, meant):
    """With `local: {steps: 4}` methods learned at another rate than their own."""
    shapes.add("framed", Framed)
    assert From(shapes)._build({"kind": "framed", **written}).inside == meant


@pytest.mark.parametrize("name", ["", None, "two words", "./mine.py:Mine", Square])
def test_a_kind_has_a_name_that_scenarios_can_say(shapes, name):
    """`None` broke every later hint, and a decorator without brackets made the class a function."""
    with pytest.raises(ValueError, match=r"^the name of a kind of shape must be a text of letters"):
        shapes(name)(Square)


def test_only_dataclasses_are_kinds(shapes):
    with pytest.raises(ValueError, match=r"^shape 'int' must be a dataclass: write @data"):
        shapes.add("int", int)


def test_a_kind_that_can_change_is_no_key_of_results(shapes):
    @dataclass
    class Rubber:
        side: float = 1.0

    with pytest.raises(
        ValueError, match=r"^shape 'rubber' must be frozen: write @dataclass\(frozen"
    ):
        shapes.add("rubber", Rubber)
    with pytest.raises(ScenarioError, match="Rubber must be frozen: write"):
        load({**YAML(typ="safe", pure=True).load(BASE), "rounds.select": Rubber()})


def test_an_unknown_kind_names_the_nearest(shapes):
    with pytest.raises(ValueError, match=r"^unknown shape 'squarre', did you mean 'square'\?$"):
        shapes.find("squarre")
    with pytest.raises(ValueError, match=r"^unknown shape 'circle' \(known: square\)$"):
        shapes.find("circle")
    with pytest.raises(ValueError, match=r"^int is not a registered shape$"):
        shapes.name_of(3)


def test_a_file_runs_only_where_that_is_allowed(shapes, tmp_path):
    (tmp_path / "mine.py").write_text(PLUGIN)
    name = SourcedStr("./mine.py:Mine", tmp_path)
    refused = "^'./mine.py:Mine' would run a Python file: give --allow-plugins if you trust it$"
    with pytest.raises(ValueError, match=refused):
        shapes.find(name)
    with plugins_allowed():
        cls = shapes.find(name)
        assert shapes.find(name) is cls
    with pytest.raises(ValueError, match=refused):
        shapes.find(name)
    assert shapes.name_of(cls()) == f"{tmp_path}/mine.py:Mine"
    assert "Mine" not in str(shapes.kinds())


def test_a_registered_class_keeps_its_name_where_a_file_imports_it(shapes, tmp_path):
    (tmp_path / "mine.py").write_text("from tests.config.test_registry import Square as Mine\n")
    with plugins_allowed():
        cls = shapes.find(SourcedStr("./mine.py:Mine", tmp_path))
    assert shapes.name_of(cls()) == "square"


def test_the_same_name_in_two_folders_is_two_classes(shapes, tmp_path):
    for folder, size in (("a", 1), ("b", 2)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(PLUGIN.replace("= 1", f"= {size}"))
    with plugins_allowed():
        first = shapes.find(SourcedStr("./mine.py:Mine", tmp_path / "a"))
        second = shapes.find(SourcedStr("./mine.py:Mine", tmp_path / "b"))
    assert (first().size, second().size) == (1, 2)


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        (PLUGIN, "./none.py:Mine", "no such file: {}/none.py"),
        (PLUGIN, "./mine.py:Theirs", "mine.py defines no 'Theirs'"),
        (PLUGIN, "./mine.py:number", "shape 'number' must be a dataclass, got 3"),
        ("1 / 0\n", "./mine.py:Mine", "mine.py failed when imported: ZeroDivisionError: division"),
        ("def\n", "./mine.py:Mine", "mine.py failed when imported: SyntaxError: invalid syntax"),
        ("raise SystemExit\n", "./mine.py:Mine", "mine.py failed when imported: SystemExit"),
        ("import nowhere\n", "./mine.py:Mine", "mine.py failed when imported: ModuleNotFoundError"),
        (
            "\n1 / 0\n",
            "./mine.py:Mine",
            "mine.py failed when imported: ZeroDivisionError: division by zero (line 2)",
        ),
        (PLUGIN, "./mine.py", "names a file: add the class in it, such as ./mine.py:Mine"),
        (
            PLUGIN,
            "./mine.py:Plain",
            "shape 'Plain' must be a dataclass: write @dataclass(frozen=True)",
        ),
    ],
)
def test_a_file_that_is_no_good(shapes, tmp_path, text, name, message):
    (tmp_path / "mine.py").write_text(text)
    with plugins_allowed(), pytest.raises(ValueError) as caught:
        shapes.find(SourcedStr(name, tmp_path))
    assert str(caught.value).startswith(message.format(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_module_that_lies_beside_a_file_says_how_it_is_found(shapes, tmp_path):
    (tmp_path / "mine.py").write_text("import beside_mine\n")
    (tmp_path / "beside_mine.py").write_text("")
    with plugins_allowed(), pytest.raises(ValueError, match=f"set PYTHONPATH={tmp_path}$"):
        shapes.find(SourcedStr("./mine.py:Mine", tmp_path))


def installed(folder, code, target, name="theirs"):
    """Write a package with an entry point, and return what a fresh interpreter says of it."""
    (folder / "thirdparts.py").write_text(code)
    info = folder / "thirdparts-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: thirdparts\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[wfl_sim.allocator]\n{name} = thirdparts:{target}\n")
    script = (
        f"import sys; sys.path.insert(0, {str(folder)!r})\n"
        "import wfl_sim.scenario.builtin_kinds\n"
        "from wfl_sim.protocols import ALLOCATORS\n"
        "import warnings\n"
        "with warnings.catch_warnings(record=True) as said:\n"
        "    warnings.simplefilter('always'); kinds = ALLOCATORS.kinds()\n"
        "for each in said: print(each.message)\n"
        f"print(kinds[{name!r}].__name__ if {name!r} in kinds else ', '.join(kinds))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    return done.stdout.splitlines() or [done.stderr]


def test_a_package_adds_a_kind_by_entry_point(tmp_path):
    assert installed(tmp_path, PLUGIN, "Mine") == ["Mine"]


def test_a_package_cannot_take_the_name_of_a_built_in_kind(tmp_path):
    """Its class was passed over in silence."""
    said, kind = installed(tmp_path, PLUGIN, "Mine", "equal")
    assert kind == "EqualShare"
    assert said == (
        "allocator 'equal': thirdparts:Mine has the name of another kind, which hides it: its "
        "author must choose another"
    )


def test_a_broken_package_is_named(tmp_path):
    said, kinds = installed(tmp_path, "1 / 0", "Mine")
    assert "equal" in kinds.split(", ")
    assert "theirs" not in kinds.split(", ")
    assert said == (
        "allocator 'theirs' of thirdparts failed when imported: ZeroDivisionError: division by zero"
    )


def test_descriptions_and_hints():
    assert describe(Square) == "Four equal sides."
    assert did_you_mean("alpa", ["alpha", "beta"]) == ", did you mean 'alpha'?"
    assert did_you_mean("FedIT", ["fedavg", "fedit"]) == ", did you mean 'fedit'?"
    assert did_you_mean("x", ["beta", "alpha"]) == " (known: alpha, beta)"
    assert did_you_mean("x", []) == ""


class Shape(Protocol):
    """What has an area and a name."""

    @property
    def colour(self) -> str:
        """A word."""

    def area(self) -> float:
        """In square metres."""


@dataclass(frozen=True)
class Disc:
    """A colour and no area."""

    colour: str


def test_a_class_that_lacks_what_the_contract_asks_for_is_refused():
    registry = Registry("shape", Shape)
    registry.add("disc", Disc)
    with pytest.raises(ValueError, match=r"^shape 'disc' lacks 'area' of .*test_registry\.Shape$"):
        registry.find("disc")
    registry = Registry("shape", Selector)
    registry.add("disc", Disc)
    with pytest.raises(
        ValueError, match=r"^shape 'disc' lacks 'select' of wfl_sim\.protocols\.Selector$"
    ):
        registry.find("disc")


def test_every_built_in_kind_keeps_its_contract():
    for registry in FAMILIES:
        for name in registry.kinds():
            registry.find(name)


def test_an_incomplete_plugin_is_one_located_line(files):
    files.write(
        "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Mine:\n    a: int = 1\n",
        "mine.py",
    )
    file = files.changed("allocator: proportional-fair", "allocator: ./mine.py:Mine")
    with pytest.raises(ScenarioError) as caught:
        load(file, allow_plugins=True)
    assert files.short(caught.value) == (
        "s.yaml:19: cells.0.uplink.allocator: allocator './mine.py:Mine' lacks 'shares' of "
        "wfl_sim.protocols.Allocator"
    )


HEAD = "from dataclasses import dataclass\nfrom wfl_sim.protocols import *\n"
SHARES = "    def shares(self, demands):\n        return demands.efficiency * 0\n"


@pytest.mark.parametrize(
    ("key", "code", "message"),
    [
        (
            "allocator",
            "    def shares(self):\n        return 1\n",
            "'shares' must take (demands), and takes ()",
        ),
        ("allocator", "    shares: float = 1.0\n", "'shares' must be a method, as shares(demands)"),
        (
            "allocator",
            "    def other(self): ...\n",
            "lacks 'shares' of wfl_sim.protocols.Allocator",
        ),
        (
            "allocator",
            f"    level: set.pop = None\n{SHARES}",
            "Mine has a field 'level' of type set.pop, which no scenario can hold: make it ",
        ),
        (
            "allocator",
            f"    level: 'Nope' = None\n{SHARES}",
            "Mine has a field of an unknown type: name 'Nope' is not defined",
        ),
        (
            "rate",
            "    def spectral_efficiency(self, sinr, blocks):\n        return sinr\n",
            "'spectral_efficiency' must take (sinr), and takes (sinr, blocks)",
        ),
    ],
)
def test_a_class_that_does_not_fit_its_contract_is_one_located_line(files, key, code, message):
    files.write(f"{HEAD}@dataclass(frozen=True)\nclass Mine:\n{code}", "mine.py")
    file = files.changed("allocator: proportional-fair", f"{key}: ./mine.py:Mine")
    with pytest.raises(ScenarioError) as caught:
        load(file, allow_plugins=True)
    said = files.short(caught.value)
    assert said.startswith(f"s.yaml:19: cells.0.uplink.{key}: ")
    assert message in said


def test_a_key_whose_field_has_no_type_says_so(files):
    code = f"{HEAD}@dataclass(frozen=True)\nclass Mine:\n    level = 0.5\n{SHARES}"
    files.write(code, "mine.py")
    setting = "allocator: {kind: ./mine.py:Mine, level: 1}"
    with pytest.raises(ScenarioError) as caught:
        load(files.changed("allocator: proportional-fair", setting), allow_plugins=True)
    assert files.short(caught.value) == (
        "s.yaml:19: cells.0.uplink.allocator.level: unknown key 'level': it has no type in Mine, "
        "write `level: float = 0.5` there"
    )


def test_an_object_of_python_is_held_to_the_contract_too():
    from wfl_sim.scenario.scenario import Scenario
    from wfl_sim.testing.checking import _SCENARIO

    with pytest.raises(ScenarioError, match=r"rounds\.select: selector 'Square' lacks 'select' of"):
        Scenario.from_dict({**_SCENARIO, "rounds.select": Square()})


def test_loading_alone_knows_every_kind_of_model(files):
    script = f"from wfl_sim.scenario.loading import load\nload({str(files.write())!r})"
    subprocess.run([sys.executable, "-c", script], check=True)
