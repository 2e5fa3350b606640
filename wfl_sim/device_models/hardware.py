"""Hardware of a device: speed, memory and power in each state; and how a scenario names it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from channel_models.units import (
    PositiveBytes,
    PositiveBytesPerSecond,
    PositiveFlopsPerSecond,
    PositiveFraction,
    PositiveWatt,
    Seconds,
    Watt,
)
from channel_models.validation import Validated
from wfl_sim.config.documents import read_yaml, resolve_path, shown
from wfl_sim.config.errors import LocatedError, NestedError, did_you_mean
from wfl_sim.config.fields import with_bare_as
from wfl_sim.device_models.frequency import Dvfs
from wfl_sim.device_models.thermal import ThermalModel

if TYPE_CHECKING:
    from pydantic_core import CoreSchema


Precision = Literal["fp32", "tf32", "fp16", "bf16", "int8"]
Confidence = Literal["high", "medium", "low"]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The origin of a value.

    The confidence is high for a data sheet or a measurement that one can look up, medium for what
    is derived from such or quoted second-hand, low for an assumption of wfl_sim.
    """

    source: str
    confidence: Confidence


@dataclass(frozen=True, kw_only=True)
class Hardware(Validated):
    """What a device computes with, and the power it draws in each state.

    Board power is `idle_power` always, plus what the activity adds: `compute_power` while training,
    the transmit power over `amplifier_efficiency` plus `transmit_circuit_power` while on the air,
    `receive_power` while receiving.
    """

    name: str
    peak: PositiveFlopsPerSecond
    """FLOP/s at the precision of training, unless the scenario names one of `peaks`."""
    peaks: Mapping[Precision, PositiveFlopsPerSecond] = field(default_factory=dict)
    """FLOP/s by precision of the arithmetic."""
    utilisation: PositiveFraction
    """Share of the peak that training reaches."""
    utilisations: Mapping[Precision, PositiveFraction] = field(default_factory=dict)
    """The same by precision of the arithmetic, where it is another."""
    bandwidth: PositiveBytesPerSecond | None = None
    """Bandwidth of the memory, a second bound on the speed; no bound where it is not given."""
    step_overhead: Seconds = 0.0
    """Seconds per optimiser step beyond the arithmetic: launches, data loading."""
    memory: PositiveBytes
    """Bytes that a process may use."""
    idle_power: Watt
    compute_power: PositiveWatt
    """Power in W that training adds to idle_power."""
    receive_power: PositiveWatt
    transmit_circuit_power: Watt
    amplifier_efficiency: PositiveFraction
    dvfs: Dvfs | None = None
    thermal: ThermalModel | None = None
    source: str
    """Origin of the values, in one line."""
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    """Source and confidence of single values, by the name of the field."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.thermal is not None and self.dvfs is None:
            raise LocatedError(
                "needs `dvfs`: without it a lower clock draws no less, and the board never cools",
                "thermal",
            )
        if self.dvfs is not None and self.dvfs.static_power > self.compute_power:
            raise LocatedError(
                f"must be at most compute_power {self.compute_power:g} W, got "
                f"{self.dvfs.static_power:g} W",
                "dvfs",
                "static_power",
            )

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
