"""YAML documents: plain data, with the file and line of every key and item."""

import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from wfl_sim.config.errors import Location, ScenarioError, syntax_advice

_LARGEST: Final = 128 * 1024
"""Bytes of a file: reading takes 50 us for each. Long lists belong into tables."""
_MOST: Final = 50_000
"""Values of a document, those that aliases repeat included."""
DEEPEST: Final = 100
"""Levels of a document; a scenario has ten."""
_TAG = "tag:yaml.org,2002:"
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters but tab and line feed, and halves of surrogate pairs."""
_SCALARS = {_TAG + name for name in ("str", "int", "float", "bool", "null")}


class SourcedStr(str):
    """A text with the folder of the file in which it was written."""

    __slots__ = ("folder",)
    folder: Path

    def __new__(cls, text: str, folder: Path = Path()) -> "SourcedStr":
        """Return `text`, written in `folder`; copies and pickles set it afterwards."""
        sourced = super().__new__(cls, text)
        sourced.folder = folder
        return sourced


def resolve_path(text: str) -> Path:
    """Return the path that `text` names, from the folder where it was written; `~` is home.

    Raises:
        ValueError: `~user` names nobody.
    """
    folder = text.folder if isinstance(text, SourcedStr) else Path()
    try:
        return (folder / Path(text).expanduser()).absolute()
    except RuntimeError:
        raise ValueError(f"{text.split('/')[0]!r} is no user with a home folder") from None


@dataclass(frozen=True)
class Place:
    """Where a key or item was written, and under which path."""

    where: str
    """`file:line`, or the option of the command line."""
    path: Location = ()
    notes: tuple[tuple[str, tuple[str, ...]], ...] = ()  # what was replaced here, and its lost keys


@dataclass(frozen=True)
class Document:
    """Plain data (mappings with text keys, lists, scalars) and the place of each key and item."""

    data: Any
    places: Mapping[Location, Place]

    def at(self, *path: str | int) -> "Document":
        """Return the part below a path that exists."""
        data = self.data
        for part in path:
            data = data[part]
        size = len(path)
        return Document(data, {p[size:]: w for p, w in self.places.items() if p[:size] == path})

    def parts(self) -> "dict[str | int, Document]":
        """Return the values of a mapping or list as documents, at one look over the places."""
        keys = self.data if isinstance(self.data, dict) else range(len(self.data))
        below: dict[str | int, dict[Location, Place]] = {key: {} for key in keys}
        for path, place in self.places.items():
            if path:
                below[path[0]][path[1:]] = place
        return {key: Document(self.data[key], places) for key, places in below.items()}

    def having(self, key: str | int, part: "Document") -> "Document":
        """Return the document with `part` under `key`."""
        kept = {p: w for p, w in self.places.items() if p[:1] != (key,)}
        places = kept | {(key, *p): w for p, w in part.places.items()}
        if isinstance(self.data, list):
            return Document([part.data if i == key else x for i, x in enumerate(self.data)], places)
        return Document({**self.data, key: part.data}, places)

    def without(self, *path: str) -> "Document":
        """Return the document less what is at a path of keys."""
        data = holder = dict(self.data)
        for key in path[:-1]:
            holder[key] = holder = dict(holder[key])
        holder.pop(path[-1], None)
        return Document(data, {p: w for p, w in self.places.items() if p[: len(path)] != path})

    def error(self, location: Location, message: str) -> ScenarioError:
        """Return the error at the place of `location`, or of its nearest written ancestor."""
        for end in range(len(location), -1, -1):
            if place := self.places.get(location[:end]):
                path = ".".join(str(part) for part in (*place.path, *location[end:]))
                return ScenarioError(": ".join(filter(None, (place.where, path, message))))
        return ScenarioError(message)


def read_yaml(file: Path) -> Document:
    """Read a YAML 1.2 file that holds a mapping.

    Raises:
        ScenarioError: the file is missing, unreadable, not YAML, or holds something else.
    """
    try:
        state = file.stat()
        # A pipe or a device may never end.
        if not (stat.S_ISREG(state.st_mode) or stat.S_ISDIR(state.st_mode)):
            raise ScenarioError(f"{file}: is a pipe or a device, not a file")
        if state.st_size > _LARGEST:
            raise ScenarioError(
                f"{file}: must have at most {_LARGEST // 1024} KiB, got "
                f"{state.st_size / 1024:.0f}: put long lists into tables (CSV)"
            )
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ScenarioError(f"{file}: no such file") from None
    except IsADirectoryError:
        raise ScenarioError(f"{file}: is a folder, not a file (take the .yaml in it)") from None
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{file}: is not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise ScenarioError(f"{file}: cannot be read: {error.strerror}") from None
    document = parse(text, str(file), file.absolute().parent)
    if not isinstance(document.data, dict):
        raise document.error((), f"must be a mapping of keys to values, got {shown(document.data)}")
    return document


def parse(text: str, name: str, folder: Path, *, lines: bool = True) -> Document:
    """Return a YAML text as a document.

    Args:
        text: YAML 1.2, one document.
        name: of the file, or the option of the command line.
        folder: from which relative paths in the text start.
        lines: whether places have a line number.

    Raises:
        ScenarioError: not YAML, a key written twice, a tag, an alias within itself, or too much.
    """
    yaml = YAML(typ="safe", pure=True)
    where = f"{name}:1" if lines else name
    if len(text) > _LARGEST:
        raise ScenarioError(f"{where}: must have at most {_LARGEST // 1024} KiB")
    try:
        node = yaml.compose(text)
        reader = _Reader(yaml, name, folder, lines)
        return Document(reader.plain(node, ()), reader.places)
    except MarkedYAMLError as error:
        line, advice = syntax_advice(error)
        number = f":{line}" if line and lines else ""
        raise ScenarioError(f"{name}{number}: not valid YAML: {advice}") from None
    except RecursionError:
        raise ScenarioError(f"{where}: must have at most {DEEPEST} levels") from None
    except ScenarioError:
        raise
    except YAMLError as error:
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        where = f"{name}:{line}" if lines else name
        raise ScenarioError(f"{where}: not valid YAML: {str(error).splitlines()[0]}") from None
    except Exception as error:
        # The parser answers some texts with errors of its own code, such as chr() out of range.
        raise ScenarioError(f"{where}: not valid YAML: {error or type(error).__name__}") from None


def shown(value: Any) -> str:
    """Return a value as error messages show it: at most 60 characters, empty ones in words."""
    if value is None:
        return "nothing"
    if value in ([], {}):
        return "an empty list" if value == [] else "an empty mapping"
    if isinstance(value, bool):
        return "true" if value else "false"
    try:
        text = repr(str(value)) if isinstance(value, str) else repr(value)
    except ValueError:
        return "an integer of very many digits"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _is_text(value: str) -> bool:
    return value.isprintable() or not _CONTROLS.search(value)


@dataclass(frozen=True)
class _Reader:
    """Makes plain data of YAML nodes."""

    yaml: YAML
    name: str
    folder: Path
    lines: bool
    places: dict[Location, Place] = field(default_factory=dict)
    seen: list[None] = field(default_factory=list)
    """One entry for each value that was read."""

    def plain(self, node: Node | None, path: Location, above: tuple[Node, ...] = ()) -> Any:
        """Return the data of a node and note the places of what is in it."""
        if node is None:
            self.places.setdefault(path, Place(self._where(None), path))
            return None
        self.places.setdefault(path, Place(self._where(node), path))
        if node in above:
            raise self._error(node, path, "an alias cannot stand within what it repeats")
        self.seen.append(None)
        if len(self.seen) > _MOST:
            raise self._error(
                node, (), f"must have at most {_MOST:,} values, those that aliases repeat included"
            )
        if len(above) > DEEPEST:
            raise self._error(node, path[:3], f"must have at most {DEEPEST} levels")
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        if node.tag not in (_TAG + "map", _TAG + "seq"):
            raise self._error(node, path, f"tags such as {node.tag} are not understood")
        inside = (*above, node)
        if not isinstance(node, MappingNode):
            return [self.plain(each, (*path, i), inside) for i, each in enumerate(node.value)]
        return self._mapping(node, path, inside)

    def _mapping(
        self, node: MappingNode, path: Location, inside: tuple[Node, ...]
    ) -> dict[str, Any]:
        data: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key, value in node.value:
            if key.tag == _TAG + "merge":
                continue
            if not isinstance(key, ScalarNode):
                raise self._error(key, path, "a key must be a text")
            if key.value in lines:
                first = f" (first in line {lines[key.value]})" if self.lines else ""
                raise self._error(key, (*path, key.value), f"is written twice{first}")
            lines[key.value] = key.start_mark.line + 1
            at = (*path, key.value)
            self.places.setdefault(at, Place(self._where(key), at))
            data[key.value] = self.plain(value, at, inside)
        for value in (value for key, value in node.value if key.tag == _TAG + "merge"):
            data = {**self._merged(value, path, inside), **data}
        return data

    def _merged(self, node: Node, path: Location, inside: tuple[Node, ...]) -> dict[str, Any]:
        """Return what ``<<:`` brings: a mapping, or several of which the first wins."""
        sources = node.value if isinstance(node, SequenceNode) else [node]
        data: dict[str, Any] = {}
        for source in sources:
            if not isinstance(source, MappingNode):
                raise self._error(node, (*path, "<<"), "only a mapping can be merged")
            # Its keys keep their places unless the mapping itself has written them.
            data = {**self.plain(source, path, inside), **data}
        return data

    def _scalar(self, node: ScalarNode, path: Location) -> Any:
        if node.tag not in _SCALARS:
            if node.tag == _TAG + "timestamp":
                return SourcedStr(node.value, self.folder)
            raise self._error(node, path, f"tags such as {node.tag} are not understood")
        try:
            value = self.yaml.constructor.construct_object(node)
        except Exception:
            # Where a tag promises what the text is not; longer integers than Python converts.
            what = f"{shown(node.value)} is no {node.tag.removeprefix(_TAG)}"
            raise self._error(node, path, what) from None
        if isinstance(value, int) and abs(value) >= 2**63:
            raise self._error(node, path, f"must be an integer of 64 bits, got {shown(node.value)}")
        if isinstance(value, str) and not _is_text(value):
            what = f"must be a text without control characters, got {shown(value)}"
            raise self._error(node, path, what)
        return SourcedStr(value, self.folder) if isinstance(value, str) else value

    def _where(self, node: Node | None) -> str:
        line = node.start_mark.line + 1 if node is not None else 1
        return f"{self.name}:{line}" if self.lines else self.name

    def _error(self, node: Node, path: Location, message: str) -> ScenarioError:
        return Document(None, {path: Place(self._where(node), path)}).error(path, message)
