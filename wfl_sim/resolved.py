"""Resolved: a scenario as plain data again, complete with its defaults, fit to be run once more."""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, get_args, get_type_hints

from ruamel.yaml import YAML

from wfl_sim.registry import From, Registry
from wfl_sim.scenario import Scenario


def plain(scenario: Scenario) -> dict[str, Any]:
    """Return nested mappings and lists in SI units that load to an equal scenario."""
    return _fields(scenario)


def to_yaml(scenario: Scenario) -> str:
    """Return the scenario as YAML."""
    text = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.width = 4096
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.dump(plain(scenario), text)
    return text.getvalue()


def digest(scenario: Scenario) -> str:
    """Return 8 hexadecimal digits that name the scenario, wherever and however it is executed."""
    world = {key: value for key, value in plain(scenario).items() if key != "execution"}
    text = json.dumps(world, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _fields(component: Any) -> dict[str, Any]:
    hints = get_type_hints(type(component), include_extras=True)
    values = {}
    for field in fields(component):
        value = getattr(component, field.name)
        if field.init and not (value is None and field.default is None):
            values[field.name] = _value(value, _registry(hints[field.name]))
    return values


def _value(value: Any, registry: Registry[Any] | None) -> Any:
    if is_dataclass(value):
        kind = {"kind": registry.name_of(value)} if registry else {}
        return {**kind, **_fields(value)}
    if isinstance(value, Mapping):
        return {key: _value(item, registry) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_value(item, registry) for item in value]
    return value


def _registry(hint: Any) -> Registry[Any] | None:
    """Return the registry that a field's annotation names, also for items and below ``| None``."""
    for part in (hint, *get_args(hint)):
        for mark in getattr(part, "__metadata__", ()):
            if isinstance(mark, From):
                return mark.registry
    return None
