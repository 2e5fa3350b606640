"""Nested mappings and lists of Python as a document."""

from collections.abc import Mapping
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wfl_sim.config.documents import Document, Place
from wfl_sim.config.errors import Location, ScenarioError


def document_of(data: Mapping[str, Any]) -> Document:
    """Return a mapping of Python as a document; errors name the key alone.

    Relative paths start from the working folder. A component may be an object of its class.

    Raises:
        ScenarioError: it holds something that a scenario cannot hold.
    """
    places: dict[Location, Place] = {}
    return Document(_plain(data, (), places), places)


def _plain(value: Any, path: Location, places: dict[Location, Place]) -> Any:
    places[path] = Place("", path)
    if isinstance(value, Mapping):
        if wrong := [key for key in value if not isinstance(key, str)]:
            raise _error(path, f"the key {wrong[0]!r} must be a text")
        return {key: _plain(each, (*path, key), places) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
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
