"""Merging: one document over another, and values at the paths of `--set` and of sweeps.

Mappings merge and everything else replaces. A mapping that names another ``kind`` replaces the
whole, because the options of one kind mean nothing to another.
"""

from collections.abc import Sequence
from pathlib import Path

from wfl_sim.config.documents import Document, Place, parse, shown
from wfl_sim.config.errors import Location, ScenarioError


def merge(base: Document, over: Document) -> Document:
    """Return `base` with the values of `over`."""
    if not isinstance(over.data, dict):
        return over
    if isinstance(base.data, str) and "kind" not in over.data:
        base = _as_mapping(base)
    if not isinstance(base.data, dict) or _another_kind(base, over):
        return over
    before, after = base.parts(), over.parts()
    merged = {
        **before,
        **{key: merge(before[key], part) if key in before else part for key, part in after.items()},
    }
    places: dict[Location, Place] = {(): over.places[()]}
    for key, part in merged.items():
        places |= {(key, *path): place for path, place in part.places.items()}
    return Document({key: part.data for key, part in merged.items()}, places)


def apply_setting(document: Document, setting: str) -> Document:
    """Return the document with the value of one ``path=value``.

    Raises:
        ScenarioError: the text is not of that form, or there is no place for the path.
    """
    path, equals, text = setting.partition("=")
    words = words_of(path.strip())
    place = Place(f"--set {setting}")
    if not equals or "" in words:
        raise ScenarioError(f"{place.where}: write path=value, for example rounds.count=5")
    value = parse(text, place.where, Path.cwd(), lines=False)
    places = {below: Place(place.where, (*words, *below)) for below in value.places}
    return set_at(document, words, Document(value.data, places))


def words_of(path: str) -> list[str]:
    """Return the keys of a path; the path of an axis is one key of `sweep.grid` or `sweep.zip`."""
    words = path.split(".")
    if words[0] == "sweep" and words[1:2] in (["grid"], ["zip"]) and len(words) > 2:
        return [*words[:2], ".".join(words[2:])]
    return words


def set_at(
    document: Document, words: Sequence[str], value: Document, above: Location = ()
) -> Document:
    """Return the document with a value at a path.

    Args:
        document: to change.
        words: keys of the path.
        value: to put there.
        above: location below which the path was written, for errors about its parts.

    Raises:
        ScenarioError: there is no place for the path.
    """
    if not words:
        return value
    word, *rest = words
    here: dict[Location, Place] = {(): Place(value.places[()].where, above)}
    if isinstance(document.data, list):
        if not word.isdecimal() or int(word) >= len(document.data):
            items = f"{len(document.data)} item{'s' * (len(document.data) != 1)}"
            raise Document(None, here).error((), f"no item {word!r}: it has {items}, from 0 on")
        index = int(word)
        part = set_at(document.at(index), rest, value, (*above, word))
        return document.having(index, part)
    if document.data is None:
        document = Document({}, here)
    if isinstance(document.data, str):
        document = _as_mapping(document)
    if not isinstance(document.data, dict):
        raise Document(None, here).error((), f"{shown(document.data)} has no key {word!r}")
    old = document.at(word) if word in document.data else Document(None, {})
    part = set_at(old, rest, value, (*above, word))
    single = Document({word: part.data}, {}).having(word, part)
    if _another_kind(document, single):
        return Document(single.data, {**single.places, (): document.places.get((), here[()])})
    return document.having(word, part)


def _as_mapping(bare: Document) -> Document:
    """Return a bare kind as a mapping: the text ``rayleigh`` is short for ``kind: rayleigh``."""
    place = bare.places[()]
    return Document({"kind": bare.data}, {(): place, ("kind",): place})


def _another_kind(base: Document, over: Document) -> bool:
    return "kind" in over.data and over.data["kind"] != base.data.get("kind", over.data["kind"])
