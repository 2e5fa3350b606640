"""Schema: the JSON Schema of scenario files, by which editors complete keys and mark mistakes."""

from typing import Any

from pydantic import TypeAdapter

from wfl_sim import protocols
from wfl_sim.registry import Registry, describe
from wfl_sim.scenario import Scenario


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a scenario with all registered kinds."""
    schema = TypeAdapter(Scenario).json_schema()
    definitions: dict[str, Any] = schema.setdefault("$defs", {})
    for registry in families():
        definitions[registry.family] = {"anyOf": _kinds(registry, definitions)}
    schema["properties"]["extends"] = {"type": "string", "description": "a file to build on"}
    schema["properties"]["sweep"] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "variants": {"type": "object", "description": "name of a variant to its overrides"},
            "seeds": {"type": "array", "items": {"type": "integer"}},
        },
    }
    # What `extends` and `sweep` bring need not stand in the file.
    schema.pop("required", None)
    linked: dict[str, Any] = _linked(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **linked}


def families() -> list[Registry[Any]]:
    """Return every registry of `wfl_sim.protocols`, by family name."""
    found = [each for each in vars(protocols).values() if isinstance(each, Registry)]
    return sorted(found, key=lambda registry: registry.family)


def _kinds(registry: Registry[Any], definitions: dict[str, Any]) -> list[dict[str, Any]]:
    choices: list[dict[str, Any]] = []
    for name, cls in registry.kinds().items():
        options = TypeAdapter(cls).json_schema()
        definitions.update(options.pop("$defs", {}))
        options["properties"] = {"kind": {"const": name}} | options.get("properties", {})
        options["description"] = describe(cls)
        if not options.get("required"):
            choices.append({"const": name})
        choices.append(options)
    return choices


def _linked(node: Any) -> Any:
    """Replace every mark that `From` left by a reference to the family's definition."""
    if isinstance(node, dict):
        if "x-family" in node:
            return {"$ref": f"#/$defs/{node['x-family']}"}
        return {key: _linked(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_linked(item) for item in node]
    return node
