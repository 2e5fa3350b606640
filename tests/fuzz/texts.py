"""Scenario texts: those of the project and a rich one, with some mutations each."""

import json
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz import values
from tests.fuzz.networks import document, short_document
from wfl_sim.config.documents import read_yaml
from wfl_sim.scenario.builtin_kinds import FAMILIES

_SCENARIOS = Path(__file__).parents[2] / "scenarios"

_LINES = [
    "seed: &a [*a]", "a: &a {b: 1}\nc: {<<: *a}", "<<: {seed: 3}", "<<: [{seed: 3}, 5]",
    "label: !!python/object/apply:os.system [x]", "? [a, b]\n: c", "---", "...", "%YAML 1.1",
    "\tseed: 1", "seed: 1\nseed: 2", "label: |\n  a\n b", "extends: other.yaml", "extends: .",
    "label: !!bool maybe", "label: \"\\U00110000\"", "label: \"\\x00\"", "label: 'a", "{", "]",
    "deep: " + "[" * 120 + "]" * 120, "long: " + "x" * 3000, "stall: 1e999999999", "- 1",
    "!!set {a}",    "sweep: {seeds: [1, 2]}", "sweep: {grid: {seed: [1]}}",
    "sweep: {grid: {cells.9.height: [1, 2]}}",
    "sweep: {zip: {devices.0.power: [1 W, 2 W], rounds.count: [1]}}", "sweep: {variants: {a: }}",
    "sweep: {grid: {devices.0.count: [1, 2], name: [a]}}", "sweep: {variants: {a: {kind: 3}}}",
    "? ", "~: 1", "null: 2", "1: 2", "true: 3", "kind: x", "#", "label: # nothing", "name: &n *n",
]  # fmt: skip
_CHARACTERS = ":{}[]&*!|>'\"%@`,#-? \t\0\n0\u2028\ufeff\U0001f600\x85e"


@cache
def _bases() -> list[tuple[str, dict[str, Any]]]:
    files = sorted(_SCENARIOS.rglob("*.yaml"))
    return [
        (file.read_text(encoding="utf-8"), json.loads(json.dumps(read_yaml(file).data)))
        for file in files
    ]


def changed(rng: Random) -> tuple[str, list[str]]:
    """Return a text that once was a scenario, and settings of a command line."""
    dice = rng.random()
    made = document(rng) if dice < 0.3 else short_document(rng)
    text, data = rng.choice(_bases()) if dice > 0.75 else ("", made)
    if not text or rng.random() < 0.6:
        data = deepcopy(data)
        for _ in range(rng.choice((0, 1, 1, 1, 2))):
            _change_data(rng, data)
        text = written(data)
    for _ in range(rng.choice((0, 0, 0, 0, 1))):
        text = _change_text(rng, text)
    settings = [_setting(rng, data) for _ in range(rng.choice((0, 0, 0, 0, 1, 2)))]
    return text, settings


def written(data: dict[str, Any]) -> str:
    """Return data as YAML: one line for each key and for each item of a list at the top."""
    lines = []
    for key, value in data.items():
        if isinstance(value, list) and value:
            lines += [f"{key}:", *(f"  - {_flow(item)}" for item in value)]
        else:
            lines.append(f"{key}: {_flow(value)}")
    return "\n".join(lines) + "\n"


def _flow(value: Any) -> str:
    if isinstance(value, values.Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(str(k))}: {_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 10**300 else "1" + "0" * 400
    return json.dumps(value) if isinstance(value, (str, float, bool)) else "null"


def _places(data: Any, nodes: list[values.Schema]) -> Iterator[tuple[Any, Any, values.Schema]]:
    """Yield every container, a key in it or that it might have, and the schema below the key."""
    if isinstance(data, dict):
        known: dict[str, values.Schema] = {}
        for node in nodes:
            for option in values.options(node, data):
                known |= option["properties"]
        for key in {**data, **known}:
            below = known.get(key, {})
            yield data, key, below
            yield from _places(data.get(key), [below])
    elif isinstance(data, list):
        items = [_items(node) for node in nodes]
        for index, item in enumerate(data):
            yield data, index, items[0] if items else {}
            yield from _places(item, items)


def _items(node: values.Schema) -> values.Schema:
    node = values.resolved(node)
    for option in node.get("anyOf", [node]):
        if option.get("type") == "array":
            found: values.Schema = option.get("items", {})
            return found
    return {}


def _change_data(rng: Random, data: dict[str, Any]) -> None:
    holder, key, node = rng.choice(list(_places(data, [values.schema()])))
    there = isinstance(holder, list) or key in holder
    dice = rng.random()
    if there and dice < 0.1:
        del holder[key]
    elif there and dice < 0.15 and isinstance(holder, dict):
        holder[str(key)[:-1] or "x"] = holder.pop(key)
    elif there and dice < 0.2 and isinstance(holder, list):
        holder.append(deepcopy(holder[key]))
    elif there and dice < 0.3 and isinstance(holder[key], dict) and "kind" in holder[key]:
        kinds = [kind for family in FAMILIES for kind in family.kinds()]
        holder[key]["kind"] = rng.choice(kinds)
    elif dice < 0.4:
        holder[key] = values.garbage(rng)
    else:
        holder[key] = values.value(rng, node)


def _change_text(rng: Random, text: str) -> str:
    lines = text.split("\n")
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    place = rng.randrange(len(text) + 1)
    match rng.randrange(9):
        case 0:
            del lines[at]
        case 1:
            lines.insert(at, lines[other])
        case 2:
            lines[at], lines[other] = lines[other], lines[at]
        case 3:
            lines[at] = rng.choice(("  ", " ", "\t", "- ")) + lines[at]
        case 4:
            return text[:place]
        case 5:
            return text[:place] + rng.choice(_CHARACTERS) + text[place:]
        case 6:
            return text[:place] + text[place + rng.randrange(1, 9) :]
        case 7:
            return text[:place] + _flow(values.garbage(rng)) + text[place:]
        case _:
            lines.insert(at, rng.choice(_LINES))
    return "\n".join(lines)


def _setting(rng: Random, data: dict[str, Any]) -> str:
    _, key, node = rng.choice(list(_places(data, [values.schema()])))
    top = rng.choice(list(data)) if data else "name"
    path = rng.choice((str(key), f"{top}.0.{key}", f"{top}.{key}", f"{top}", "", ".", "a..b"))
    return f"{path}={_flow(values.value(rng, node))}"
