"""JSON Schema of scenario files, by which editors complete keys and mark mistakes.

The schema requires no key, because ``extends`` and variants may add it: `wfl-sim validate` reports
what is missing.
"""

from typing import Any

from pydantic import TypeAdapter

from wfl_sim.config.registry import Registry, describe
from wfl_sim.device_models import Hardware, catalogue
from wfl_sim.scenario.builtin_kinds import FAMILIES
from wfl_sim.scenario.scenario import Scenario

_FILE_KIND = r"\.py:\w+$"


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a scenario with all registered kinds."""
    scenario = TypeAdapter(Scenario).json_schema()
    definitions: dict[str, Any] = scenario.pop("$defs", {})
    for registry in FAMILIES:
        definitions[registry.family] = {"anyOf": _kinds(registry, definitions)}
    definitions["hardware"] = _hardware(definitions)
    scenario["patternProperties"] = {rf"^({'|'.join(scenario['properties'])})\.": True}
    overrides = {
        "type": "object",
        "properties": dict(scenario["properties"]),
        "patternProperties": scenario["patternProperties"],
    }
    definitions["overrides"] = overrides
    scenario["properties"]["extends"] = {"type": "string", "description": "a file to build on"}
    scenario["properties"]["sweep"] = {
        "type": "object",
        "description": "runs every variant with every value and every seed",
        "properties": {
            "variants": {
                "type": "object",
                "description": "name of a variant to its overrides",
                "additionalProperties": {
                    "anyOf": [{"$ref": "#/$defs/overrides"}, {"type": "null"}]
                },
            },
            "grid": _axes("every value with every value of the other paths"),
            "zip": _axes("the first values together, then the second ones, and so on"),
            "seeds": {
                "anyOf": [
                    {"type": "array", "items": {"type": "integer", "minimum": 0}},
                    {"type": "string", "description": "such as 1..5 or 1,4,7..9"},
                ]
            },
        },
    }
    linked: dict[str, Any] = _linked({**scenario, "$defs": definitions})
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **linked}


def _axes(description: str) -> dict[str, Any]:
    return {
        "type": "object",
        "description": f"path to a list of values: {description}",
        "additionalProperties": {"type": "array", "minItems": 1},
    }


def _kinds(registry: Registry[Any], definitions: dict[str, Any]) -> list[dict[str, Any]]:
    choices: list[dict[str, Any]] = []
    for name, cls in registry.kinds().items():
        options = _options(cls, definitions)
        if not options.pop("required", None):
            choices.append({"const": name, "description": describe(cls)})
        options["properties"] = {"kind": {"const": name}} | options.get("properties", {})
        choices.append({**options, "description": describe(cls)})
    file = {"type": "string", "pattern": _FILE_KIND}
    mapping = {
        "type": "object",
        "properties": {"kind": file},
        "required": ["kind"],
        "additionalProperties": True,
    }
    return [*choices, {**file, "description": "a class in a Python file"}, mapping]


def _hardware(definitions: dict[str, Any]) -> dict[str, Any]:
    options = _options(Hardware, definitions)
    names = sorted(catalogue())
    options["properties"] = {"base": {"enum": names}} | options["properties"]
    return {"anyOf": [{"enum": names}, {"type": "string", "pattern": r"\.ya?ml$"}, options]}


def _options(cls: type, definitions: dict[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = TypeAdapter(cls).json_schema()
    definitions.update(options.pop("$defs", {}))
    return options


def _linked(node: Any) -> Any:
    """Link the marks of `From` to their families, and let every mapping refuse unknown keys."""
    if isinstance(node, list):
        return [_linked(item) for item in node]
    if not isinstance(node, dict):
        return node
    if "x-family" in node:
        return {"$ref": f"#/$defs/{node['x-family']}"}
    linked = {key: _linked(value) for key, value in node.items()}
    if isinstance(linked.get("properties"), dict) and linked.get("type") == "object":
        linked.setdefault("additionalProperties", False)
        if linked["additionalProperties"] is False:
            linked.pop("required", None)
    return linked
