"""The import graph of the project: which file imports which, and the ranks that it must keep.

Every import counts, those below `TYPE_CHECKING` and inside functions included.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import networkx as nx

ROOT: Final = Path(__file__).parents[1]
PACKAGES: Final = ("wfl_sim", "channel_models")

RANKS: Final[dict[str, int]] = {
    "channel_models": 0,
    "config": 1,
    "state": 1,
    "records": 1,
    "randomness": 1,
    "data": 2,
    "device_models": 2,
    "methods": 2,
    "codecs": 2,
    "results": 2,
    "radio": 3,
    "execution": 3,
    "network": 4,
    "learning": 4,
    "rounds": 5,
    "scenario": 6,
    "simulation": 7,
    "flower": 8,
    "gym": 8,
    "testing": 8,
    "cli": 9,
    "wfl_sim": 10,
    "__main__": 10,
    "protocols": 10,
    "registry": 10,
    "selection": 10,
}
"""Rank of every room and loose module. Nothing inside imports rank 10: public entrances."""


@dataclass(frozen=True)
class Import:
    """One file imports another."""

    source: str
    target: str
    line: int

    def __str__(self) -> str:
        return f"{self.source}:{self.line} imports {self.target}"


def room_of(module: str) -> str:
    """Return the room of a module, or its own name where it stands in none."""
    first, *rest = module.split(".")
    return rest[0] if first == "wfl_sim" and rest else first


def module_files(root: Path = ROOT) -> dict[str, Path]:
    """Return every file of the packages by the name of its module."""
    found = {}
    for package in PACKAGES:
        for file in sorted((root / package).rglob("*.py")):
            parts = file.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imports(root: Path = ROOT) -> Iterator[Import]:
    """Yield the imports among the files of the packages."""
    files = module_files(root)
    for module, file in files.items():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            for target in _targets(node, files):
                if target != module:
                    yield Import(module, target, node.lineno)  # type: ignore[attr-defined]


def circles(root: Path = ROOT) -> list[set[str]]:
    """Return the sets of files that import one another in a circle."""
    graph = nx.DiGraph((each.source, each.target) for each in imports(root))
    return [group for group in nx.strongly_connected_components(graph) if len(group) > 1]


def folder_circles(room: str, root: Path = ROOT, *, alone: bool = False) -> list[set[str]]:
    """Return the sets of folders of a room whose files import one another in a circle.

    The files of the room that are in none of its folders are one folder, or each `alone`.
    """
    files = module_files(root)

    def folder(module: str) -> str:
        file = files[module]
        return file.stem if alone and file.parent.name == room else file.parent.name

    pairs = [
        (folder(each.source), folder(each.target))
        for each in imports(root)
        if room_of(each.source) == room_of(each.target) == room
    ]
    graph = nx.DiGraph([pair for pair in pairs if pair[0] != pair[1]])
    return [group for group in nx.strongly_connected_components(graph) if len(group) > 1]


def upward(root: Path = ROOT) -> list[Import]:
    """Return the imports that go neither to a lower rank nor to the same room."""
    return [
        each
        for each in imports(root)
        if (below := room_of(each.target)) != (above := room_of(each.source))
        and RANKS[below] >= RANKS[above]
    ]


def _targets(node: ast.AST, files: dict[str, Path]) -> list[str]:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module:
        inside = [f"{node.module}.{alias.name}" for alias in node.names]
        names = [name if name in files else node.module for name in inside]
    else:
        return []
    return [name for name in dict.fromkeys(names) if name in files]
