"""Grams of CO2 of the energy drawn, from the carbon intensity of the grid over time."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final

import numpy as np

from wfl_sim.config.csv_tables import StepTrace, read_lines, read_steps
from wfl_sim.config.documents import shown
from wfl_sim.config.fields import FilePath
from wfl_sim.records import Span

_JOULES_OF_A_KWH = 3.6e6
_GRAMS: Final = re.compile(r"\bg\s*(CO\S{0,4})?\s*/\s*kWh", re.IGNORECASE)
_OTHER_UNIT: Final = re.compile(r"/\s*[kMG]?Wh", re.IGNORECASE)


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
        try:
            amount = float(number)
        except ValueError:
            raise ValueError(f"must be a number, got {number or 'nothing'!r}") from None
        if not 0 <= amount < float("inf"):
            raise ValueError(f"must be at least 0 g/kWh, got {number}")
        return amount


@dataclass(frozen=True, kw_only=True)
class CarbonIntensity:
    """Intensity over time: a CSV file with the columns start (h), end (h), intensity (g/kWh).

    Or a table as operators of grids publish it: times of ISO 8601 in the first column, the first of
    which is 0 s of the run, and a column in g/kWh, which `column` names where there are several.
    """

    path: Annotated[str, FilePath()]
    column: str | None = None

    def __post_init__(self) -> None:
        _ = self.steps

    @cached_property
    def steps(self) -> StepTrace:
        """The intensity in g/kWh; it repeats."""
        file = Path(self.path)
        header = read_lines(file)[1][0][1]
        if self.column is None and any(cell.strip().startswith("start") for cell in header):
            return read_steps(file, "intensity", Intensity())
        return _dated(file, self.column)

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
        return total / (end - start) if start < end else self.steps.at(start)[0]


def _dated(file: Path, column: str | None) -> StepTrace:
    _, ((first, header), *body) = read_lines(file)
    names = [cell.strip() for cell in header]
    in_grams = [name for name in names if _GRAMS.search(name)]
    wanted = [column] if column is not None else in_grams
    if len(wanted) != 1 or names.count(wanted[0]) != 1:
        raise ValueError(
            f"{file.name}:{first}: needs the columns start, end, intensity (g/kWh), or times in "
            f"the first column and one of g/kWh (with several, `column` names one): header is "
            f"{shown(', '.join(names))}"
        )
    place = names.index(wanted[0])
    if _OTHER_UNIT.search(wanted[0]) and wanted[0] not in in_grams:
        raise ValueError(f"{file.name}:{first}: {shown(wanted[0])} must be in g/kWh")
    starts: list[float] = []
    values: list[float] = []
    for line, row in body:
        try:
            moment = datetime.fromisoformat(row[0].strip())
            value = Intensity().parse(f"{row[place] if place < len(row) else ''} g/kWh")
        except ValueError as error:
            raise ValueError(f"{file.name}:{line}: {error}") from None
        starts.append((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
        values.append(value)
        step = starts[1] - starts[0] if len(starts) > 1 else 1.0
        if len(starts) > 1 and (step <= 0 or starts[-1] - starts[-2] != step):
            raise ValueError(
                f"{file.name}:{line}: must begin {step:g} s after the row before, as the second "
                f"row does, got {starts[-1] - starts[-2]:g} s (is a row missing, or is it the hour "
                "of a clock that was changed? Times in UTC have none)"
            )
    if len(starts) < 2:
        raise ValueError(f"{file.name}: must have at least two rows")
    step = starts[1] - starts[0]
    ends = step * np.arange(1.0, len(starts) + 1.0, dtype=np.float64)
    return StepTrace(ends, np.array(values, dtype=np.float64))
