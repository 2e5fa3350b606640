"""Merging: one document over another, values at the paths of files, and mappings of Python.

Mappings merge, and lists of equally many mappings merge item by item; everything else replaces. A
mapping that names another ``kind`` replaces the whole, because the options of one kind mean nothing
to another. Keys that do not stay are noted at the place of what replaces them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from wfl_sim.config.documents import DEEPEST, Document, Place, parse, shown
from wfl_sim.config.errors import Location, ScenarioError, counted
from wfl_sim.config.fields import Bare


def lay_over(base: Document, over: Document) -> Document:
    """Return `base` with the values of `over`, whose keys may be paths: ``devices.*.power``."""
    paths = {key: over.at(key) for key in by_depth(key for key in over.data if "." in key)}
    for key in paths:
        over = over.without(key)
    merged = merge(base, over)
    for path, value in paths.items():
        above = value.places[()].path[:-1]
        merged = set_at(merged, path.split("."), value, above, put=merge)
    return merged


def by_depth(paths: Iterable[str]) -> list[str]:
    """Return paths so that what is a part of another, or names single items, comes later."""
    return sorted(paths, key=lambda path: (path.count("."), -path.split(".").count("*")))


def merge(base: Document, over: Document) -> Document:
    """Return `base` with the values of `over`."""
    if isinstance(base.data, str) and isinstance(over.data, dict) and "kind" not in over.data:
        base = _as_mapping(base)
    mappings = isinstance(base.data, dict) and isinstance(over.data, dict)
    if not (mappings and not _another_kind(base, over)) and not _alike(base.data, over.data):
        return replaced(base, over)
    before, after = base.parts(), over.parts()
    merged = {
        **before,
        **{key: merge(before[key], part) if key in before else part for key, part in after.items()},
    }
    here = over.places[()]
    places: dict[Location, Place] = {(): replace(here, notes=base.places[()].notes + here.notes)}
    for key, part in merged.items():
        places |= {(key, *path): place for path, place in part.places.items()}
    data = {key: part.data for key, part in merged.items()}
    return Document(data if mappings else [*data.values()], places)


def replaced(base: Document, over: Document) -> Document:
    """Return `over`, with a note of the keys that go with a mapping or list that it replaces."""
    lost = [*_lost(base.data, over.data)]
    if not lost or not isinstance(over.data, (dict, str, type(base.data))):
        return over
    old, new = (_kind(each.data) for each in (base, over))
    what = f"{new} replaces {old}" if old and new and old != new else "replaces the whole"
    if isinstance(base.data, list):
        what = f"a list of {len(over.data)} replaces one of {len(base.data)}"
    return _noted(over, str(over.error((), what)), lost)


def _noted(document: Document, line: str, lost: Sequence[str] = ()) -> Document:
    place = document.places[()]
    noted = replace(place, notes=(*place.notes, (line, tuple(lost))))
    return Document(document.data, {**document.places, (): noted})


def _lost(old: Any, new: Any, above: str = "") -> Iterator[str]:
    """Yield the paths that a mapping, or a list of mappings, has and its successor has not."""
    if isinstance(old, dict):
        for key, value in old.items():
            if isinstance(new, dict) and key in new:
                yield from _lost(value, new[key], f"{above}{key}.")
            elif key != "kind":
                yield f"{above}{key}"
    elif isinstance(old, list):
        items = new if isinstance(new, list) else []
        for number, item in enumerate(old):
            fresh = items[number] if number < len(items) else None
            yield from _lost(item, fresh, f"{above}{number}.")


def _kind(data: Any) -> str:
    return str(data.get("kind", "") if isinstance(data, dict) else data)


def _alike(one: Any, other: Any) -> bool:
    """Return whether both are lists of equally many mappings."""
    lists = isinstance(one, list) and isinstance(other, list) and len(one) == len(other) > 0
    return lists and all(isinstance(item, dict) for item in (*one, *other))


def apply_setting(document: Document, setting: str, option: str = "") -> Document:
    """Return the document with the value of one ``path=value``.

    Args:
        document: to change.
        setting: the text.
        option: of the command line that stands for this setting; `--set` unless given.

    Raises:
        ScenarioError: the text is not of that form, or there is no place for the path.
    """
    path, equals, text = setting.partition("=")
    words = words_of(path.strip())
    place = Place(option or f"--set {setting}")
    if not equals or "" in words:
        raise ScenarioError(f"{place.where}: write path=value, for example rounds.count=5")
    value = parse(text, place.where, Path.cwd(), lines=False)
    start = () if option else words
    places = {below: Place(place.where, (*start, *below)) for below in value.places}
    return set_at(document, words, Document(value.data, places), put=_set)


def _set(base: Document, over: Document) -> Document:
    """Return what is set, with a note if it takes the place of what a variant sets."""
    if (of := base.places[()]).path[:2] == ("sweep", "variants"):
        line = f"{over.places[()].where}: overrides {of.where}: {'.'.join(map(str, of.path))}"
        over = _noted(over, line)
    return replaced(base, over)


def words_of(path: str) -> list[str]:
    """Return the keys of a path; a path within a sweep, of an axis or in a variant, is one key."""
    words = path.split(".")
    above = {"grid": 2, "zip": 2, "variants": 3}.get("".join(words[1:2]), len(words))
    if words[0] == "sweep" and len(words) > above:
        return [*words[:above], ".".join(words[above:])]
    return words


def set_at(
    document: Document,
    words: Sequence[str],
    value: Document,
    above: Location = (),
    *,
    put: Callable[[Document, Document], Document] = replaced,
) -> Document:
    """Return the document with a value at a path.

    Args:
        document: to change.
        words: keys of the path; `*` is every item of a list.
        value: to put there.
        above: location below which the path was written, for errors about its parts.
        put: makes one of what stands at the path and the value.

    Raises:
        ScenarioError: there is no place for the path.
    """
    if not words:
        return put(document, value)
    word, *rest = words
    here: dict[Location, Place] = {(): Place(value.places[()].where, above)}
    if document.data is None:  # not written: the first of a list, or a mapping
        one = {(0,): here[()]} if word in ("0", "*") else {}
        document = Document([None] if one else {}, here | one)
    if isinstance(document.data, list):
        count = len(document.data)
        indices = range(count) if word == "*" else [int(word)] if word.isdecimal() else []
        if not indices or indices[-1] >= count:
            items = counted(count, "item")
            what = f"no item {word!r}: it has {items}, from 0 on; `*` is all of them"
            raise Document(None, here).error((), what)
        for index in indices:
            part = set_at(document.at(index), rest, value, (*above, word), put=put)
            document = document.having(index, part)
        return document
    if isinstance(document.data, str):
        document = _as_mapping(document)
    if not isinstance(document.data, dict) or word == "*":
        raise Document(None, here).error((), f"{shown(document.data)} has no key {word!r}")
    old = document.at(word) if word in document.data else Document(None, here)
    part = set_at(old, rest, value, (*above, word), put=put)
    single = Document({word: part.data}, here).having(word, part)
    if _another_kind(document, single):
        return replaced(document, single)
    return document.having(word, part)


def _as_mapping(bare: Document) -> Document:
    """Return a bare text as a mapping: ``rayleigh`` is short for ``kind: rayleigh``."""
    place = bare.places[()]
    return Document({"kind": Bare(bare.data)}, {(): place, ("kind",): place})


def _another_kind(base: Document, over: Document) -> bool:
    return "kind" in over.data and over.data["kind"] != base.data.get("kind", over.data["kind"])


def notes(document: Document, scenario: Any) -> Iterator[str]:
    """Yield a line for each replacement in a document after which keys do not stay.

    Keys that what replaces them could not have are left out, given the typed scenario.
    """
    for path, place in document.places.items():
        for line, keys in place.notes:
            lost = [key for key in keys if _has(scenario, (*path, *key.split(".")))]
            if lost or not keys:
                yield line + (f"; keys that do not stay: {', '.join(lost)}" if lost else "")


def _has(component: Any, path: Iterable[str | int]) -> bool:
    for word in path:
        if isinstance(component, tuple):
            component = component[int(word)] if int(word) < len(component) else None
        elif is_dataclass(component) and word in {f.name for f in fields(component) if f.init}:
            component = getattr(component, str(word))
        else:
            return isinstance(component, Mapping)
    return True


def document_of(data: Mapping[str, Any]) -> Document:
    """Return a mapping of Python as a document; errors name the key alone.

    Relative paths start from the working folder. A component may be an object of its class.

    Raises:
        ScenarioError: it is none, or holds something that a scenario cannot hold.
    """
    if not isinstance(data, Mapping):
        raise _error((), f"a scenario must be a mapping, got {shown(data)}")
    places: dict[Location, Place] = {}
    return Document(_plain(data, (), places), places)


def _plain(value: Any, path: Location, places: dict[Location, Place]) -> Any:
    places[path] = Place("", path)
    if len(path) > DEEPEST:
        raise _error(path[:3], f"must have at most {DEEPEST} levels, and not hold itself")
    if isinstance(value, Mapping):
        if wrong := [key for key in value if not isinstance(key, str)]:
            raise _error(path, f"the key {wrong[0]!r} must be a text")
        return {key: _plain(each, (*path, key), places) for key, each in value.items()}
    if isinstance(value, (list, tuple, range)):
        return [_plain(each, (*path, i), places) for i, each in enumerate(value)]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist(), path, places)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, type):
        raise _error(path, f"must be an object, got the class {value.__name__}: {value.__name__}()")
    if value is None or isinstance(value, (bool, int, float, str)) or is_dataclass(value):
        return value
    raise _error(path, f"must be plain data or a component, got a {type(value).__name__}")


def _error(path: Location, message: str) -> ScenarioError:
    return ScenarioError(": ".join(filter(None, (".".join(map(str, path)), message))))
