"""Shorthand: one value where a mapping could stand, such as ``battery: 20 Wh``."""

from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic_core import CoreSchema


@dataclass(frozen=True)
class Shorthand:
    """Annotation of a dataclass field: a bare value is taken as the dataclass's field `name`."""

    name: str

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> "CoreSchema":
        from pydantic_core import core_schema

        return core_schema.no_info_before_validator_function(self._spelt_out, handler(source))

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        return {"anyOf": [{"type": ["number", "string"]}, handler(core)]}

    def _spelt_out(self, value: Any) -> Any:
        if value is None or isinstance(value, (Mapping, list)) or is_dataclass(value):
            return value
        return {self.name: value}
