"""Overlays: a document over another, by `extends`, by `--set` and by the points of a sweep.

Mappings merge, everything else replaces, and a mapping that names another ``kind`` replaces the
whole, since the options of one kind mean nothing to another.
"""

from collections.abc import Sequence
from pathlib import Path

from wfl_sim.config.documents import Document, Place, parse, read_yaml, shown
from wfl_sim.config.errors import Location, ScenarioError


def merge(base: Document, over: Document) -> Document:
    """Return `over` laid on `base`."""
    if not isinstance(over.data, dict):
        return over
    if isinstance(base.data, str) and "kind" not in over.data:
        base = _spelt_out(base)
    if not isinstance(base.data, dict) or _another_kind(base, over):
        return over
    merged = Document(base.data, {**base.places, (): over.places[()]})
    for key in over.data:
        part = over.at(key)
        merged = merged.having(key, merge(base.at(key), part) if key in base.data else part)
    return merged


def read_extended(file: Path, above: tuple[Path, ...] = ()) -> Document:
    """Read a file and lay it over the one that it extends, if any.

    Raises:
        ScenarioError: a file is missing or broken, or a file extends itself.
    """
    document = read_yaml(file)
    if document.data.get("extends") is None:
        return document.without("extends")
    base, above = document.data["extends"], (*above, file.resolve())
    if not isinstance(base, str):
        raise document.error(("extends",), f"must be the name of a file, got {shown(base)}")
    path = file.parent / Path(base).expanduser()
    if not path.is_file():
        raise document.error(("extends",), f"no file {shown(base)} beside {file.name}")
    if path.resolve() in above:
        raise document.error(("extends",), f"{shown(base)} leads back to itself")
    return merge(read_extended(path, above), document.without("extends"))


def apply_setting(document: Document, setting: str) -> Document:
    """Return the document with the value of one ``path=value``.

    Raises:
        ScenarioError: the text is not of that form, or there is no place for the path.
    """
    written, equals, text = setting.partition("=")
    words = words_of(written.strip())
    place = Place(f"--set {setting}")
    if not equals or "" in words:
        raise ScenarioError(f"{place.where}: write path=value, for example rounds.count=5")
    value = parse(text, place.where, Path.cwd(), lines=False)
    places = {path: Place(place.where, (*words, *path)) for path in value.places}
    return set_at(document, words, Document(value.data, places))


def words_of(path: str) -> list[str]:
    """Return the keys that a path names; a path that a sweep goes along is one key of it."""
    words = path.split(".")
    if words[0] == "sweep" and words[1:2] in (["grid"], ["zip"]) and len(words) > 2:
        return [*words[:2], ".".join(words[2:])]
    return words


def set_at(
    document: Document, words: Sequence[str], value: Document, above: Location = ()
) -> Document:
    """Return the document with a value at a path.

    Args:
        document: what is laid over.
        words: the path.
        value: what comes there.
        above: where the path itself was written, for errors about parts of it.

    Raises:
        ScenarioError: there is no place for the path.
    """
    return _replaced(document, words, 0, value, above)


def _replaced(
    document: Document, words: Sequence[str], depth: int, value: Document, above: Location
) -> Document:
    if depth == len(words):
        return value
    word, place = words[depth], value.places[()].where
    here: dict[Location, Place] = {(): Place(place, (*above, *words[:depth]))}
    if isinstance(document.data, list):
        if not word.isdecimal() or int(word) >= len(document.data):
            items = f"{len(document.data)} item{'s' * (len(document.data) != 1)}"
            raise Document(None, here).error((), f"no item {word!r}: it has {items}, from 0 on")
        index = int(word)
        part = _replaced(document.at(index), words, depth + 1, value, above)
        return document.having(index, part)
    if document.data is None:
        document = Document({}, here)
    if isinstance(document.data, str):
        document = _spelt_out(document)
    if not isinstance(document.data, dict):
        raise Document(None, here).error((), f"{shown(document.data)} has no key {word!r}")
    old = document.at(word) if word in document.data else Document(None, {})
    part = _replaced(old, words, depth + 1, value, above)
    single = Document({word: part.data}, {}).having(word, part)
    if _another_kind(document, single):
        return Document(single.data, {**single.places, (): document.places.get((), here[()])})
    return document.having(word, part)


def _spelt_out(bare: Document) -> Document:
    """Return a bare kind as a mapping: the text ``rayleigh`` is short for ``kind: rayleigh``."""
    place = bare.places[()]
    return Document({"kind": bare.data}, {(): place, ("kind",): place})


def _another_kind(base: Document, over: Document) -> bool:
    return "kind" in over.data and over.data["kind"] != base.data.get("kind", over.data["kind"])
