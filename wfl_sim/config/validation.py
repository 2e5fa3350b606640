"""Checking: plain data becomes a dataclass by its annotations, without guessing.

A number is a number and a truth value is none: pydantic's leniency (``"8"`` or ``true`` for 8) is
switched off; unknown keys are refused, and so are infinities. Lists serve as tuples and mappings as
dataclasses, as in YAML. A validator that an annotation brings along, such as a unit, decides for
itself.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter
from pydantic_core import SchemaValidator

T = TypeVar("T")

_EXACT = {"int", "float", "bool", "str"}


def validate(cls: type[T], data: Mapping[str, Any]) -> T:
    """Return an instance of the dataclass `cls`.

    Raises:
        pydantic.ValidationError: with the location of every problem.
    """
    kind: Any = cls
    instance: T = _validator(kind).validate_python(data)
    return instance


@cache
def _validator(cls: Any) -> SchemaValidator:
    return SchemaValidator(_strict(TypeAdapter(cls).core_schema))


def _decides_itself(schema: dict[str, Any]) -> bool:
    """Return whether a validator of an annotation reads a scalar, as that of a unit does."""
    function = str(schema.get("type")).startswith("function-")
    return function and schema.get("schema", {}).get("type") in (None, *_EXACT)


def _strict(schema: Any) -> Any:
    if isinstance(schema, (list, tuple)):
        return type(schema)(_strict(each) for each in schema)
    if not isinstance(schema, dict) or _decides_itself(schema):
        return schema
    # `config` would undo `extra_behavior` and `default` is data, not schema.
    made = {k: v if k in ("config", "default") else _strict(v) for k, v in schema.items()}
    if made.get("type") in _EXACT:
        made["strict"] = True
    if made.get("type") == "float":
        made["allow_inf_nan"] = False
    if made.get("type") == "dataclass-args":
        made["extra_behavior"] = "forbid"
    return made
