"""Progress: metric rows of due evaluations, how far runs have come, listeners from Python."""

import html
import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from wfl_sim.execution.store import MissingResultError, Store
from wfl_sim.execution.task import Task
from wfl_sim.network.context import DueEvaluation
from wfl_sim.records import Metric, Scope
from wfl_sim.results.comparison import preferred
from wfl_sim.results.statistics import is_falling

Values = Callable[[str], Mapping[str, float]]
"""Returns the numbers of an evaluation by its key."""


def metrics(
    evaluations: Sequence[DueEvaluation], devices: Sequence[str], values: Values
) -> list[Metric]:
    """Return the rows of all evaluations, in the order of time."""
    return [row for each in evaluations for row in _rows(each, devices, values)]


def _rows(evaluation: DueEvaluation, devices: Sequence[str], values: Values) -> Iterator[Metric]:
    def row(metric: str, scope: Scope, value: float, device: str = "") -> Metric:
        return Metric(
            time=evaluation.time,
            round=evaluation.round,
            metric=metric,
            scope=scope,
            device=device,
            value=value,
            bits_up=evaluation.bits_up,
            bits_down=evaluation.bits_down,
            joules=evaluation.joules,
        )

    if evaluation.overall is not None:
        for metric, value in sorted(values(evaluation.overall).items()):
            yield row(metric, "global", value)
    own = [values(key) for key in evaluation.personal]
    for metric in sorted(own[0]) if own else ():
        each = np.array([numbers[metric] for numbers in own])
        yield row(metric, "personal_mean", float(each.mean()))
        yield row(metric, "personal_worst10", worst_tenth(metric, each))
        for device, value in zip(devices, each, strict=True):
            yield row(metric, "device", float(value), device)


def worst_tenth(metric: str, values: np.ndarray) -> float:
    """Return the mean over the worst tenth of the devices, at least one of them.

    The worst are the largest where smaller values are better, else the smallest.
    """
    count = max(1, round(len(values) / 10))
    ordered = np.sort(values)
    worst = ordered[-count:] if is_falling(metric) else ordered[:count]
    return float(worst.mean())


_log = logging.getLogger(__name__)

_LOOKS: Final = 2.0
"""Seconds of the host between two looks for a newer metric."""
_REDRAWS: Final = 0.5
"""Seconds of the host between two pictures of the bar in a notebook."""

_ENOUGH: Final = 0.03
"""Part of the runs to do after which the time left is told: starting takes its time, too."""


class NewestMetric:
    """Follows the tasks of a run, and tells the newest metric now and then."""

    def __init__(
        self,
        store: Store,
        progress: Callable[[Task, int, int], None] | None,
        measured: Callable[[str, float], None] | None,
    ) -> None:
        self._store = store
        self._progress = progress
        self._measured = measured
        self._waiting: list[DueEvaluation] = []
        self._next_look = time.monotonic() + _LOOKS

    def watch(self, evaluations: Sequence[DueEvaluation]) -> None:
        """Look for the results of these evaluations, in the order of time."""
        self._waiting = list(evaluations)

    def __call__(self, task: Task, done: int, needed: int) -> None:
        """Note that a task has ended."""
        if self._progress is not None:
            self._progress(task, done, needed)
        if self._measured is not None and time.monotonic() >= self._next_look:
            self._look()
            self._next_look = time.monotonic() + _LOOKS

    def _look(self) -> None:
        newest = None
        while self._waiting and all(map(self._store.holds, self._waiting[0].keys)):
            newest = self._waiting.pop(0)
        if newest is None or self._measured is None:
            return
        names = [str(number) for number in range(len(newest.personal))]
        try:
            rows = metrics([newest], names, lambda key: self._store.get(key).values)
        except MissingResultError:
            return
        values: dict[tuple[str, str], float] = {
            (row.metric, row.scope): row.value for row in rows if row.scope != "device"
        }
        if chosen := preferred(values):
            self._measured(f"{chosen[0]} {chosen[1].replace('_', ' ')}", values[chosen])


class RunsProgress:
    """How far runs have come."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.ended = 0
        self.newest = ""
        """The newest metric of any run, in words."""
        self.simulated = ""
        """How far the last run that reported has come in simulated time."""
        self._shares = [0.0] * count
        self._started = time.monotonic()
        self._kept = 0

    @property
    def share(self) -> float:
        """Part of all runs that is done, from 0 to 1."""
        return sum(self._shares) / max(self.count, 1)

    def progress(self, number: int, done: int, needed: int) -> None:
        """Note that a run has executed so many of its tasks."""
        self._shares[number] = done / needed

    def end(self, number: int, *, kept: bool) -> None:
        """Note that a run has ended, or was there already."""
        self.ended += 1
        self._kept += kept
        self.progress(number, 1, 1)

    @property
    def runs(self) -> str:
        """Number of runs that have ended, in words."""
        return f"{self.ended} of {self.count} run{'s' * (self.count > 1)}"

    @property
    def line(self) -> str:
        """Runs, share, time left, simulated time and newest metric, as far as they are known."""
        done, kept = sum(self._shares), self._kept
        left = ""
        if done - kept > _ENOUGH * (self.count - kept):
            seconds = (time.monotonic() - self._started) / (done - kept) * (self.count - done)
            left = f"{seconds / 60:,.0f} min left" if seconds >= 90 else f"{seconds:.0f} s left"
        parts = (self.runs, f"{self.share:.0%}", left, self.simulated, self.newest)
        return ", ".join(part for part in parts if part)


class SilentProgress:
    """Ignores progress; warnings go to the log."""

    def progress(self, number: int, done: int, needed: int) -> None:
        """Ignore that a run has executed some of its tasks."""

    def simulated(self, number: int, now: float) -> None:
        """Write the simulated time of a run to the log."""
        _log.info("run %d: %.1f s simulated", number, now)

    def measured(self, number: int, metric: str, value: float) -> None:
        """Write the newest metric of a run to the log."""
        _log.info("run %d: %s %.4g", number, metric, value)

    def kept(self, number: int) -> None:
        """Ignore that a run had ended before."""

    def ended(self, number: int) -> None:
        """Ignore that a run has ended."""

    def warn(self, text: str) -> None:
        """Write a warning to the log."""
        _log.warning("%s", text)


class NotebookProgress(SilentProgress):
    """A bar below the cell of a notebook; warnings go to the log.

    Args:
        count: number of runs.
        show: shows HTML below the cell, in the place of what it showed before.
    """

    def __init__(self, count: int, show: Callable[[str], None]) -> None:
        self._runs = RunsProgress(count)
        self._show = show
        self._next = 0.0

    def progress(self, number: int, done: int, needed: int) -> None:
        """Note that a run has executed some of its tasks."""
        self._runs.progress(number, done, needed)
        self._draw()

    def simulated(self, number: int, now: float) -> None:
        """Note the simulated time of a run."""
        self._runs.simulated = f"{now:,.0f} s simulated"
        self._draw()

    def measured(self, number: int, metric: str, value: float) -> None:
        """Note the newest metric of a run."""
        self._runs.newest = f"{metric} {value:.4g}"
        self._draw()

    def ended(self, number: int) -> None:
        """Note that a run has ended."""
        self._runs.end(number, kept=False)
        self._next = 0.0
        self._draw()

    def _draw(self) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _REDRAWS
            bar = f'<progress max="1" value="{self._runs.share:.4f}"></progress>'
            self._show(f"{bar} {html.escape(self._runs.line)}")


def listener_for(count: int) -> SilentProgress:
    """Return the listener for runs from Python: with a bar in a notebook, else silent."""
    shell: Any = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if not hasattr(shell, "kernel"):
        return SilentProgress()
    from IPython.display import HTML, display

    handle = display(HTML(""), display_id=True)  # type: ignore[no-untyped-call]
    return NotebookProgress(count, lambda text: handle.update(HTML(text)))  # type: ignore[no-untyped-call]
