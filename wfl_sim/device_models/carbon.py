"""Grams of CO2 of the energy drawn, from the carbon intensity of the grid over time."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

from wfl_sim.config.csv_tables import StepTrace, read_steps
from wfl_sim.config.fields import FilePath
from wfl_sim.records import Span

_JOULES_OF_A_KWH = 3.6e6


@dataclass(frozen=True)
class Intensity:
    """The unit of a trace's column: g CO2 per kWh, and nothing else."""

    symbol: str = "g/kWh"

    def parse(self, value: object) -> float:
        """Return the number in front of the unit."""
        text = str(value).strip()
        number = text.removesuffix(self.symbol).strip()
        if not text.endswith(self.symbol):
            raise ValueError(f"{text!r} is not in {self.symbol}")
        if not 0 <= float(number) < float("inf"):
            raise ValueError(f"must be at least 0 g/kWh, got {number}")
        return float(number)


@dataclass(frozen=True, kw_only=True)
class CarbonIntensity:
    """Intensity over time: a CSV file with the columns start, end, intensity (g/kWh)."""

    path: Annotated[str, FilePath()]

    def __post_init__(self) -> None:
        _ = self.steps

    @cached_property
    def steps(self) -> StepTrace:
        """The intensity in g/kWh; it repeats."""
        return read_steps(Path(self.path), "intensity", Intensity())

    def grams(self, spans: Sequence[Span]) -> float:
        """Return the g of CO2 of all spans, the power of each taken as constant over it."""
        return (
            sum(self._mean(s.start, s.end) * s.joules for s in spans if s.joules) / _JOULES_OF_A_KWH
        )

    def _mean(self, start: float, end: float) -> float:
        time, total = start, 0.0
        while time < end:
            value, until = self.steps.at(time)
            total += value * (min(until, end) - time)
            time = until
        return total / (end - start)
