"""Write docs/keys/*.md: every key of a scenario with its type, default, unit and meaning.

The keys are the fields of the frozen dataclasses below `Scenario`, the kinds those of its
registries, the meanings the texts under the fields. `python -m tools.scenario_reference` writes
the pages; with `--check` it says which are out of date and exits with 1.
"""

import ast
import inspect
import math
import re
import sys
import textwrap
import tomllib
import types
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from channel_models.units import Unit, watt_to_dbm
from wfl_sim.config.fields import FilePath, Shorthand
from wfl_sim.config.registry import From, Registry
from wfl_sim.device_models import Hardware, HardwareReference
from wfl_sim.scenario.builtin_kinds import FAMILIES
from wfl_sim.scenario.scenario import Scenario

FOLDER = Path(__file__).parents[1] / "docs" / "keys"
NOTES_FILE = Path(__file__).with_name("scenario_keys.toml")
NOTES = tomllib.loads(NOTES_FILE.read_text(encoding="utf-8"))

PAGES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "scenario": ("Top level", "name label seed stall interference load_memory carbon record", ()),
    "model": ("model", "model", ("model",)),
    "data": ("data", "data", ("data", "partition")),
    "method": ("method", "method", ("method", "algorithm")),
    "payload": ("payload and privacy", "payload privacy", ("codec",)),
    "rounds": ("rounds, server and evaluation", "rounds server evaluation",
               ("rounds", "selector", "staleness", "optimizer")),
    "cells": ("cells", "cells", ("allocator", "rate", "loss", "antenna", "station")),
    "channel": ("cells.channel", "", ("pathloss", "shadowing", "fading")),
    "network": ("layout, handover and backhaul", "layout handover backhaul", ("layout",)),
    "devices": ("devices", "devices", ("area", "mobility", "availability", "frequency", "jitter")),
    "execution": ("execution", "execution", ("executor",)),
}  # fmt: skip
"""File name to title, keys of the top level, and families of kinds."""

_HEAD = "*Made from the source by `python -m tools.scenario_reference`.* [Rules](../scenarios.md)."
_INDEX = """# Keys of a scenario

Every key with its type, unit, default and meaning. How they are written is told on the page of
[scenarios](../scenarios.md); `wfl-sim schema` has the same for editors, `wfl-sim list` the kinds.

```{toctree}
:maxdepth: 1

"""


def pages() -> dict[str, str]:
    """Return the text of every page by its file name."""
    texts = {f"{name}.md": _page(name) for name in PAGES}
    left = {each.family for each in FAMILIES} - {f for *_, fs in PAGES.values() for f in fs}
    left |= {each.name for each in fields(Scenario)} - {
        k for _, ks, _ in PAGES.values() for k in ks.split()
    }
    texts["index.md"] = _INDEX + "\n".join(PAGES) + "\n```\n"
    if left:
        raise LookupError(f"no page has: {', '.join(sorted(left))}")
    return texts


def _page(name: str) -> str:
    title, keys, families = PAGES[name]
    parts = [f"# {title}", _HEAD, NOTES["before"].get(name, "").strip()]
    hints = get_type_hints(Scenario, include_extras=True)
    chosen = [each for each in fields(Scenario) if each.name in keys.split()]
    if chosen:
        parts.append(_table(Scenario, chosen))
    seen: set[type] = set()
    for each in chosen:
        parts += _sections(each.name, hints[each.name], seen)
    registries = {each.family: each for each in FAMILIES}
    for family in families:
        parts += _kinds(registries[family], seen)
    return "\n\n".join(part for part in parts if part) + "\n"


def _sections(path: str, hint: Any, seen: set[type]) -> list[str]:
    """Return a section for every dataclass that stands below a key and is no kind."""
    parts = []
    for cls in _dataclasses(hint):
        if cls in seen or (cls is Hardware and not path.startswith("devices")):
            continue
        seen.add(cls)
        parts += [f"## `{path}`", _first_lines(cls), _table(cls, _given(cls))]
        hints = get_type_hints(cls, include_extras=True)
        for each in _given(cls):
            parts += _sections(f"{path}.{each.name}", hints[each.name], seen)
    return parts


def _kinds(registry: Registry[Any], seen: set[type]) -> list[str]:
    kinds = {name: cls for name, cls in registry.kinds().items() if _shipped(cls)}
    listed = [(f"`{name}`", _first_lines(cls)) for name, cls in kinds.items()]
    parts = [f"## Kinds of {registry.family}", _rows(("kind", "what it is"), listed)]
    for name, cls in kinds.items():
        if _given(cls):
            parts += [f"### {registry.family} `{name}`", _table(cls, _given(cls))]
    for cls in kinds.values():
        hints = get_type_hints(cls, include_extras=True)
        for each in _given(cls):
            parts += _sections(each.name, hints[each.name], seen)
    return parts


def _shipped(cls: type) -> bool:
    return cls.__module__.partition(".")[0] in ("wfl_sim", "channel_models")


def _given(cls: type) -> list["Field[Any]"]:
    return [each for each in fields(cls) if each.init]


def _table(cls: type, chosen: list["Field[Any]"]) -> str:
    hints = get_type_hints(cls, include_extras=True)
    rows = []
    for each in chosen:
        unit, what = _described(hints[each.name])
        value = f"{what}, {unit}" if unit else what
        rows.append((f"`{each.name}`", value, _default(each, unit), meaning(cls, each.name)))
    return _rows(("key", "value", "default", "meaning"), rows)


def _rows(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    escaped = [[cell.replace("|", r"\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)


def _described(hint: Any) -> tuple[str, str]:
    """Return the unit of a field and what its value is."""
    unit, words = "", []
    for mark in _marks(hint):
        if isinstance(mark, Unit):
            unit = unit or mark.symbol
        elif isinstance(mark, From):
            family = mark.registry.family
            words.append(f"[kind]({_page_of(family)}#kinds-of-{family}) of {family}")
        elif isinstance(mark, HardwareReference):
            words.append("name or mapping of hardware")
        elif isinstance(mark, FilePath):
            words.append("file or folder" if mark.or_name else "file")
        elif isinstance(mark, Shorthand):
            words.append(f"its `{mark.name}`, or a mapping")
    if not words:
        words = _types(hint)
    return unit if unit != "1" else "", ", ".join(dict.fromkeys(words))


def _page_of(family: str) -> str:
    return next(f"{name}.md" for name, (*_, families) in PAGES.items() if family in families)


def _types(hint: Any) -> list[str]:
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return [" or ".join(f"`{part}`" for part in parts)]
    if origin in (Union, types.UnionType):
        return [word for part in parts if part is not type(None) for word in _types(part)]
    if hasattr(hint, "__metadata__"):
        return _types(parts[0])
    if origin in (tuple, list):
        items = list(dict.fromkeys(w for p in parts if p is not ... for w in _types(p)))
        return [f"list of {' and '.join(items)}"]
    if origin is not None or is_dataclass(hint):
        return ["mapping"]
    names = {int: "whole number", float: "number", str: "text", bool: "true or false"}
    return [names.get(hint, "value")]


def _marks(hint: Any) -> list[Any]:
    found = list(getattr(hint, "__metadata__", ()))
    for part in get_args(hint):
        found += _marks(part)
    return found


def _dataclasses(hint: Any) -> list[type]:
    if any(isinstance(mark, From | HardwareReference) for mark in _marks(hint)):
        return [Hardware] if any(isinstance(m, HardwareReference) for m in _marks(hint)) else []
    if isinstance(hint, type) and is_dataclass(hint):
        return [hint]
    return [cls for part in get_args(hint) for cls in _dataclasses(part)]


def _default(each: "Field[Any]", unit: str) -> str:
    if each.default is MISSING and each.default_factory is MISSING:
        return "required"
    value = each.default if each.default is not MISSING else each.default_factory()  # type: ignore[misc]
    return _shown(value, unit)


def _shown(value: Any, unit: str) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if is_dataclass(value) and not isinstance(value, type):
        return _component(value)
    if isinstance(value, tuple | list):
        return f"[{', '.join(_shown(item, unit) for item in value)}]" if value else "empty"
    if isinstance(value, float) and unit:
        return _quantity(value, unit)
    if isinstance(value, float):
        return f"{value:g}"
    return f"`{value}`" if value != "" else "empty"


def _component(value: Any) -> str:
    for registry in FAMILIES:
        try:
            name = registry.name_of(value)
        except ValueError:
            continue
        own = [each for each in _given(type(value)) if getattr(value, each.name) != _bare(each)]
        hints = get_type_hints(type(value), include_extras=True)
        units = {each.name: _described(hints[each.name])[0] for each in own}
        keys = [f"{key} {_shown(getattr(value, key), unit)}" for key, unit in units.items()]
        return ", ".join([f"`{name}`", *keys])
    if isinstance(value, Hardware):
        return f"`{value.name}`"
    return "its defaults"


def _bare(each: "Field[Any]") -> Any:
    if each.default is not MISSING:
        return each.default
    return each.default_factory() if each.default_factory is not MISSING else MISSING


_PREFIXES = {1e12: "T", 1e9: "G", 1e6: "M", 1e3: "k", 1.0: "", 1e-3: "m", 1e-6: "µ", 1e-9: "n"}


def _quantity(value: float, unit: str) -> str:
    if not math.isfinite(value):
        return "unbounded"
    if unit == "W" and value > 0 and abs(watt_to_dbm(value) - round(watt_to_dbm(value))) < 1e-9:
        return f"{round(watt_to_dbm(value))} dBm"
    if unit == "m/s":
        return f"{value * 3.6:g} km/h"
    if unit == "s" and value >= 3600:
        return f"{value / 3600:g} h"
    if value <= 0 or unit == "dB" or (unit in ("m", "rad", "K", "K/W", "s") and value >= 0.1):
        return f"{value:g} {unit}"
    scale = next((each for each in _PREFIXES if value >= each), 1.0)
    return f"{value / scale:.4g} {_PREFIXES.get(scale, '')}{unit.replace('byte', 'B')}"


def _first_lines(cls: type) -> str:
    text = inspect.cleandoc(cls.__doc__ or "").split("\n\n")[0]
    return _plain(text)


def _plain(text: str) -> str:
    return re.sub(r"``(.+?)``", r"`\1`", " ".join(text.split()))


def meaning(cls: type, name: str) -> str:
    """Return the text under a field of a dataclass or of the class that it inherits it from."""
    for each in cls.__mro__:
        if name in inspect.get_annotations(each):
            notes = NOTES["meanings"]
            note = notes.get(f"{each.__name__}.{name}") or notes.get(f"*.{name}")
            return _meanings(each).get(name) or note or _missing(each, name)
    raise LookupError(f"{cls.__name__} has no field {name}")


def _missing(cls: type, name: str) -> str:
    raise LookupError(
        f"no text under the field {cls.__name__}.{name}, and none in {NOTES_FILE.name}"
    )


@cache
def _meanings(cls: type) -> dict[str, str]:
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(node, ast.ClassDef)
    found = {}
    for before, after in zip(node.body, node.body[1:], strict=False):
        match before, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(
                value=ast.Constant(value=str(text))
            ):
                found[name] = _plain(text)
    return found


def main(check: bool) -> int:
    """Write the pages, or say which differ from what is there."""
    old = []
    for name, text in pages().items():
        file = FOLDER / name
        if file.is_file() and file.read_text(encoding="utf-8") == text:
            continue
        old.append(name)
        if not check:
            FOLDER.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
    for name in old:
        print(f"docs/keys/{name}: {'out of date' if check else 'written'}")
    return 1 if check and old else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
