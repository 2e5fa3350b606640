"""Resolved scenarios: plain data and YAML with all defaults, and a digest of the content."""

import hashlib
import io
import json
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import Field, fields, is_dataclass
from enum import Enum
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any, get_type_hints

import numpy as np
from ruamel.yaml import YAML

from wfl_sim.config.errors import LocatedError
from wfl_sim.config.fields import FilePath, marks
from wfl_sim.config.plugin_code import code_of
from wfl_sim.config.registry import From, Registry
from wfl_sim.scenario.scenario import Scenario


def to_dict(scenario: Scenario) -> dict[str, Any]:
    """Return nested mappings and lists in SI units that load to an equal scenario.

    Raises:
        LocatedError: a field holds what no scenario can say, such as a function, or a component
            whose class has no name.
    """
    return _fields(scenario, str)


def to_yaml(scenario: Scenario) -> str:
    """Return the scenario as YAML."""
    text = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.width = 4096
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.dump(to_dict(scenario), text)
    return text.getvalue()


def digest(scenario: Scenario) -> str:
    """Return 8 hexadecimal digits that name the scenario, wherever and however it is executed.

    Files, model folders and plug-ins enter by their content: two copies of a project have the same
    digests. A plug-in's content is its code (`code_of`).
    """
    content = _fields(scenario, _content)
    for decides_no_result in ("execution", "stall"):
        del content[decides_no_result]
    if code := code_of([getattr(scenario, name, None) for name in content]):
        content["plugins"] = code
    text = json.dumps(content, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


Shown = Callable[[str], str]
"""Maps the path of a file, or `file.py:Class`, to the text that stands for it."""


def _fields(component: Any, shown: Shown) -> dict[str, Any]:
    kind: Any = type(component)
    values = {}
    for field, registry, names_file in _marked(kind):
        value = getattr(component, field.name)
        if field.init and not (value is None and field.default is None):
            values[field.name] = _at(field.name, value, registry, shown, names_file)
    return values


@lru_cache(maxsize=1024)
def _marked(cls: type) -> list[tuple[Field[Any], Registry[Any] | None, bool]]:
    """Return the fields of a dataclass, the registry of each, and whether it names a file."""
    hints, marked = get_type_hints(cls, include_extras=True), []
    for field in fields(cls):
        found = list(marks(hints[field.name]))
        registry = next((mark.registry for mark in found if isinstance(mark, From)), None)
        marked.append((field, registry, any(isinstance(mark, FilePath) for mark in found)))
    return marked


def _at(
    key: str | int, value: Any, registry: Registry[Any] | None, shown: Shown, names_file: bool
) -> Any:
    try:
        return _value(value, registry, shown, names_file)
    except LocatedError as error:
        raise LocatedError(str(error), key, *error.path) from None


def _value(value: Any, registry: Registry[Any] | None, shown: Shown, names_file: bool) -> Any:
    if is_dataclass(value):
        kind = {"kind": shown(_name_of(value, registry))} if registry else {}
        return {**kind, **_fields(value, shown)}
    if isinstance(value, Mapping) and all(isinstance(key, str | int | float) for key in value):
        return {k: _at(str(k), v, registry, shown, names_file) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return [_at(i, item, registry, shown, names_file) for i, item in enumerate(value)]
    if isinstance(value, np.generic | Enum):
        value = value.item() if isinstance(value, np.generic) else value.value
    if isinstance(value, str | PurePath):
        return shown(str(value)) if names_file else str(value)
    if value is None or isinstance(value, int | float):
        return value
    raise LocatedError(
        "must be what a scenario can say (numbers, texts, lists, mappings), got "
        f"{reprlib.repr(value)}: what is always the same can be an attribute of the class"
    )


def _name_of(component: object, registry: Registry[Any]) -> str:
    try:
        return registry.name_of(component)
    except ValueError as error:
        raise LocatedError(f"{error}: register its class under a name") from None


def _content(text: str) -> str:
    """Return the hash of a file or folder instead of its path, and of a plug-in its class alone."""
    if ".py:" in text:
        return text.rpartition(":")[2]
    file = Path(text)
    if not file.is_absolute():
        return text
    inside = [file]
    if file.is_dir():
        inside = sorted(each for each in file.rglob("*") if not _hidden(each.relative_to(file)))
    digest = hashlib.sha256()
    for each in inside:
        if each.is_file():
            stat = each.stat()
            within = each.relative_to(file).as_posix() if file.is_dir() else ""
            digest.update(f"{within} {_hash_of(each, stat.st_size, stat.st_mtime_ns)}\n".encode())
    return f"sha256:{digest.hexdigest()}"


def _hidden(path: Path) -> bool:
    return any(word.startswith(".") for word in path.parts)


@lru_cache(maxsize=256)
def _hash_of(file: Path, size: int, time: int) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
