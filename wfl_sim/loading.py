"""Loading: a scenario file becomes typed scenarios, or one line that says where it is wrong.

``extends: base.yaml`` lays a document over another: mappings merge, everything else replaces, and a
mapping that names another ``kind`` replaces the whole. ``--set path=value`` lays single values over
the file. ``sweep:`` names variants and seeds; each combination is one scenario.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from wfl_sim.registry import LocatedError, NestedError, did_you_mean, plugins_allowed
from wfl_sim.scenario import Scenario

Location = tuple[str | int, ...]


class ScenarioError(ValueError):
    """A scenario cannot be used; the message is one located line."""


@dataclass(frozen=True)
class Document:
    """Plain data with, for every key and item, the place where it was written."""

    data: Any
    places: Mapping[Location, str]

    def place(self, path: Location) -> str:
        """Return ``file:line`` of the nearest written ancestor of `path`."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.places:
                return self.places[path[:end]]
        return "scenario"


@dataclass(frozen=True)
class Loaded:
    """A scenario and the document it came from."""

    scenario: Scenario
    document: Document

    def error(self, problem: LocatedError) -> ScenarioError:
        """Return the located line for something that was found wrong after loading."""
        return ScenarioError(_line(self.document, problem.path, str(problem)))


def load(
    file: str | Path, *, settings: Sequence[str] = (), allow_plugins: bool = False
) -> list[Loaded]:
    """Return the scenarios of a file: one, or one for each variant and seed of its sweep.

    Args:
        file: a YAML file.
        settings: ``path=value`` texts that override the file, such as ``rounds.count=5``.
        allow_plugins: let ``kind: ./mine.py:Mine`` run that file.

    Raises:
        ScenarioError: anything is wrong; the message reads ``file:line: path: what``.
    """
    path = Path(file)
    document = _extended(path, ())
    for setting in settings:
        document = _set(document, setting)
    with ExitStack() as stack:
        if allow_plugins:
            stack.enter_context(plugins_allowed(path.resolve().parent))
        return [Loaded(_typed(each, path), each) for each in _swept(document)]


def merge(base: Document, over: Document) -> Document:
    """Return `over` laid on `base`."""
    if not (isinstance(base.data, dict) and isinstance(over.data, dict)):
        return over
    if "kind" in over.data and over.data["kind"] != base.data.get("kind"):
        return over
    data = dict(base.data)
    places = {**base.places, **{p: w for p, w in over.places.items() if len(p) <= 1}}
    for key, value in over.data.items():
        below = Document(value, _below(over.places, key))
        if key in base.data:
            below = merge(Document(base.data[key], _below(base.places, key)), below)
        data[key] = below.data
        places = {p: w for p, w in places.items() if p[:1] != (key,) or p == (key,)}
        places |= {(key, *p): w for p, w in below.places.items() if p}
    return Document(data, places)


def _extended(path: Path, seen: tuple[Path, ...]) -> Document:
    if path.resolve() in seen:
        raise ScenarioError(f"{path}: extends itself")
    document = read_yaml(path)
    if not isinstance(document.data, dict):
        raise ScenarioError(f"{path}: a scenario is a mapping of keys such as `name`, `rounds`")
    base = document.data.pop("extends", None)
    if base is None:
        return document
    place = document.place(("extends",))
    if not isinstance(base, str):
        raise ScenarioError(f"{place}: extends: must be the name of a file, got {base!r}")
    if not (path.parent / base).is_file():
        raise ScenarioError(f"{place}: extends: no file {base!r} beside {path.name}")
    return merge(_extended(path.parent / base, (*seen, path.resolve())), document)


def read_yaml(path: Path) -> Document:
    """Read a YAML 1.2 file with the line of every key.

    Raises:
        ScenarioError: the file is missing, unreadable or not YAML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ScenarioError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path}: cannot be read: {error}") from None
    try:
        node = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ScenarioError(f"{path}:{line}: not valid YAML: {error.problem}") from None
    except YAMLError as error:
        raise ScenarioError(f"{path}: not valid YAML: {error}") from None
    places: dict[Location, str] = {(): f"{path}:1"}
    return Document(_plain(node, (), str(path), places), places)


def _plain(node: Any, path: Location, file: str, places: dict[Location, str]) -> Any:
    if isinstance(node, Mapping):
        for key in node:
            places[(*path, key)] = f"{file}:{node.lc.key(key)[0] + 1}"
        return {key: _plain(value, (*path, key), file, places) for key, value in node.items()}
    if isinstance(node, list):
        for index in range(len(node)):
            places[(*path, index)] = f"{file}:{node.lc.item(index)[0] + 1}"
        return [_plain(item, (*path, i), file, places) for i, item in enumerate(node)]
    if isinstance(node, bool) or node is None:
        return node
    for plain in (int, float, str):
        if isinstance(node, plain):
            return plain(node)
    return str(node)


def _set(document: Document, setting: str) -> Document:
    written, equals, text = setting.partition("=")
    place = f"--set {setting}"
    path = tuple(int(word) if word.isdecimal() else word for word in written.split("."))
    if not equals or "" in path:
        raise ScenarioError(f"{place}: write path=value, for example rounds.count=5")
    try:
        value = YAML(typ="safe").load(text)
    except YAMLError:
        raise ScenarioError(f"{place}: the value is not valid YAML") from None
    return Document(
        _replaced(document.data, path, value, place),
        {p: w for p, w in document.places.items() if p[: len(path)] != path} | {path: place},
    )


def _replaced(data: Any, path: Location, value: Any, place: str) -> Any:
    if not path:
        return value
    key, rest = path[0], path[1:]
    if isinstance(data, str) and isinstance(key, str):
        data = {"kind": data}
    if isinstance(data, list) and isinstance(key, int):
        if key >= len(data):
            raise ScenarioError(f"{place}: there are only {len(data)} items")
        return [_replaced(x, rest, value, place) if i == key else x for i, x in enumerate(data)]
    if isinstance(data, dict):
        return {**data, key: _replaced(data.get(key, {}), rest, value, place)}
    raise ScenarioError(f"{place}: {key!r} is not a key of {data!r}")


def _swept(document: Document) -> Iterator[Document]:
    """Yield one document for each variant and seed of ``sweep: {variants: ..., seeds: ...}``."""
    if "sweep" not in document.data:
        yield document
        return
    sweep = document.data["sweep"]
    base = Document(
        {k: v for k, v in document.data.items() if k != "sweep"},
        {p: w for p, w in document.places.items() if p[:1] != ("sweep",)},
    )
    if not isinstance(sweep, dict):
        raise ScenarioError(f"{document.place(('sweep',))}: sweep: must be a mapping")
    for key in sweep:
        if key not in ("variants", "seeds"):
            raise ScenarioError(
                f"{document.place(('sweep', key))}: sweep.{key}: unknown key "
                f"{key!r}{did_you_mean(str(key), ['variants', 'seeds'])}"
            )
    variants = sweep.get("variants", {"": {}})
    seeds = sweep.get("seeds", [None])
    for key, value, kind in (("variants", variants, dict), ("seeds", seeds, list)):
        if not isinstance(value, kind) or not value:
            what = "a mapping of name to overrides" if kind is dict else "a list of integers"
            place = document.place(("sweep", key))
            raise ScenarioError(f"{place}: sweep.{key}: must be {what}, got {value!r}")
    for name, over in variants.items():
        places = _below(document.places, "sweep", "variants", name)
        varied = merge(base, Document(over or {}, places))
        for index, seed in enumerate(seeds):
            extra: dict[str, Any] = {"label": str(name)} if name else {}
            where: dict[Location, str] = {("label",): places.get((), "")} if name else {}
            if seed is not None:
                extra["seed"] = seed
                where[("seed",)] = document.place(("sweep", "seeds", index))
            yield Document({**varied.data, **extra}, {**varied.places, **where})


def _below(places: Mapping[Location, str], *path: str | int) -> dict[Location, str]:
    return {p[len(path) :]: where for p, where in places.items() if p[: len(path)] == path}


def _typed(document: Document, path: Path) -> Scenario:
    try:
        return TypeAdapter(Scenario).validate_python(
            document.data, context={"folder": path.resolve().parent}
        )
    except ValidationError as error:
        location, message = next(_problems(error, document.data, Scenario))
        raise ScenarioError(_line(document, location, message)) from None


def _line(document: Document, location: Location, message: str) -> str:
    path = ".".join(str(part) for part in location)
    return f"{document.place(location)}: {path}: {message}" if path else (
        f"{document.place(location)}: {message}"
    )


def _problems(error: ValidationError, data: Any, root: Any) -> Iterator[tuple[Location, str]]:
    """Yield the place and the text of every problem, unknown keys first: they explain the rest."""
    found: list[tuple[bool, Location, str]] = []
    for problem in error.errors():
        location = _written(problem["loc"], data)
        cause = problem.get("ctx", {}).get("error")
        if isinstance(cause, NestedError):
            below = _value_at(data, location)
            found += [
                (text.startswith("unknown key"), location + where, text)
                for where, text in _problems(cause.error, below, cause.cls)
            ]
        elif isinstance(cause, LocatedError):
            found.append((False, location + cause.path, str(cause)))
        elif problem["type"] == "unexpected_keyword_argument":
            cls = _class_at(root, location[:-1])
            known = [field.name for field in fields(cls) if field.init]
            text = f"unknown key {location[-1]!r}{did_you_mean(str(location[-1]), known)}"
            found.append((True, location, text))
        elif problem["type"] in ("missing", "missing_argument", "missing_keyword_only_argument"):
            found.append((False, location, "is required and missing"))
        else:
            found.append((False, location, _message(problem)))
    found.sort(key=lambda item: not item[0])
    yield from ((location, message) for _, location, message in found)


def _message(problem: Any) -> str:
    text = re.sub(r"^Value error, ", "", problem["msg"])
    text = text[:1].lower() + text[1:]
    if problem["type"] in ("value_error", "assertion_error"):
        return text
    return f"{text}, got {problem['input']!r}"


def _written(location: Location, data: Any) -> Location:
    """Drop what pydantic adds to a location (names of union members) and the file does not have."""
    kept: list[str | int] = []
    here = data
    for index, part in enumerate(location):
        if isinstance(here, Mapping) and part in here:
            here = here[part]
        elif isinstance(here, Sequence) and isinstance(part, int) and part < len(here):
            here = here[part]
        elif index < len(location) - 1 or not isinstance(here, Mapping):
            continue
        kept.append(part)
    return tuple(kept)


def _value_at(data: Any, location: Location) -> Any:
    for part in location:
        data = data[part] if isinstance(data, (Mapping, list)) and part in _keys(data) else {}
    return data


def _keys(data: Any) -> Any:
    return data if isinstance(data, Mapping) else range(len(data))


def _class_at(root: Any, location: Location) -> Any:
    """Return the dataclass that `location` lies in, walking the field types from `root`."""
    here = root
    for part in location:
        if is_dataclass(here) and isinstance(here, type):
            here = get_type_hints(here).get(str(part))
        elif isinstance(part, int):
            here = next(iter(get_args(here)), None)
        while get_origin(here) in (UnionType, Union):
            here = next(kind for kind in get_args(here) if kind is not NoneType)
    return here
