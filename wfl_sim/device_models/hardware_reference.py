"""How a scenario names hardware: the shipped catalogue, a file of one's own, or a mapping."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wfl_sim.config.documents import read_yaml, resolve_path, shown
from wfl_sim.config.errors import LocatedError, NestedError, did_you_mean
from wfl_sim.config.fields import with_bare_as
from wfl_sim.device_models.hardware import Hardware

if TYPE_CHECKING:
    from pydantic_core import CoreSchema


@dataclass(frozen=True)
class HardwareReference:
    """Annotation of a hardware field.

    A value is a name of the catalogue, a path to a YAML file beside the scenario, or a mapping of
    `Hardware` fields in which ``base: name`` takes the rest from the catalogue.
    """

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> "CoreSchema":
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(self._validate)

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        # scenario/json_schema.py replaces this mark by a reference to its definition of hardware.
        return {"x-family": "hardware"}

    def resolve(self, name: str) -> Hardware:
        """Return a piece of hardware of the catalogue.

        Raises:
            ValueError: no such name.
        """
        known = catalogue()
        if name not in known:
            raise ValueError(f"unknown hardware {name!r}{did_you_mean(name, list(known))}")
        return _from_catalogue(known[name])

    def _validate(self, value: Any) -> Hardware:
        if isinstance(value, Hardware):
            return value
        if isinstance(value, str) and value.endswith((".yaml", ".yml")):
            return _from_file(resolve_path(value))
        if isinstance(value, str):
            return self.resolve(value)
        if not isinstance(value, Mapping):
            raise ValueError(f"must be a name, a .yaml file or a mapping, got {value!r}")
        options = dict(with_bare_as("base", value))
        base = options.pop("base", None)
        if base is None:
            return _from_mapping(options)
        known = catalogue()
        if not isinstance(base, str) or base not in known:
            raise LocatedError(
                f"unknown hardware {shown(base)}{did_you_mean(str(base)[:60], list(known))}", "base"
            )
        return _from_mapping({"name": base, **read_yaml(known[base]).data, **options})


def catalogue() -> dict[str, Path]:
    """Return the shipped hardware descriptions: name to file."""
    folder = Path(str(files("wfl_sim.device_models") / "hardware_catalogue"))
    return {file.stem: file for file in sorted(folder.glob("*.yaml"))}


@cache
def _from_catalogue(file: Path) -> Hardware:
    return _from_mapping({**read_yaml(file).data, "name": file.stem})


def _from_file(file: Path) -> Hardware:
    from pydantic import ValidationError

    from wfl_sim.config.error_messages import first_error
    from wfl_sim.config.validation import validate

    document = read_yaml(file)
    data = {"name": file.stem, **document.data}
    try:
        return validate(Hardware, data)
    except ValidationError as error:
        raise document.error(*first_error(error, data, Hardware)) from None


def _from_mapping(options: Mapping[str, Any]) -> Hardware:
    from pydantic import ValidationError

    from wfl_sim.config.validation import validate

    try:
        return validate(Hardware, options)
    except ValidationError as error:
        raise NestedError(error, Hardware) from None
