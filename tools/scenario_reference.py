"""Write docs/keys/*.md: every key of a scenario with its type, default, unit and meaning.

The keys are the fields of the frozen dataclasses below `Scenario`, the kinds those of its
registries, what a field is tells `scenario_fields`. `python -m tools.scenario_reference` writes
the pages; with `--check` it says which are out of date and exits with 1.
"""

from dataclasses import Field, fields
from pathlib import Path
from typing import Any, get_type_hints

from tools.scenario_fields import (
    NOTES,
    dataclasses_in,
    default,
    described,
    first_lines,
    given,
    meaning,
)
from wfl_sim.cli.scripts import run_script, script_options
from wfl_sim.config.registry import Registry
from wfl_sim.device_models import Hardware
from wfl_sim.scenario.builtin_kinds import FAMILIES
from wfl_sim.scenario.scenario import Scenario

FOLDER = Path(__file__).parents[1] / "docs" / "keys"
PAGES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "scenario": ("Top level", "name label seed stall interference load_memory carbon record", ()),
    "model": ("model", "model", ("model",)),
    "data": ("data", "data", ("data", "partition")),
    "method": ("method", "method", ("method", "algorithm", "reward")),
    "payload": ("payload and privacy", "payload privacy", ("codec",)),
    "rounds": ("rounds, server and evaluation", "rounds server evaluation",
               ("rounds", "selector", "staleness", "optimizer", "robust", "metric")),
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
    for cls in dataclasses_in(hint):
        if cls in seen or (cls is Hardware and not path.startswith("devices")):
            continue
        seen.add(cls)
        parts += [f"## `{path}`", first_lines(cls), _table(cls, given(cls))]
        hints = get_type_hints(cls, include_extras=True)
        for each in given(cls):
            parts += _sections(f"{path}.{each.name}", hints[each.name], seen)
    return parts


def _kinds(registry: Registry[Any], seen: set[type]) -> list[str]:
    kinds = {name: cls for name, cls in registry.kinds().items() if _shipped(cls)}
    listed = [(f"`{name}`", first_lines(cls)) for name, cls in kinds.items()]
    parts = [f"## Kinds of {registry.family}", _rows(("kind", "what it is"), listed)]
    for name, cls in kinds.items():
        if given(cls):
            parts += [f"### {registry.family} `{name}`", _table(cls, given(cls))]
    for cls in kinds.values():
        hints = get_type_hints(cls, include_extras=True)
        for each in given(cls):
            parts += _sections(each.name, hints[each.name], seen)
    return parts


def _shipped(cls: type) -> bool:
    return cls.__module__.partition(".")[0] in ("wfl_sim", "channel_models")


def _table(cls: type, chosen: list["Field[Any]"]) -> str:
    hints = get_type_hints(cls, include_extras=True)
    rows = []
    for each in chosen:
        unit, what = described(hints[each.name], _link)
        value = f"{what}, {unit}" if unit else what
        rows.append((f"`{each.name}`", value, default(cls, each, unit), meaning(cls, each.name)))
    return _rows(("key", "value", "default", "meaning"), rows)


def _rows(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    escaped = [[cell.replace("|", r"\|") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)


def _link(family: str) -> str:
    page = next(f"{name}.md" for name, (*_, families) in PAGES.items() if family in families)
    return f"[kind]({page}#kinds-of-{family}) of {family}"


def write(check: bool) -> int:
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


def main() -> int:
    """Write or check the pages."""
    options = script_options(__doc__)
    options.add_argument("--check", action="store_true", help="write nothing: say what is old")
    return write(options.parse_args().check)


if __name__ == "__main__":
    run_script(main)
