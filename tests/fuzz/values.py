"""Values of a scenario, drawn by its JSON Schema: most are right, some are of no use at all."""

import re
from functools import cache
from random import Random
from typing import Any

from wfl_sim.scenario.json_schema import json_schema

Schema = dict[str, Any]

FILES = {
    "power.csv": "start (h),end (h),power (mW)\n0,1,500\n1,2,0\n",
    "load.csv": "start (s),end (s),load\n0,5,0.5\n5,9,0\n",
    "carbon.csv": "start (h),end (h),intensity (g/kWh)\n0,12,400\n12,24,90\n",
    "there.csv": "device,start (s),end (s)\n0,0,40\n0,50,90\n1,5,60\n",
    "track.csv": "device,time (s),x (m),y (m)\n0,0,50,0\n0,30,90,60\n1,0,-80,0\n1,9,-80,90\n",
    "places.csv": "x (m),y (m)\n100,0\n0,120\n-80,-30\n",
    "bom.csv": "\ufeffstart (h);end (h);power (mW)\n0;1;500\n",
    "broken.csv": "start (h),end (h),power (mW)\n0,1,much\n",
    "empty.csv": "",
}
"""Tables that lie beside a scenario."""

_TYPICAL = {
    "Hz": ("20 MHz", "5 MHz", "3.5 GHz", "700 MHz", "28 GHz", "30 kHz", "15 kHz", "60 kHz"),
    "W": ("23 dBm", "10 dBm", "0.1 W", "46 dBm", "-90 dBm", "3 W", "0"),
    "s": ("10 ms", "1 s", "2 min", "1 h", "300 ns", "0"),
    "m": ("100 m", "1.5 m", "25 m", "0.3 km", "500 m", "0 m"),
    "m/s": ("3 km/h", "20 m/s", "0", "100 km/h"),
    "dB": ("0 dB", "6 dB", "-3 dB", "30"),
    "J": ("20 Wh", "5 J", "0.1 kJ"),
    "bit": ("1 Mbit", "2 kB", "100 bit", "1 MiB"),
    "byte": ("8 GB", "100 MB", "1 KiB", "0"),
    "FLOP": ("10 GFLOP", "1 TFLOP", "0"),
    "FLOP/s": ("1 TFLOP/s", "20 GFLOPS"),
    "bit/s": ("1 Gbit/s", "10 Mbps", "1 bit/s"),
    "byte/s": ("68 GB/s", "1 MB/s"),
    "rad": ("30 deg", "1 rad", "-0.5"),
    "K": ("290 K", "300"),
    "K/W": ("5 K/W",),
    "fraction": ("0", "1", "0.5", "25 %", "0.1"),
}
_NUMBERS = ("0", "-0", "-1", "1", "0.5", "1e-9", "5e-324", "1e-300", "1e12", "1e30", "1e300")
_BEYOND = ("1e309", ".inf", "-.inf", ".nan", "9" * 400, "9999 dBm", "1e400 dBm", "0x1F", "1_000")
_UNITS = ("", "Hz", "GHz", "W", "dBm", "dBW", "s", "h", "d", "m", "km", "m/s", "dB", "J", "Wh")
_UNITS += ("bit", "Mbit", "GiB", "B", "FLOP", "TFLOP/s", "bit/s", "deg", "K", "K/W", "%", "µs")
_INTEGERS = (0, 1, 2, 3, 4, 5, 8, 16, 63, 64, 100, -1, 2**31 - 1, 2**31, 2**63 - 1, 2**63, 10**400)
_TEXTS = ("", " ", "a", "x" * 300, "ünïcode", "~nosuchuser/x", "/dev/zero", ".", "../..", "a.py:B")
_TEXTS += ("builtin:tiny-bert", "\u2028", "\x1b[31m", "\ud800", "D", "DDDSU", "DSUUU", "no", "1e3")


class Raw(str):
    """A scalar that is written as it stands, without quotes."""


@cache
def schema() -> Schema:
    """Return the JSON Schema of scenarios."""
    return json_schema()


def resolved(node: Schema) -> Schema:
    """Return what a reference refers to."""
    while "$ref" in node:
        node = schema()["$defs"][node["$ref"].rpartition("/")[2]]
    return node


def options(node: Schema, data: Any) -> list[Schema]:
    """Return the schemas of mappings that may describe `data`."""
    node = resolved(node)
    if "anyOf" in node:
        return [each for option in node["anyOf"] for each in options(option, data)]
    if "properties" not in node:
        return []
    kind = node["properties"].get("kind", {}).get("const")
    asked = data.get("kind") if isinstance(data, dict) else None
    return [node] if kind is None or asked is None or kind == asked else []


def value(rng: Random, node: Schema, depth: int = 0) -> Any:
    """Return a value for a node of the schema."""
    node = resolved(node)
    if rng.random() < 0.04:
        return garbage(rng)
    if "const" in node:
        return node["const"]
    if "enum" in node:
        return rng.choice(node["enum"])
    if unit := _unit(node):
        return quantity(rng, unit)
    if "anyOf" in node:
        return value(rng, rng.choice(node["anyOf"]), depth)
    if "prefixItems" in node:
        return [value(rng, each, depth + 1) for each in node["prefixItems"]]
    kind = node.get("type")
    if kind == "object" or "properties" in node:
        return _mapping(rng, node, depth)
    if kind == "array":
        return [value(rng, node.get("items", {}), depth + 1) for _ in range(rng.randrange(4))]
    if kind == "integer":
        return rng.choice(_INTEGERS if rng.random() < 0.3 else _INTEGERS[:8])
    if kind == "number":
        return Raw(rng.choice(_NUMBERS))
    if kind == "boolean":
        return rng.random() < 0.5
    if kind == "string":
        return rng.choice((*_TEXTS, *FILES))
    return garbage(rng)


def _mapping(rng: Random, node: Schema, depth: int) -> dict[str, Any]:
    given = {}
    for key, below in node.get("properties", {}).items():
        if "const" in below or rng.random() < (0.5, 0.35, 0.25)[min(depth, 2)]:
            given[key] = value(rng, below, depth + 1)
    return given


def _unit(node: Schema) -> str:
    match = re.match(r"(?:a number in (\S+)|a (fraction)), or", node.get("description", ""))
    return (match[1] or match[2]) if match else ""


def quantity(rng: Random, unit: str) -> Any:
    """Return a quantity of this unit, and now and then of another one, or none."""
    dice = rng.random()
    if dice < 0.65:
        return rng.choice(_TYPICAL[unit])
    number = rng.choice(_NUMBERS if dice < 0.95 else _BEYOND)
    if dice < 0.8:
        return Raw(number)
    own = "" if unit == "fraction" else unit
    return f"{number} {own if dice < 0.9 else rng.choice(_UNITS)}".strip()


def garbage(rng: Random) -> Any:
    """Return something that hardly any key takes."""
    return rng.choice(
        [
            None, True, False, [], {}, [[]], {"kind": {}}, {"kind": "none"}, {"": None},
            {"base": []}, [None], [1, "a", {}], Raw(rng.choice(_BEYOND)), Raw(rng.choice(_NUMBERS)),
            rng.choice(_INTEGERS), rng.choice(_TEXTS), rng.choice(list(FILES)),
            rng.choice(_NUMBERS) + " " + rng.choice(_UNITS), Raw("*nowhere"), Raw("!!int x"),
            Raw("!!binary aa=="), Raw("2020-01-01"), Raw("? a"), Raw("12:30:00"), Raw("|"),
        ]
    )  # fmt: skip
