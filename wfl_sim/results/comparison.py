"""Comparison: one table over runs, a row for each."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa

from wfl_sim.records import Scope
from wfl_sim.results.columns import Column, table
from wfl_sim.results.run import Run
from wfl_sim.results.series import crossing

_TOTALS: Final = (
    Column("simulated_seconds", "float", "s"),
    Column("rounds", "int", "count"),
    Column("joules", "float", "J"),
    Column("bits_up", "int", "bit"),
    Column("bits_down", "int", "bit"),
    Column("tasks_executed", "int", "count"),
    Column("host_seconds", "float", "s"),
)
_TO_TARGET: Final = (
    Column("target", "float", "of the metric", optional=True),
    Column("seconds_to_target", "float", "s", optional=True),
    Column("rounds_to_target", "int", "count", optional=True),
    Column("joules_to_target", "float", "J", optional=True),
    Column("bits_to_target", "int", "bit", optional=True),
)


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What counts as good enough."""

    metric: str = "accuracy"
    scope: Scope = "personal_mean"
    target: float | None = None
    """value of the metric; without one nothing is reached"""
    falling: bool = False
    """whether the metric gets better downwards"""


def axes(runs: Sequence[Run]) -> dict[str, str]:
    """Return the paths in which runs of a sweep may differ, each with its unit; empty for texts."""
    found: dict[str, str] = {}
    for run in runs:
        for path, coordinate in run.point.items():
            number = not isinstance(coordinate.value, str)
            found.setdefault(path, coordinate.unit if number else "")
    return found


def is_number(runs: Sequence[Run], path: str) -> bool:
    """Return whether all runs have a number along an axis."""
    return all(path in run.point and not isinstance(run.point[path].value, str) for run in runs)


def compared(runs: Sequence[Run], goal: Goal) -> pa.Table:
    """Return one row for each run: where it lies, its seed, and what it came to.

    Columns are those of `docs/results.md`: `run`, `label`, one for each axis, `seed`, totals, the
    last value of each metric as `<metric>_<scope>`, and the costs to the target.
    """
    described = [
        Column("run", "text", "name"),
        Column("label", "text", "name"),
        *_axis_columns(runs),
        Column("seed", "int", "index"),
    ]
    pairs = sorted({pair for run in runs for pair in run.measured if pair[1] != "device"})
    finals = [
        Column(f"{metric}_{scope}", "float", "of the metric", optional=True)
        for metric, scope in pairs
    ]
    columns = [*described, *_TOTALS, *finals, *_TO_TARGET]
    numbers = {column.name for column in described if column.kind == "float"}
    rows = [_row(run, goal, pairs, numbers) for run in runs]
    values = {column.name: [row.get(column.name) for row in rows] for column in columns}
    return table(values, columns)


def _axis_columns(runs: Sequence[Run]) -> list[Column]:
    return [
        Column(path, "float", unit or "1", optional=True)
        if is_number(runs, path)
        else Column(path, "text", "name", optional=True)
        for path, unit in axes(runs).items()
    ]


def _row(
    run: Run, goal: Goal, pairs: Sequence[tuple[str, str]], numbers: Collection[str]
) -> dict[str, Any]:
    manifest = run.manifest
    finals = {
        f"{metric}_{scope}": float(run.series(metric, scope).value[-1])  # type: ignore[arg-type]
        for metric, scope in pairs
        if (metric, scope) in run.measured
    }
    return {
        "run": run.folder.name,
        "label": run.label,
        **{
            path: coordinate.value if path in numbers else coordinate.written
            for path, coordinate in run.point.items()
        },
        "seed": run.seed,
        "simulated_seconds": float(manifest["simulated_seconds"]),
        "rounds": run.rounds,
        "joules": run.joules,
        "bits_up": int(manifest["bits"]["sent_up"]),
        "bits_down": int(manifest["bits"]["sent_down"]),
        "tasks_executed": int(manifest["tasks_executed"]),
        "host_seconds": float(sum(manifest["host_seconds"].values())),
        **finals,
        **_to_target(run, goal),
    }


def _to_target(run: Run, goal: Goal) -> dict[str, Any]:
    if goal.target is None or (goal.metric, goal.scope) not in run.measured:
        return {}
    series = run.series(goal.metric, goal.scope)
    reached = crossing(series, goal.target, falling=goal.falling)
    if reached is None:
        return {"target": goal.target}
    return {
        "target": goal.target,
        "seconds_to_target": reached.time,
        "rounds_to_target": reached.rounds,
        "joules_to_target": reached.joules,
        "bits_to_target": reached.bits,
    }
