"""Comparing: runs and sweeps side by side, as a table and as figures."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from wfl_sim.records import Scope
from wfl_sim.results import Goal, Run, Sweep, compared, write_table

_METRICS: Final = ("accuracy", "loss")
_SCOPES: Final[tuple[Scope, ...]] = ("personal_mean", "global", "personal_worst10")


def opened(folders: Iterable[Path | str]) -> list[Run]:
    """Return the runs in run folders and in the folders of sweeps, in the order given.

    Raises:
        ValueError: a folder is neither, is damaged, or is a sweep of which no run has ended.
    """
    runs: list[Run] = []
    for folder in map(Path, folders):
        if not Sweep.is_one(folder):
            runs.append(Run.open(folder))
        elif ended := Sweep.open(folder).runs():
            runs += ended
        else:
            raise ValueError(f"{folder}: no run of this sweep has ended yet")
    return runs


def goal_of(
    runs: Sequence[Run],
    metric: str = "",
    scope: str = "",
    target: float | None = None,
) -> Goal:
    """Return what runs are compared by, chosen from what all of them measured.

    Args:
        runs: to compare.
        metric: accuracy unless given, else loss, else the first in the alphabet.
        scope: the mean of the personal models unless given, else the shared model.
        target: that of `default_target` unless given.

    Raises:
        ValueError: no run has measured such a metric, or there is no such scope.
    """
    from wfl_sim.figures.targets import default_target, is_falling

    every = [set(run.measured) for run in runs if run.measured]
    shared = set.intersection(*every) if every else set()
    known = sorted({name for pairs in every for name, _ in pairs})
    if metric and metric not in known:
        measured = ", ".join(known) or "nothing"
        raise ValueError(f"no run has a metric {metric!r}; measured: {measured}")
    if scope and scope not in _SCOPES:
        raise ValueError(f"scope must be one of {', '.join(_SCOPES)}, got {scope!r}")
    names = [metric] if metric else [*_METRICS, *known]
    scopes = [each for each in _SCOPES if scope in ("", each)]
    chosen = next(((m, s) for m in names for s in scopes if (m, s) in shared), None)
    if chosen is None:
        return Goal(metric=names[0], scope=scopes[0])
    if target is None:
        trained = [run for run in runs if run.measured]
        target = default_target(trained, *chosen)
    return Goal(metric=chosen[0], scope=chosen[1], target=target, falling=is_falling(chosen[0]))


def compare(runs: Sequence[Run], goal: Goal, out: Path, *, figures: bool = True) -> list[Path]:
    """Write the table over runs as Parquet and CSV, and draw what they can be compared by.

    Returns:
        The paths of all files.

    Raises:
        ValueError: no runs, or a label holds a seed twice.
    """
    from wfl_sim.figures import draw_comparison
    from wfl_sim.figures.files import write_csv

    table = compared(runs, goal)
    out.mkdir(parents=True, exist_ok=True)
    rows = zip(*(table.column(name).to_pylist() for name in table.column_names), strict=True)
    paths = [
        write_table(out / "comparison.parquet", table),
        write_csv(out / "comparison.csv", table.column_names, rows),
    ]
    return [*paths, *(draw_comparison(runs, goal, out) if figures else ())]
