"""Hardware of a device: speed, memory, and power in each state."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from channel_models.units import (
    Fraction,
    PositiveBytes,
    PositiveBytesPerSecond,
    PositiveFlopsPerSecond,
    PositiveWatt,
    Seconds,
    Watt,
)
from wfl_sim.config.errors import LocatedError
from wfl_sim.device_models.frequency import Dvfs
from wfl_sim.device_models.thermal import ThermalModel

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
class Hardware:
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
    utilisation: Fraction
    """Share of the peak that training reaches."""
    utilisations: Mapping[Precision, Fraction] = field(default_factory=dict)
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
    amplifier_efficiency: Fraction
    dvfs: Dvfs | None = None
    thermal: ThermalModel | None = None
    source: str
    """Origin of the values, in one line."""
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    """Source and confidence of single values, by the name of the field."""

    def __post_init__(self) -> None:
        for name in ("utilisation", "amplifier_efficiency"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be greater than 0, got {getattr(self, name)}")
        if any(share <= 0 for share in self.utilisations.values()):
            raise LocatedError("must be greater than 0", "utilisations")
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
