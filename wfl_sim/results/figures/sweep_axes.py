"""Axes of a sweep, and its runs as lines of points along one of them."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from wfl_sim.config.sweep import Coordinate, short_names
from wfl_sim.results.comparison import is_number
from wfl_sim.results.figures.style import scale
from wfl_sim.results.run import Run
from wfl_sim.results.statistics import Estimate, by_label, estimate

VARIANT: Final = "variant"
"""The axis of named overrides."""

RunValue = Callable[[Run], float | None]
"""A number of a run; None if the run does not have it."""


@dataclass(frozen=True)
class LinePoint:
    """The runs of one point of a sweep, which differ in their seed."""

    text: str
    """The value along the axis, as written; empty if there is no axis."""
    x: float
    """The value in the unit of the axis, or its rank of appearance if values are texts."""
    runs: tuple[Run, ...]

    def estimate(self, quantity: RunValue) -> Estimate:
        """Return the mean of a quantity over the seeds that have it; NaN if none has."""
        found = {run.seed: quantity(run) for run in self.runs}
        return estimate({seed: value for seed, value in found.items() if value is not None})


@dataclass(frozen=True)
class SweepLine:
    """Points along one axis, in the order of their values."""

    label: str
    points: tuple[LinePoint, ...]


@dataclass(frozen=True)
class Axis:
    """One axis of a sweep."""

    name: str
    """The shortest end of the path that distinguishes it from the other axes."""
    unit: str
    """Unit of the numbers on the axis; empty if they have none."""
    numeric: bool

    @property
    def title(self) -> str:
        """The name as it is written in a figure, with its unit."""
        name = self.name.replace("_", " ")
        return f"{name} ({self.unit})" if self.unit else name


def axes(runs: Sequence[Run]) -> dict[str, list[str]]:
    """Return the paths along which runs differ, each with its values in order of appearance."""
    values: dict[str, list[str]] = {}
    for run in runs:
        for path, coordinate in run.point.items():
            if coordinate.written not in values.setdefault(path, []):
                values[path].append(coordinate.written)
    everywhere = {path for path in values if all(path in run.point for run in runs)}
    return {path: each for path, each in values.items() if path in everywhere and len(each) > 1}


def shown_axes(runs: Sequence[Run]) -> list[str]:
    """Return the axes along which to draw: those of numbers, or else those of texts.

    Of axes whose values come in fixed pairs, as those of `zip` do, the first is taken. There is
    none if runs differ in more than their common axes.
    """
    found = list(axes(runs)) if _told_apart(runs) else []
    first = [p for n, p in enumerate(found) if not any(_paired(runs, p, q) for q in found[:n])]
    return [path for path in first if is_number(runs, path)] or first


def main_axis(runs: Sequence[Run]) -> str | None:
    """Return the numeric axis with the most values; None if there is no numeric axis to draw."""
    found = axes(runs)
    numeric = [path for path in shown_axes(runs) if is_number(runs, path)]
    return max(numeric, key=lambda path: len(found[path]), default=None)


def lines(runs: Sequence[Run], path: str | None) -> tuple[Axis | None, list[SweepLine]]:
    """Return the lines along an axis, labelled by their values along the other axes.

    Without an axis every label is a line of one point.

    Raises:
        ValueError: There are no runs, or a label has a seed twice.
    """
    groups = by_label(runs)
    if path is None:
        return None, [
            SweepLine(label, (LinePoint("", 0.0, tuple(members)),))
            for label, members in groups.items()
        ]
    names = short_names(list(axes(runs)))
    axis, values = _axis(runs, path, names.get(path, path))
    found: dict[str, list[LinePoint]] = {}
    for members in groups.values():
        coordinates = members[0].point
        text = coordinates[path].written
        point = LinePoint(text, values[text], tuple(members))
        found.setdefault(_label(runs, coordinates, path, names), []).append(point)
    return axis, [
        SweepLine(label, tuple(sorted(points, key=lambda point: point.x)))
        for label, points in found.items()
    ]


def _label(
    runs: Sequence[Run], coordinates: dict[str, Coordinate], path: str, names: dict[str, str]
) -> str:
    """Return the values of a point along the axes other than `path`, in words."""
    seen, words = [path], []
    for each in sorted(coordinates, key=lambda path: path != VARIANT):
        if each in names and not any(_paired(runs, each, other) for other in seen):
            written = coordinates[each].written
            words.append(written if each == VARIANT else f"{names[each]}={written}")
            seen.append(each)
    return " ".join(words)


def _paired(runs: Sequence[Run], one: str, other: str) -> bool:
    """Return whether each value of one axis comes with one of the other, as rows of `zip` do."""
    if VARIANT in (one, other):
        return one == other
    pairs = {(run.point[one].written, run.point[other].written) for run in runs}
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def _told_apart(runs: Sequence[Run]) -> bool:
    """Return whether points that differ at all differ along an axis that all runs have."""
    common, labels = axes(runs), by_label(runs)
    points = {tuple(of[0].point[path].written for path in common) for of in labels.values()}
    return len(points) == len(labels)


def _axis(runs: Sequence[Run], path: str, name: str) -> tuple[Axis, dict[str, float]]:
    """Return an axis and the position of every value on it."""
    points = {run.point[path].written: run.point[path] for run in runs}
    if not is_number(runs, path):
        return Axis(name, "", False), {text: float(i) for i, text in enumerate(points)}
    # As written where all values are in one unit, so that dBm stay dBm.
    split = {text: re.fullmatch(r"\s*([-+.\deE_]+)\s*(\S*)\s*", text) for text in points}
    units = {found[2] for found in split.values() if found}
    if all(split.values()) and len(units) == 1:
        unit = units.pop()
        numbers = {text: float(found[1]) for text, found in split.items() if found}
        if unit or not any(point.unit for point in points.values()):
            return Axis(name, unit, True), numbers
    factor, unit = scale(
        max(abs(float(point.value)) for point in points.values()), next(iter(points.values())).unit
    )
    return Axis(name, unit, True), {t: factor * float(p.value) for t, p in points.items()}
