"""Dataclasses from plain data, strictly: by their annotations, with the place of every problem."""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

from wfl_sim.config.contracts import check_fields
from wfl_sim.config.documents import Document

if TYPE_CHECKING:
    from pydantic_core import SchemaValidator

T = TypeVar("T")

_LARGEST_COUNT: Final = 2**31 - 1
_EXACT: Final = {"int", "float", "bool", "str"}


def validate(cls: type[T], data: Mapping[str, Any]) -> T:
    """Return an instance of the dataclass `cls`, built from plain data by its annotations.

    A number is a number and a truth value is none: pydantic's leniency (``"8"`` or ``true`` for 8)
    is switched off; unknown keys, infinities and integers beyond 32 bits are refused, unless an
    annotation has a bound of its own. Lists serve as tuples and mappings as dataclasses, as in
    YAML. A validator of an annotation, such as that of a unit, decides for itself.

    Raises:
        pydantic.ValidationError: with the location of every problem.
    """
    kind: Any = cls
    instance: T = _validator(kind).validate_python(data)
    return instance


def typed(cls: type[T], document: Document) -> T:
    """Return an instance of a dataclass, built from a document by its annotations.

    Raises:
        ScenarioError: something is wrong; the message says where it was written.
    """
    from pydantic import ValidationError

    from wfl_sim.config.error_messages import first_error

    try:
        return validate(cls, document.data)
    except ValidationError as error:
        raise document.error(*first_error(error, document.data, cls)) from None


@cache
def _validator(cls: Any) -> "SchemaValidator":
    from pydantic import PydanticUserError, TypeAdapter
    from pydantic_core import SchemaValidator

    try:
        return SchemaValidator(_strict(TypeAdapter(cls).core_schema))
    except (PydanticUserError, TypeError):  # the second of a type whose name is unknown
        check_fields(cls)
        raise


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
    if made.get("type") == "int":
        # More of anything that is counted would not fit into memory or time.
        made.setdefault("le", _LARGEST_COUNT)
    if made.get("type") == "float":
        made["allow_inf_nan"] = False
    if made.get("type") == "dataclass-args":
        made["extra_behavior"] = "forbid"
    return made
