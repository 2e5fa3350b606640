"""What files of a run folder must hold: they come from others, so texts and numbers are data."""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from numbers import Real
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from ruamel.yaml.error import YAMLError
from safetensors import SafetensorError

from wfl_sim.config.errors import one_line

_NUMBERS: Final = ("simulated_seconds", "tasks_executed", "grams_co2", "unused_uploads")
_TABLES: Final = ("bits", "joules", "host_seconds", "infrastructure_joules", "background")
_TOTALS: Final = ("simulated_seconds", "bits", "tasks_executed", "host_seconds")
_PARTS: Final = {"handovers": "count", "privacy": "epsilon"}
_SAMPLE: Final = ("device", "request", "given", "before", "after")
_LONGEST: Final = 200
"""Characters of a label in figures and tables."""


def unreadable(path: Path, read: Callable[[], object]) -> str:
    """Return why a file is not read, as the system says it or as damage; "" if it can be read."""
    try:
        path.open("rb").close()
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    try:
        read()
    except (OSError, ValueError, YAMLError, pa.ArrowException, SafetensorError) as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        return f"damaged: {said[0]}"
    return ""


def manifest_problems(manifest: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the parts of a manifest that figures and tables use."""
    if not isinstance(manifest.get("digests"), dict):
        yield "has no digests"
    for name in _NUMBERS:
        if name in manifest and not _is_number(manifest[name]):
            yield f"{name} must be a number"
    for name in _TABLES:
        if not isinstance(manifest.get(name, {}), dict) or not all(
            map(_is_number, manifest.get(name, {}).values())
        ):
            yield f"{name} must be a mapping of names to numbers"
    if isinstance(bits := manifest.get("bits"), dict) and not {"sent_up", "sent_down"} <= {*bits}:
        yield "bits must have sent_up and sent_down"
    for name, key in _PARTS.items():
        part = manifest.get(name, {key: 0})
        if not isinstance(part, dict) or not _is_number(part.get(key)):
            yield f"{name} must have a number {key}"
    if not isinstance(manifest.get("seed", 0), int):
        yield "seed must be an integer"
    adapters = manifest.get("adapters", [])
    if not isinstance(adapters, list) or not all(map(is_plain_name, adapters)):
        yield "adapters must be a list of file names"
    point = manifest.get("point", {})
    if not isinstance(point, dict) or not all(map(_is_coordinate, point.values())):
        yield "point must be a mapping of paths to value, unit and written"


def check_totals(manifest: Mapping[str, Any], folder: Path) -> None:
    """Raise ValueError where the manifest of a run folder lacks totals that tables have."""
    if missing := ", ".join(name for name in _TOTALS if name not in manifest):
        raise ValueError(f"{folder}/manifest.json: has no {missing}")


def sample_texts(rows: Any) -> list[dict[str, str]]:
    """Return the samples of a run folder, if they are texts.

    Raises:
        ValueError: They are not.
    """
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and all(isinstance(row.get(key), str) for key in _SAMPLE)
        for row in rows
    ):
        raise ValueError(f"must hold a list of texts by {', '.join(_SAMPLE)}")
    return rows


def as_mapping(value: object) -> dict[str, Any]:
    """Return what a file holds, if it is a mapping; ValueError otherwise."""
    if not isinstance(value, dict):
        raise ValueError(f"must hold a mapping, holds a {type(value).__name__}")
    return value


def is_plain_name(name: object) -> bool:
    """Return whether a text names something right in a folder, and nothing elsewhere."""
    return isinstance(name, str) and re.fullmatch(r"\w[^/\\\x00-\x1f]*", name) is not None


def shown_label(text: str) -> str:
    """Return a label as one printable line; two long ones stay apart by a digest."""
    if text.isprintable() and len(text) <= _LONGEST:
        return text
    line = one_line(text)
    if len(line) <= _LONGEST:
        return line
    return f"{line[: _LONGEST - 20]}... {hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_coordinate(value: object) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {"value", "unit", "written"}
        and isinstance(value["unit"], str)
        and isinstance(value["written"], str)
        and (isinstance(value["value"], str) or _is_number(value["value"]))
    )
