"""Inputs: a fingerprint of all that decides a run, so that a finished one can be told from an old.

It covers the code of wfl_sim and channel_models, versions of libraries, the scenario, the learner
with its base model, the examples, and every file that the scenario names. A folder that it names
enters by names, sizes and times alone; the modules that a plug-in imports are not followed.
"""

import hashlib
import json
import platform
import re
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from wfl_sim.resolved import plain
from wfl_sim.simulation import Simulation

_PACKAGES: Final = ("wfl_sim", "channel_models")
_LIBRARIES: Final = ("numpy", "scipy", "simpy", "networkx", "pydantic")
"""beside those of the learner's recipe"""


def fingerprint(simulation: Simulation) -> str:
    """Return the SHA-256 of what decides the outcome of a simulation."""
    scenario, shards = simulation.scenario, simulation.shards
    written = {key: value for key, value in plain(scenario).items() if key != "execution"}
    content = {
        "code": _code(),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in _LIBRARIES},
        "scenario": written,
        "mode": scenario.execution.mode,
        "trains": simulation.trains,
        "files": {text: _content(path) for text, path in _named(written)},
    }
    if simulation.trains and shards is not None:
        content["recipe"] = simulation.learner.recipe
        content["examples"] = [
            each.fingerprint() for each in (*shards.train, *shards.test, shards.pooled)
        ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@cache
def _code() -> str:
    digest = hashlib.sha256()
    for package in _PACKAGES:
        spec = find_spec(package)
        for root in spec.submodule_search_locations or () if spec else ():
            for file in sorted(Path(root).rglob("*")):
                if file.suffix in (".py", ".yaml", ".toml") and file.is_file():
                    content = hashlib.sha256(file.read_bytes()).hexdigest()
                    digest.update(f"{file.relative_to(root)} {content}\n".encode())
    return digest.hexdigest()


def _named(value: Any) -> Iterator[tuple[str, Path]]:
    """Yield the texts that name a file or folder by its absolute path, also as `file.py:Class`."""
    if isinstance(value, dict):
        for item in value.values():
            yield from _named(item)
    elif isinstance(value, list):
        for item in value:
            yield from _named(item)
    elif isinstance(value, str) and value.startswith("/"):
        path = Path(re.sub(r"(\.py):\w+$", r"\1", value))
        if path.exists():
            yield value, path


def _content(path: Path) -> Any:
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    inside = ((file, file.stat()) for file in sorted(path.rglob("*")) if file.is_file())
    return [(str(file.relative_to(path)), s.st_size, s.st_mtime_ns) for file, s in inside]
