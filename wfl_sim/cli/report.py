"""Report in the terminal: progress while scenarios run, and tables at the end."""

import math
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from wfl_sim.config.documents import read_yaml
from wfl_sim.config.errors import did_you_mean
from wfl_sim.config.registry import describe
from wfl_sim.device_models import catalogue
from wfl_sim.results import Goal, Run, Sweep
from wfl_sim.scenario.json_schema import families
from wfl_sim.scenario.scenario import Scenario

_LINES: Final = 30.0
"""Seconds of the host between two lines with the simulated time, where no bar is shown."""


class Report:
    """Progress over all runs, and the closing table."""

    def __init__(self, scenarios: Sequence[Scenario]) -> None:
        self._scenarios = scenarios
        self._console = Console()
        self._shares = [0.0] * len(scenarios)
        self._ended = 0
        self._next_line = time.monotonic() + _LINES
        self._warned: set[str] = set()
        self._kept: set[int] = set()
        # A bar is for people; a log file gets one line for each run that has ended.
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task(self._description(), total=float(len(scenarios)))

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def progress(self, number: int, done: int, needed: int) -> None:
        """Note that a run has executed so many of its tasks."""
        self._shares[number] = done / needed
        self._bar.update(self._task, completed=sum(self._shares))

    def simulated(self, number: int, now: float) -> None:
        """Show the simulated time of a run: in the bar, and from time to time in a log."""
        self._bar.update(self._task, description=f"{self._description()}, {now:,.0f} s simulated")
        if not self._console.is_terminal and time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + _LINES
            name = self._scenarios[number].label or self._scenarios[number].name
            self._console.out(f"{name}: {now:,.0f} s simulated", highlight=False)

    def kept(self, number: int) -> None:
        """Note that a run had ended before."""
        self._kept.add(number)

    def warn(self, text: str) -> None:
        """Print a warning once."""
        # Without the figures in it: the runs of a sweep differ in those alone.
        kind = re.sub(r"\d[\d.]*", "", text)
        if kind not in self._warned:
            self._warned.add(kind)
            errors = Console(stderr=True)
            errors.print(f"warning: {text}", markup=False, highlight=False, soft_wrap=True)

    def follow(self, runs: Iterable[tuple[int, Path]]) -> Iterator[tuple[int, Path]]:
        """Pass finished runs through, noting each."""
        for number, folder in runs:
            self._ended += 1
            self.progress(number, 1, 1)
            self._bar.update(self._task, description=self._description())
            manifest = Run.open(folder).manifest
            host = sum(manifest["host_seconds"].values())
            how = f"in {host:.1f} s, {manifest['tasks_executed']} tasks executed"
            if manifest["tasks_executed"]:
                how += f" ({_executor(manifest['execution'])})"
            if number in self._kept:
                how = "there already"
            self._bar.console.print(
                f"[bold]{escape(str(folder))}[/]  {manifest['simulated_seconds']:.1f} simulated s "
                f"{how}",
                highlight=False,
                soft_wrap=True,
            )
            yield number, folder

    def close(self, folders: Sequence[Path], *, figures: bool) -> None:
        """Print the summary by label and draw the figures of all runs together."""
        runs = [Run.open(folder) for folder in folders]
        if all(("accuracy", "personal_mean") in run.measured for run in runs):
            self._console.print(_table(runs))
        if not figures:
            return
        from wfl_sim.results.figures import draw_all
        from wfl_sim.results.report import write_report

        name = self._scenarios[0].name
        single = folders[0] / "figures"
        folder = single if len(folders) == 1 else folders[0].parent / f"{name}-figures"
        self._name(draw_all(runs, folder))
        self._name([write_report(runs, folder / "report.html")])

    def compare(
        self,
        folders: Sequence[Path],
        out: Path,
        *,
        metric: str = "",
        scope: str = "",
        target: float | None = None,
        figures: bool = True,
    ) -> None:
        """Print the comparison of runs and sweeps, write its tables, and draw its figures.

        Raises:
            ValueError: a folder holds no runs, or no run has such a metric.
        """
        from wfl_sim.results.comparison import choose_goal, open_runs
        from wfl_sim.results.figures.comparison import compare
        from wfl_sim.results.report import write_report

        runs = open_runs(folders)
        goal = choose_goal(runs, metric, scope, target)
        for sweep in (Sweep.open(folder) for folder in folders if Sweep.is_one(folder)):
            if sweep.missing:
                planned = len(sweep.planned)
                self.warn(f"{sweep.folder}: {len(sweep.missing)} of {planned} runs have not ended")
        for table in _comparison(runs, goal):
            self._console.print(table)
        self._name(compare(runs, goal, out, figures=figures))
        if figures:
            self._name([write_report(runs, out / "report.html", metric=metric)])

    def _name(self, paths: Iterable[Path]) -> None:
        for path in paths:
            if path.suffix in (".png", ".parquet", ".html"):
                self._console.print(escape(str(path)), highlight=False, soft_wrap=True)

    def _description(self) -> str:
        count = len(self._scenarios)
        if not count:
            return ""
        return f"{self._scenarios[0].name}: {self._ended} of {count} run{'s' * (count > 1)}"


def _executor(how: Mapping[str, Any]) -> str:
    count = how.get("workers", 0)
    workers = f", {count} worker{'s' if count > 1 else ''}" if count else ""
    why = f": {how['why']}" if workers and "why" in how else ""
    return f"{how['executor']}{workers}{why}"


def _table(runs: Sequence[Run]) -> Table:
    from wfl_sim.results.figures import summary

    rows = summary(runs, "accuracy", "personal_mean")
    goal = "" if math.isnan(rows[0].target) else f", costs to reach {rows[0].target:g}"
    title = f"accuracy, personal mean{goal}"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("method")
    for name in ("seeds", "final", "reached", "rounds", "seconds", "joules", "Mbit"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row.label,
            str(row.seeds),
            _with_width(row.final, row.half_width),
            f"{row.reached}/{row.seeds}",
            *(_number(x) for x in (row.rounds, row.seconds, row.joules, row.mbit)),
        )
    return table


def _comparison(runs: Sequence[Run], goal: Goal) -> Iterator[Table]:
    """Yield means over seeds by label: of whole runs, and of what it took to reach the target."""
    from wfl_sim.results.figures import by_label, summary

    measured = [run for run in runs if (goal.metric, goal.scope) in run.measured]
    rows = summary(measured, goal.metric, goal.scope, goal.target) if measured else []
    finals = {row.label: row for row in rows}
    name = f"{goal.metric}, {goal.scope.replace('_', ' ')}" if measured else "network only"
    whole = _plain_table(f"whole runs: {name}", ("seeds", "final", "seconds", "joules", "Mbit"))
    for label, members in by_label(runs).items():
        final = finals.get(label)
        whole.add_row(
            escape(label),
            str(len(members)),
            "-" if final is None else _with_width(final.final, final.half_width),
            _number(_mean(float(run.manifest["simulated_seconds"]) for run in members)),
            _number(_mean(run.joules for run in members)),
            _number(_mean(run.bits / 1e6 for run in members)),
        )
    yield whole
    if rows and goal.target is not None:
        title = f"to reach {goal.metric} {goal.target:g}"
        table = _plain_table(title, ("reached", "rounds", "seconds", "joules", "Mbit"))
        for row in rows:
            costs = (row.rounds, row.seconds, row.joules, row.mbit)
            table.add_row(escape(row.label), f"{row.reached}/{row.seeds}", *map(_number, costs))
        yield table


def _with_width(mean: float, half_width: float) -> str:
    return f"{mean:.3f}" + ("" if math.isnan(half_width) else f" ± {half_width:.3f}")


def _plain_table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=f"\n{title}", title_justify="left", box=None, pad_edge=False)
    table.add_column("label", overflow="fold")
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _mean(values: Iterable[float]) -> float:
    given = list(values)
    return sum(given) / len(given)


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:,.1f}"


def show_kinds(family: str) -> None:
    """Print the kinds of every family, or of one.

    Raises:
        ValueError: no such family.
    """
    known = [registry.family for registry in families()]
    if family and family not in (*known, "hardware"):
        raise ValueError(f"unknown family {family!r}{did_you_mean(family, [*known, 'hardware'])}")
    rows = list(_kinds(family))
    console = Console()
    if not console.is_terminal:
        # One line each, whatever its length: for grep and the like.
        first, second = (max(len(row[i]) for row in rows) for i in (0, 1))
        for row in rows:
            console.out(f"{row[0]:{first}}  {row[1]:{second}}  {row[2]}", highlight=False)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("family", "kind", "what it is"):
        table.add_column(column)
    for before, row in zip([("", "", ""), *rows], rows, strict=False):
        table.add_row(row[0] if row[0] != before[0] else "", row[1], escape(row[2]))
    console.print(table)


def _kinds(family: str) -> Iterator[tuple[str, str, str]]:
    for registry in families():
        if family in ("", registry.family):
            for name, cls in registry.kinds().items():
                yield registry.family, name, describe(cls).replace("``", "`")
    if family in ("", "hardware"):
        for name, file in catalogue().items():
            first = file.read_text(encoding="utf-8").splitlines()[0]
            yield "hardware", name, first.removeprefix("# ")
            if family:
                yield from _values_of(name, file)


def _values_of(name: str, file: Path) -> Iterator[tuple[str, str, str]]:
    """Yield every value of an entry of the catalogue with its source."""
    data = read_yaml(file).data
    for field, evidence in data["evidence"].items():
        value = data[field]
        if isinstance(value, Mapping):
            value = ", ".join(f"{key} {item}" for key, item in value.items())
        sure, source = evidence["confidence"], evidence["source"]
        yield "hardware", name, f"{field}: {value} ({sure}: {source})"
