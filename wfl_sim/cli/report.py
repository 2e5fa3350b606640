"""Report in the terminal: progress while scenarios run, and tables at the end."""

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from rich.console import Console, Group
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from wfl_sim.cli import tables
from wfl_sim.cli.options import beside
from wfl_sim.config.errors import counted
from wfl_sim.results import Run, summary
from wfl_sim.results.comparison import choose_goal, open_runs, origins
from wfl_sim.results.paired import paired_differences, write_paired
from wfl_sim.scenario.scenario import Scenario
from wfl_sim.simulation.progress import RunsProgress

_LINES: Final = 60.0
"""Seconds of the host between two lines on progress, where no bar is shown."""
_WIDE: Final = 1000
"""Signs of a line of a table in a file: labels have at most 200."""


class Report:
    """Progress over all runs, and the closing table."""

    def __init__(self, scenarios: Sequence[Scenario]) -> None:
        self._scenarios = scenarios
        self._console = Console()
        if not self._console.is_terminal:
            self._console.width = _WIDE
        self._runs = RunsProgress(len(scenarios))
        self._next_line = time.monotonic() + _LINES
        self._warned: set[str] = set()
        self._kept: set[int] = set()
        self._ended: dict[Path, Run] = {}
        # A bar is for people; a log file gets a line now and then, and one for each ended run.
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
        self._task = self._bar.add_task(self._description, total=float(len(scenarios)))

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
        self._runs.progress(number, done, needed)
        self._show()

    def simulated(self, number: int, now: float) -> None:
        """Note the simulated time of a run."""
        self._runs.simulated = f"{now:,.0f} s simulated"
        self._show()

    def measured(self, number: int, metric: str, value: float) -> None:
        """Note the newest metric of a run."""
        scenario = self._scenarios[number]
        whose = f" ({scenario.label or scenario.name}, seed {scenario.seed})"
        self._runs.newest = f"{metric} {value:.4g}{whose * (self._runs.count > 1)}"
        self._show()

    def kept(self, number: int) -> None:
        """Note that a run had ended before."""
        self._kept.add(number)

    def warn(self, text: str) -> None:
        """Print a warning once."""
        # Without the run and the figures in it: the runs of a sweep differ in those alone.
        kind = re.sub(r"\S*-s\d+-[0-9a-f]{8}\S*|\d[\d.]*", "", text)
        if kind not in self._warned:
            self._warned.add(kind)
            errors = Console(stderr=True)
            errors.print(f"warning: {text}", markup=False, highlight=False, soft_wrap=True)

    def follow(self, runs: Iterable[tuple[int, Path]]) -> Iterator[tuple[int, Path]]:
        """Pass finished runs through, noting each."""
        for number, folder in runs:
            self._runs.end(number, kept=number in self._kept)
            self._show()
            self._ended[folder] = Run.open(folder)
            manifest = self._ended[folder].manifest
            host = sum(manifest["host_seconds"].values())
            how = f"in {host:.1f} s, {counted(manifest['tasks_executed'], 'task')} executed"
            if manifest["tasks_executed"]:
                how += f" ({_executor(manifest['execution'])})"
            if number in self._kept:
                how = "there already"
            simulated = summary.number(manifest["simulated_seconds"])
            self._bar.console.print(
                f"[bold]{escape(str(folder))}[/]  {simulated} simulated s {how}",
                highlight=False,
                soft_wrap=True,
            )
            yield number, folder

    def close(self, folders: Sequence[Path], *, figures: bool, target: float | None = None) -> None:
        """Print what the runs that were followed came to, and draw their figures."""
        runs = [self._ended[folder] for folder in folders]
        goal = choose_goal(runs, target=target)
        for line in goal.unused(runs, target):
            self.warn(line)
        said: Iterable[Group] = ()
        if all(map(goal.is_measured, runs)):
            said = tables.closing(runs, goal)
        elif not any(run.measured for run in runs):
            said = tables.comparison(runs, goal)
        for table in said:
            tables.show(self._console, table)
        if not figures:
            return
        from wfl_sim.results.figures import draw_all
        from wfl_sim.results.report import write_report

        folder = beside(folders, "figures", self._scenarios[0].name)
        self._name(draw_all(runs, folder, metric=goal.metric, target=target))
        self._name([write_report(runs, folder / "report.html", target=target)])

    def compare(
        self,
        folders: Sequence[Path],
        out: Path,
        *,
        metric: str = "",
        scope: str = "",
        target: float | None = None,
        figures: bool = True,
        against: str = "",
    ) -> None:
        """Print the comparison of runs and sweeps, write its tables, and draw its figures.

        Raises:
            ValueError: a folder holds no runs, or no run has such a metric.
        """
        from wfl_sim.results.figures import compare
        from wfl_sim.results.report import write_report

        runs = open_runs(folders, self.warn)
        goal = choose_goal(runs, metric, scope, target)
        for line in (*goal.unused(runs, target), *goal.gaps(runs), *origins(runs)):
            self.warn(line)
        differences = paired_differences(runs, goal, against)
        for table in (*tables.comparison(runs, goal), *tables.paired(differences)):
            tables.show(self._console, table)
        self._name(compare(runs, goal, out, figures=figures))
        if differences:
            write_paired(differences, out)
        if figures:
            page = out / "report.html"
            self._name([write_report(runs, page, metric=metric, scope=scope, target=target)])

    def _name(self, paths: Iterable[Path]) -> None:
        for path in paths:
            if path.suffix in (".png", ".parquet", ".html"):
                self._console.print(escape(str(path)), highlight=False, soft_wrap=True)

    def _show(self) -> None:
        """Draw the bar anew, or write a line to a log now and then."""
        self._bar.update(
            self._task, completed=self._runs.share * self._runs.count, description=self._description
        )
        if not self._console.is_terminal and time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + _LINES
            self._console.out(f"{self._scenarios[0].name}: {self._runs.line}", highlight=False)

    @property
    def _description(self) -> str:
        if not self._scenarios:
            return ""
        now = (self._runs.runs, self._runs.newest or self._runs.simulated)
        return f"{self._scenarios[0].name}: {', '.join(filter(None, now))}"


def _executor(how: Mapping[str, Any]) -> str:
    count = how.get("workers", 0)
    workers = f", {counted(count, 'worker')}" if count else ""
    why = f": {how['why']}" if workers and "why" in how else ""
    return f"{how['executor']}{workers}{why}"
