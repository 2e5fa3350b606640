"""Fingerprint of everything that decides the results of a run, to detect outdated run folders.

It covers the code of wfl_sim and channel_models, versions of libraries, the scenario with the
content of the files and the code of the plug-ins that it names, the learner with its base model,
and the examples.
"""

import hashlib
import json
import platform
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from wfl_sim.execution.executor import mode_of
from wfl_sim.scenario.resolve import digest
from wfl_sim.simulation.simulation import Simulation

_PACKAGES: Final = ("wfl_sim", "channel_models")
_LIBRARIES: Final = ("numpy", "scipy", "simpy", "networkx", "pydantic")
"""Libraries whose versions count, besides those of the learner's recipe."""


def run_fingerprint(simulation: Simulation) -> str:
    """Return the SHA-256 of everything that decides the results of a simulation."""
    scenario, shards = simulation.scenario, simulation.shards
    content: dict[str, Any] = {
        "code": _code(),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in _LIBRARIES},
        "scenario": digest(scenario),
        "mode": mode_of(scenario.execution),
        "trains": simulation.trains,
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
    for name, file in _sources():
        digest.update(f"{name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _sources() -> Iterator[tuple[str, Path]]:
    for package in _PACKAGES:
        spec = find_spec(package)
        roots = spec.submodule_search_locations if spec is not None else None
        for root in roots or ():
            for file in sorted(Path(root).rglob("*")):
                if file.suffix in (".py", ".yaml", ".toml") and file.is_file():
                    yield f"{package}/{file.relative_to(root)}", file
