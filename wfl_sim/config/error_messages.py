"""Messages of validation errors: a location in the scenario and a sentence to act on."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from functools import reduce
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from pydantic import ValidationError

from wfl_sim.config.documents import shown
from wfl_sim.config.errors import LocatedError, Location, NestedError, did_you_mean
from wfl_sim.config.fields import must

_RULES = {
    "int_type": "must be an integer",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be a text",
    "dataclass_type": "must be a mapping of keys to values",
    "dict_type": "must be a mapping of keys to values",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "finite_number": "must be finite",
}
_BOUNDS = {
    "greater_than_equal": "ge",
    "greater_than": "gt",
    "less_than_equal": "le",
    "less_than": "lt",
}

_ONE_VALUE = ("must be a kind", "must be a number", "must be a text", "must be an integer",
              "must be one of", "must be true")  # fmt: skip

LocatedMessage = tuple[Location, str]


def first_error(error: ValidationError, data: Any, cls: type) -> LocatedMessage:
    """Return the message to show: an unknown key first, for it explains others; else the first.

    It ends with the places of what is wrong in other sections.
    """
    found = _messages(error, data, cls)
    location, text = min(found, key=lambda each: not each[1].startswith("unknown key"))
    given = [place for place, problem in found if not problem.endswith("missing")]
    others = [".".join(map(str, each)) for each in given if each[:1] != location[:1]]
    few = list(dict.fromkeys(others))
    few[4:] = ["..."] if few[4:] else []
    more = f" (wrong as well: {', '.join(few)})" if few else ""
    return location, text + _sweep_hint(location, text, data) + more


def _sweep_hint(location: Location, text: str, data: Any) -> str:
    """Return where several values belong if a list stands where one value is asked for."""
    try:
        given = reduce(lambda here, part: here[part], location, data)
    except (LookupError, TypeError):
        return ""
    several = isinstance(given, list) and not any(isinstance(each, list | dict) for each in given)
    if not (given and several and text.startswith(_ONE_VALUE)):
        return ""
    where = "sweep.seeds" if location == ("seed",) else "sweep.grid"
    return f"; values for several runs stand in `{where}`"


def locate_key(scenario: Any, path: Location, message: str) -> LocatedMessage:
    """Return a message about a part of a scenario as one about the key that it names.

    ``tokens must be at most 128`` at `model` is about `data.tokens`: the key is looked for below
    `path` and then, where only one has this name, in the whole scenario.
    """
    match = re.match(r"(\w+):? (must .*)", message, re.DOTALL)
    if match is None:
        return path, message
    below = list(_named(match[1], _component_at(scenario, path), path))
    anywhere = list(_named(match[1], scenario, ()))
    if below:
        return min(below, key=len), match[2]
    return (anywhere[0], match[2]) if len(anywhere) == 1 else (path, message)


def place_of(scenario: Any, component: object) -> Location:
    """Return where a component stands in a scenario; the whole of it where it is no part."""
    found = list(_places(scenario, ()))
    same = [path for path, each in found if each is component]
    alike = [path for path, each in found if type(each) is type(component) and each == component]
    return next(iter(same + alike), ())


def _places(component: Any, path: Location) -> Iterator[tuple[Location, Any]]:
    yield path, component
    if isinstance(component, tuple):
        for index, item in enumerate(component):
            yield from _places(item, (*path, index))
    for name in _names(component):
        yield from _places(getattr(component, name), (*path, name))


def _messages(error: ValidationError, data: Any, cls: type) -> list[LocatedMessage]:
    found: list[LocatedMessage] = []
    unknown: set[Location] = set()
    for problem in error.errors():
        location = _location_in(problem, data)
        if problem["type"] == "unexpected_keyword_argument":
            # One of a mapping is enough: the first is shown, and each is compared with all keys.
            if location[:-1] in unknown:
                continue
            unknown.add(location[:-1])
        cause = problem.get("ctx", {}).get("error")
        if isinstance(cause, NestedError):
            below = _options_at(data, location)
            found += [
                ((*location, *where), _with_kinds(where, text, cause.kinds))
                for where, text in _messages(cause.error, below, cause.cls)
            ]
        elif isinstance(cause, LocatedError):
            found.append(((*location, *cause.path), str(cause)))
        elif cause is not None:
            found.append(_at_named_key(location, str(cause), cls))
        else:
            found.append(_message_of(problem, location, cls))
    return _joined(found)


def _with_kinds(where: Location, text: str, kinds: Mapping[str, type]) -> str:
    """Name the kinds that have a key which the chosen one does not know, nor one like it."""
    having = [name for name, cls in kinds.items() if where and where[-1] in _names(cls)]
    unlike = text.startswith("unknown key") and "did you mean" not in text
    if len(where) != 1 or not (having and unlike):
        return text
    some = ", ".join(f"`kind: {name}`" for name in having[:3])
    return f"{text}; {some}{' and others' if having[3:] else ''} would take it"


def _message_of(problem: Any, location: Location, cls: type) -> LocatedMessage:
    kind, given = problem["type"], problem["input"]
    if kind == "unexpected_keyword_argument":
        key = str(location[-1])
        return (
            location,
            f"unknown key {shown(key)}{_suggestion(key, _class_at(cls, location[:-1]))}",
        )
    if kind == "missing" and isinstance(problem["loc"][-1], int):
        return location, f"has too few items, got {shown(given)}"
    if kind == "missing":
        return location, "is required and missing"
    if kind == "literal_error":
        allowed = problem["ctx"]["expected"].replace(" or ", ", ")
        return location, f"must be one of {allowed}, got {shown(given)}"
    if kind == "too_long":
        return location, f"must have {problem['ctx']['max_length']} items, got {shown(given)}"
    if kind == "string_type" and isinstance(given, (bool, int, float)):
        return location, f"must be a text, got {shown(given)} (write it in quotes)"
    if kind in _BOUNDS:
        bound = _BOUNDS[kind]
        return location, f"{must(bound, problem['ctx'][bound])}, got {shown(given)}"
    if kind == "dataclass_type" and (names := _names(_class_at(cls, location))):
        keys = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
        return location, f"must be a mapping of keys ({keys}) to values, got {shown(given)}"
    rule = _RULES.get(kind, problem["msg"][:1].lower() + problem["msg"][1:])
    if rule == "must be a list" and isinstance(given, dict):
        rule += " (each item begins with '- ')"
    return location, f"{rule}, got {shown(given)}"


def _suggestion(key: str, cls: Any) -> str:
    """Return which keys were perhaps meant: of this name one level deeper, or of a like one."""
    there = vars(cls).get(key) if isinstance(cls, type) else None
    plain = not (there is None or callable(there) or hasattr(there, "__get__"))
    if plain and key not in cls.__annotations__:
        kind = type(there).__name__
        return f": it has no type in {cls.__name__}, write `{key}: {kind} = {there!r}` there"
    known = _names(cls)
    deeper: dict[str, str] = {}
    for name in known:
        inside = _class_at(cls, (name,))
        if get_origin(inside) is tuple:
            name, inside = f"{name}.0", get_args(inside)[0]
        deeper |= {f"{name}.{inner}": inner for inner in _names(inside)}
    meant = [path for path, inner in deeper.items() if inner == key]
    here = did_you_mean(key, known)
    if not meant and "did you mean" not in here:
        near = get_close_matches(key, deeper.values(), n=1, cutoff=0.8)
        meant = [path for path, inner in deeper.items() if inner in near]
    return f", did you mean {' or '.join(map(repr, meant[:2]))}?" if meant else here


def _joined(found: list[LocatedMessage]) -> list[LocatedMessage]:
    """Join what the members of a union report of one value; a deeper message stands alone."""
    by_place: dict[Location, list[str]] = {}
    for location, text in found:
        by_place.setdefault(location, []).append(text)
    merged = []
    above = {place[:size] for place in by_place for size in range(len(place))}
    for location, texts in by_place.items():
        if location in above and all(text.startswith("must be a ") for text in texts):
            continue
        if len(texts) == 1 or not all(text.startswith("must be a ") for text in texts):
            merged.append((location, texts[0]))
            continue
        rules = [text.partition(", got ")[0].removeprefix("must be ") for text in texts]
        last = texts[0].partition(", got ")[2]
        merged.append((location, f"must be {' or '.join(rules)}, got {last}"))
    return merged


def _location_in(problem: Any, data: Any) -> Location:
    """Return the location of a problem without what pydantic adds (names of union members)."""
    kept: list[str | int] = []
    here = data
    absent = problem["type"] in ("missing", "unexpected_keyword_argument")
    for index, part in enumerate(problem["loc"]):
        last = index == len(problem["loc"]) - 1
        known = range(len(here)) if isinstance(here, list) else here
        if isinstance(known, (Mapping, range)) and part in known:
            here = here[part]
        elif not (last and absent and isinstance(here, Mapping)):
            continue
        kept.append(part)
    return tuple(kept)


def _at_named_key(location: Location, message: str, cls: type) -> LocatedMessage:
    """Move a message about an object to the key that its first word names.

    ``rank must be at least 1, got 0`` at `method.lora` is about `method.lora.rank`.
    """
    match = re.match(r"(\w+):? (.*)", message, re.DOTALL)
    if match and match[1] in _names(_class_at(cls, location)):
        return (*location, match[1]), match[2]
    return location, message


def _options_at(data: Any, location: Location) -> Mapping[str, Any]:
    for part in location:
        data = data[part]
    return data if isinstance(data, Mapping) else {}


def _component_at(component: Any, path: Location) -> Any:
    for part in path:
        try:
            component = component[part] if isinstance(part, int) else getattr(component, part)
        except (AttributeError, LookupError, TypeError):
            return None
    return component


def _named(word: str, component: Any, path: Location) -> Iterator[Location]:
    """Yield the place of every field of this name in a component and what it holds."""
    if isinstance(component, tuple):
        for index, item in enumerate(component):
            yield from _named(word, item, (*path, index))
    for name in _names(component):
        if name == word:
            yield (*path, name)
        yield from _named(word, getattr(component, name), (*path, name))


def _names(component: Any) -> list[str]:
    """Return the fields of a dataclass or of an instance of one; none of anything else."""
    if not is_dataclass(component):
        return []
    return [field.name for field in fields(component) if field.init]


def _class_at(root: Any, location: Location) -> Any:
    """Return the dataclass that `location` lies in, walking the field types from `root`."""
    here = root
    for part in location:
        if is_dataclass(here) and isinstance(here, type):
            here = get_type_hints(here).get(str(part))
        elif isinstance(part, int):
            here = next(iter(get_args(here)), None)
        while get_origin(here) in (UnionType, Union):
            members = [kind for kind in get_args(here) if kind is not NoneType]
            here = next((kind for kind in members if is_dataclass(kind)), members[0])
    return here
