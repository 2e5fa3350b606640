"""Comparison: the goal that runs are compared by, and a table with a row for each run."""

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import pyarrow as pa

from wfl_sim.config.errors import counted, one_line
from wfl_sim.records import Scope
from wfl_sim.results.manifest import check_totals
from wfl_sim.results.overview import mixtures, unequal_seeds
from wfl_sim.results.run import Run
from wfl_sim.results.series import Crossing, crossing
from wfl_sim.results.statistics import default_target, is_falling
from wfl_sim.results.sweep import Sweep
from wfl_sim.results.tables import Column, table
from wfl_sim.results.totals import ENDS, FURTHER, further_totals, upload_counts

_TOTALS: Final = (
    Column("simulated_seconds", "float", "s"),
    Column("rounds", "int", "count"),
    Column("joules", "float", "J"),
    Column("bits_up", "int", "bit"),
    Column("bits_down", "int", "bit"),
    *(Column(name, "int", "count") for name in ENDS),
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
MADE: Final = (".png", ".svg", ".pdf", ".csv", ".html", ".tex")  # of files made of runs
_METRICS: Final = ("accuracy", "loss")
_SCOPES: Final[tuple[Scope, ...]] = ("personal_mean", "global", "personal_worst10")


@dataclass(frozen=True, kw_only=True)
class Goal:
    """The metric that runs are compared by, and the value of it that they should reach."""

    metric: str = "accuracy"
    scope: Scope = "personal_mean"
    target: float | None = None
    """Value of the metric to reach; None if no value is asked for."""
    falling: bool = False
    """Whether smaller values of the metric are better."""

    @property
    def whose(self) -> str:
        """The scope in words."""
        return self.scope.replace("_", " ")

    def is_measured(self, run: Run) -> bool:
        """Return whether a run has measured the metric."""
        return (self.metric, self.scope) in run.measured

    def final(self, run: Run) -> float:
        """Return the last value of the metric."""
        return run.final(self.metric, self.scope)

    def gaps(self, runs: Sequence[Run]) -> list[str]:
        """Return a line on the runs in which the metric ends without a finite value, if any."""
        found = [run for run in runs if self.is_measured(run)]
        named = Counter(run.label for run in found if not math.isfinite(self.final(run)))
        labels = ", ".join(f"{label} ({count})" for label, count in named.items())
        line = f"{self.metric}, {self.whose}: not finite at the end of {named.total()} of"
        return [f"{line} {counted(len(found), 'run')}: {labels}"] if named else []

    def unused(self, runs: Sequence[Run], target: float | None) -> list[str]:
        """Return a line where a target was given for a metric that no run has measured."""
        if target is None or any(map(self.is_measured, runs)):
            return []
        return [f"--target {target:g}: has no effect: no run has measured {self.metric}"]

    def reached(self, run: Run) -> Crossing | None:
        """Return when a run reached the target; None if it did not, or if there is no target."""
        if self.target is None or not self.is_measured(run):
            return None
        return crossing(run.series(self.metric, self.scope), self.target, falling=self.falling)


def origins(runs: Sequence[Run]) -> list[str]:
    """Return a line on the versions, and processors of training, in which runs differ, if any.

    One where labels have other seeds, as means over them differ in drops and data, too. And one
    for each label whose seeds are of different scenarios: means over them mix experiments.
    """
    found: dict[str, dict[str, None]] = {}
    for run in runs:
        versions, processor = (run.manifest.get(key, {}) for key in ("versions", "processor"))
        told = dict(versions) if isinstance(versions, dict) else {}
        if run.measured and isinstance(processor, dict) and "model" in processor:
            told["processor"] = processor["model"]
        for name, value in told.items():
            found.setdefault(str(name), {})[one_line(str(value))] = None
    mixed = [f"{name} {' and '.join(each)}" for name, each in found.items() if len(each) > 1]
    line = [f"runs differ in what they were made with, too: {'; '.join(mixed)}"] if mixed else []
    return [*line, *unequal_seeds(runs), *mixtures(runs)]


def is_number(runs: Sequence[Run], path: str) -> bool:
    """Return whether all runs have a number along an axis."""
    return all(path in run.point and not isinstance(run.point[path].value, str) for run in runs)


def compared(runs: Sequence[Run], goal: Goal) -> pa.Table:
    """Return one row for each run: its coordinates, its seed, and its results.

    Columns are those of `docs/results.md`: `run`, `label`, one for each axis, `seed`, totals, the
    joules of each component as `joules_<component>`, `further_totals`, the last value of each
    metric as `<metric>_<scope>`, and the costs to the target.

    Raises:
        ValueError: The manifest of a run lacks totals.
    """
    for run in runs:
        check_totals(run.manifest, run.folder)
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
    parts = sorted({name for run in runs for name in run.components})
    components = [Column(f"joules_{name}", "float", "J", optional=True) for name in parts]
    more = further_totals(runs)
    further = [
        Column(name, "float", unit or "1", optional=True)
        for name, (_, unit) in FURTHER.items()
        if any(name in each for each in more)
    ]
    columns = [*described, *_TOTALS, *components, *further, *finals, *_TO_TARGET]
    numbers = {column.name for column in described if column.kind == "float"}
    rows = [_row(run, goal, numbers) | each for run, each in zip(runs, more, strict=True)]
    values = {column.name: [row.get(column.name) for row in rows] for column in columns}
    return table(values, columns)


def open_runs(
    folders: Iterable[Path | str], passed: Callable[[str], None] = lambda _: None
) -> list[Run]:
    """Return the runs in run folders and in the folders of sweeps, in the order given.

    Args:
        folders: Of several, those of figures and tables of this tool are passed over.
        passed: Called with a line for each that is passed over, as a run that is there twice.

    Raises:
        ValueError: A folder is neither, is damaged, or is a sweep of which no run has ended.
    """
    runs: list[Run] = []
    given = [*map(Path, folders)]
    for folder in given:
        if len(given) > 1 and _holds_figures(folder):
            passed(f"{folder}: figures and tables, no run: passed over")
        elif not Sweep.is_one(folder):
            runs.append(Run.open(folder))
        else:
            sweep = Sweep.open(folder)
            if not (ended := sweep.runs()):
                raise ValueError(f"{folder}: no run of this sweep has ended yet")
            if missing := len(sweep.missing):
                passed(f"{folder}: {missing} of {counted(len(sweep.planned), 'run')} not ended")
            runs += ended
    first: dict[str, Run] = {}
    for run in runs:
        same = first.setdefault(f"{run.manifest.get('inputs', run.folder)} {run.label}", run)
        if same is not run:
            passed(f"{run.folder}: the same run as {same.folder}: passed over")
    return [*first.values()]


def _holds_figures(path: Path) -> bool:
    """Return whether something beside run folders was made of them, as figures and tables are."""
    if not path.is_dir():
        return path.is_file() and path.suffix in MADE
    run = any((path / name).exists() for name in ("manifest.json", "sweep.json", "scenario.yaml"))
    return not run and any(each.suffix in MADE for each in path.iterdir())


def choose_goal(
    runs: Sequence[Run], metric: str = "", scope: str = "", target: float | None = None
) -> Goal:
    """Return the goal of a comparison, chosen from what all runs have measured.

    Args:
        runs: Runs to compare.
        metric: Name of the metric; unless given accuracy, else loss, else the first by name, of
            those that moved in any run (a language model may give no exact answer at all).
        scope: Scope of the metric; the mean of the personal models unless given, else the shared
            model.
        target: Value to reach; `default_target` unless given.

    Raises:
        ValueError: No run has measured such a metric, or there is no such scope.
    """
    every = [set(run.measured) for run in runs if run.measured]
    shared = set.intersection(*every) if every else set()
    known = sorted({name for pairs in every for name, _ in pairs})
    if metric and metric not in known:
        measured = ", ".join(known) or "nothing"
        raise ValueError(f"no run has a metric {metric!r}; measured: {measured}")
    if scope and scope not in _SCOPES:
        raise ValueError(f"scope must be one of {', '.join(_SCOPES)}, got {scope!r}")
    moved = shared if metric else {pair for pair in shared if _moves(runs, pair[0])}
    chosen = preferred(moved or shared, metric, scope)
    if chosen is None:
        scopes = [each for each in _SCOPES if scope in ("", each)]
        return Goal(metric=metric or _METRICS[0], scope=scopes[0])
    if target is None:
        trained = [run for run in runs if run.measured]
        target = default_target(trained, *chosen)
    return Goal(metric=chosen[0], scope=chosen[1], target=target, falling=is_falling(chosen[0]))


def _moves(runs: Sequence[Run], metric: str) -> bool:
    """Whether a metric of models took two values in one of the runs."""
    for run in runs:
        rows = run.metric_arrays
        mine = (rows["metric"] == metric) & np.isfinite(rows["value"])
        for scope in _SCOPES:
            if np.unique(rows["value"][mine & (rows["scope"] == scope)]).size > 1:
                return True
    return False


def preferred(
    pairs: Collection[tuple[str, str]], metric: str = "", scope: str = ""
) -> tuple[str, Scope] | None:
    """Return the metric and scope to follow unless told otherwise; None if there is none."""
    names = [metric] if metric else [*_METRICS, *sorted({name for name, _ in pairs})]
    scopes = [each for each in _SCOPES if scope in ("", each)]
    return next(((m, s) for m in names for s in scopes if (m, s) in pairs), None)


def _axis_columns(runs: Sequence[Run]) -> list[Column]:
    """Return a column for each path in which runs of a sweep may differ."""
    units: dict[str, str] = {}
    for run in runs:
        for path, coordinate in run.point.items():
            units.setdefault(path, coordinate.unit)
    return [
        Column(_column(path), "float", unit or "1", optional=True)
        if is_number(runs, path)
        else Column(_column(path), "text", "name", optional=True)
        for path, unit in units.items()
    ]


def _column(path: str) -> str:
    """Return the name of the column of an axis: `rounds` alone is that of a total."""
    return f"scenario.{path}" if any(path == each.name for each in _TOTALS) else path


def _row(run: Run, goal: Goal, numbers: Collection[str]) -> dict[str, Any]:
    manifest, reached = run.manifest, goal.reached(run)
    row = {
        "run": run.folder.name,
        "label": run.label,
        **{
            _column(path): coordinate.value if _column(path) in numbers else coordinate.written
            for path, coordinate in run.point.items()
        },
        "seed": run.seed,
        "simulated_seconds": run.seconds,
        "rounds": run.rounds,
        "joules": run.joules,
        "bits_up": int(manifest["bits"]["sent_up"]),
        "bits_down": int(manifest["bits"]["sent_down"]),
        **upload_counts(run),
        **{f"joules_{name}": joules for name, joules in run.components.items()},
        "tasks_executed": int(manifest["tasks_executed"]),
        "host_seconds": float(sum(manifest["host_seconds"].values())),
        "target": goal.target if goal.is_measured(run) else None,
    }
    for metric, scope in run.measured:
        if scope != "device":
            row[f"{metric}_{scope}"] = run.final(metric, cast(Scope, scope))
    if reached is not None:
        row |= {
            "seconds_to_target": reached.time,
            "rounds_to_target": reached.rounds,
            "joules_to_target": reached.joules,
            "bits_to_target": reached.bits,
        }
    return row
