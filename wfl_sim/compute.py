"""Compute: seconds and watts of training on a named piece of hardware."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from channel_models.units import (
    Fraction,
    PositiveBytes,
    PositiveFlopsPerSecond,
    PositiveWatt,
    Seconds,
    Watt,
)
from wfl_sim.documents import read_yaml
from wfl_sim.registry import LocatedError, NestedError, did_you_mean
from wfl_sim.written import anchored

if TYPE_CHECKING:
    from pydantic_core import CoreSchema


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """What a device computes with, and the power it draws in each state.

    Board power is `idle_power` always, plus what the activity adds: `compute_power` while training,
    the transmit power over `amplifier_efficiency` plus `transmit_circuit_power` while on the air,
    `receive_power` while receiving.
    """

    name: str
    peak: PositiveFlopsPerSecond
    """at the precision of training"""
    utilisation: Fraction
    """share of the peak that training reaches"""
    step_overhead: Seconds = 0.0
    """seconds per optimiser step beyond the arithmetic: launches, data loading"""
    memory: PositiveBytes
    """what a process may use"""
    idle_power: Watt
    compute_power: PositiveWatt
    """added to idle_power under training load"""
    receive_power: PositiveWatt
    transmit_circuit_power: Watt
    amplifier_efficiency: Fraction
    source: str
    """where the values come from, and how sure they are"""

    def __post_init__(self) -> None:
        for name in ("utilisation", "amplifier_efficiency"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be greater than 0, got {getattr(self, name)}")

    def seconds(self, flops: float, steps: int = 0) -> float:
        """Return the time of so many floating-point operations in so many optimiser steps, in s."""
        return flops / (self.peak * self.utilisation) + steps * self.step_overhead

    def transmit_power(self, radiated: float) -> float:
        """Return the W drawn beyond idle while radiating so many W."""
        return radiated / self.amplifier_efficiency + self.transmit_circuit_power


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
        # wfl_sim.schema replaces this mark by a reference to its definition of hardware.
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
            return _from_file(anchored(value))
        if isinstance(value, str):
            return self.resolve(value)
        if not isinstance(value, Mapping):
            raise ValueError(f"must be a name, a .yaml file or a mapping, got {value!r}")
        options = dict(value)
        base = options.pop("base", None)
        if base is None:
            return _from_mapping(options)
        known = catalogue()
        if base not in known:
            raise LocatedError(
                f"unknown hardware {base!r}{did_you_mean(str(base), list(known))}", "base"
            )
        return _from_mapping({"name": base, **read_yaml(known[base]).data, **options})


def catalogue() -> dict[str, Path]:
    """Return the shipped hardware descriptions: name to file."""
    folder = Path(str(files("wfl_sim") / "hardware"))
    return {file.stem: file for file in sorted(folder.glob("*.yaml"))}


@cache
def _from_catalogue(file: Path) -> Hardware:
    return _from_mapping({**read_yaml(file).data, "name": file.stem})


def _from_file(file: Path) -> Hardware:
    from pydantic import ValidationError

    from wfl_sim.checking import checked
    from wfl_sim.complaints import first_complaint

    document = read_yaml(file)
    data = {"name": file.stem, **document.data}
    try:
        return checked(Hardware, data)
    except ValidationError as error:
        raise document.error(*first_complaint(error, data, Hardware)) from None


def _from_mapping(options: Mapping[str, Any]) -> Hardware:
    from pydantic import ValidationError

    from wfl_sim.checking import checked

    try:
        return checked(Hardware, options)
    except ValidationError as error:
        raise NestedError(error, Hardware) from None
