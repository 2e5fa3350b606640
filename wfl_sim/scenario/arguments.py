"""Arguments from Python: a scenario, paths, texts and counts, or one line about what is wrong."""

import reprlib
from collections.abc import Iterable, Mapping
from numbers import Integral
from pathlib import Path
from typing import Any

from wfl_sim.config.errors import LocatedError, ScenarioError
from wfl_sim.scenario.resolve import to_dict
from wfl_sim.scenario.scenario import Scenario


def source(file: Any) -> Path | Mapping[str, Any]:
    """Return a scenario as `read_extended` takes it: a path, or a mapping.

    Raises:
        ScenarioError: it is neither, nor a `Scenario` that a mapping can say.
    """
    if isinstance(file, Scenario):
        try:
            return to_dict(file)
        except LocatedError as error:
            raise ScenarioError(f"{'.'.join(map(str, error.path))}: {error}") from None
    if isinstance(file, Mapping):
        return file
    return path_of("file", file, "a path, a mapping or a `Scenario`")


def path_of(name: str, value: Any, what: str = "a path") -> Path:
    """Return an argument that is a path; `~` is home.

    Raises:
        ScenarioError: it is none.
    """
    try:
        return Path(value).expanduser()
    except (TypeError, RuntimeError):
        raise ScenarioError(f"{name}: must be {what}, got {reprlib.repr(value)}") from None


def texts(name: str, value: Any, what: str) -> tuple[str, ...]:
    """Return an argument that is a text or several.

    Raises:
        ScenarioError: it is none.
    """
    found = (value,) if isinstance(value, str) else value
    if isinstance(found, Mapping) or not isinstance(found, Iterable):
        found = (found,)
    found = tuple(found)
    if not all(isinstance(each, str) for each in found):
        raise ScenarioError(f"{name}: must be {what}, got {reprlib.repr(value)}")
    return found


def check_count(name: str, value: Any) -> None:
    """Check an argument that is a number of things.

    Raises:
        ScenarioError: It is no whole number of at least 1.
    """
    if not isinstance(value, Integral) or value < 1:
        raise ScenarioError(f"{name}: must be a whole number of at least 1, got {value!r}")
