"""What a field of a scenario's dataclasses is: its unit, type, default and meaning, in words."""

import ast
import inspect
import math
import re
import textwrap
import tomllib
import types
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from channel_models.units import Unit, watt_to_dbm
from wfl_sim.config.fields import FilePath, Shorthand
from wfl_sim.config.registry import From, own_defaults
from wfl_sim.device_models import Hardware, HardwareReference
from wfl_sim.scenario.builtin_kinds import FAMILIES

NOTES_FILE = Path(__file__).with_name("scenario_keys.toml")
NOTES = tomllib.loads(NOTES_FILE.read_text(encoding="utf-8"))


def given(cls: type) -> list["Field[Any]"]:
    """Return the fields that a scenario may give."""
    return [each for each in fields(cls) if each.init]


def described(hint: Any, link: Callable[[str], str] = str) -> tuple[str, str]:
    """Return the unit of a field and what its value is; `link` names a family of kinds."""
    unit, words = "", []
    for mark in _marks(hint):
        if isinstance(mark, Unit):
            unit = unit or mark.symbol
        elif isinstance(mark, From):
            words.append(link(mark.registry.family))
        elif isinstance(mark, HardwareReference):
            words.append("name or mapping of hardware")
        elif isinstance(mark, FilePath):
            words.append("file or folder" if mark.or_name else "file")
        elif isinstance(mark, Shorthand):
            words.append(f"its `{mark.name}`, or a mapping")
    if not words:
        words = _types(hint)
    return unit if unit != "1" else "", ", ".join(dict.fromkeys(words))


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


def dataclasses_in(hint: Any) -> list[type]:
    """Return the dataclasses that stand in a type and are no kinds."""
    if any(isinstance(mark, From | HardwareReference) for mark in _marks(hint)):
        return [Hardware] if any(isinstance(m, HardwareReference) for m in _marks(hint)) else []
    if isinstance(hint, type) and is_dataclass(hint):
        return [hint]
    return [cls for part in get_args(hint) for cls in dataclasses_in(part)]


def default(cls: type, each: "Field[Any]", unit: str) -> str:
    """Return the default of a field of a dataclass in its unit."""
    for base in cls.__mro__:
        if noted := NOTES["defaults"].get(f"{base.__name__}.{each.name}"):
            return str(noted)
    if each.default is MISSING and each.default_factory is MISSING:
        return "required"
    value = each.default if each.default is not MISSING else each.default_factory()  # type: ignore[misc]
    own = [f"`{key}` {_shown(other, '')}" for key, other in own_defaults(each).items()]
    return f"{_shown(value, unit)}, with {', '.join(own)}" if own else _shown(value, unit)


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
        own = [each for each in given(type(value)) if getattr(value, each.name) != _bare(each)]
        hints = get_type_hints(type(value), include_extras=True)
        units = {each.name: described(hints[each.name])[0] for each in own}
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


def first_lines(cls: type) -> str:
    """Return the first paragraph about a dataclass."""
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
