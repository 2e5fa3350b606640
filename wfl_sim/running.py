"""Running: scenarios of a file, each into its run folder, in this process or in several."""

import multiprocessing
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from queue import Empty
from typing import Any

import wfl_sim
from wfl_sim.execution.store import Store
from wfl_sim.loading import Loaded, ScenarioError, load
from wfl_sim.registry import LocatedError
from wfl_sim.resolved import digest, to_yaml
from wfl_sim.results import digest_metrics, digest_spans, digest_states, write_run
from wfl_sim.simulation import Outcome, Simulation

Progress = Callable[[int, int, int], None]
"""called with the number of a run, its tasks done and its tasks needed"""

_VERSIONS = ("numpy", "scipy", "simpy", "torch", "transformers", "peft", "safetensors")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to run and how; the same for every scenario of the file."""

    file: Path
    out: Path
    settings: tuple[str, ...] = ()
    allow_plugins: bool = False
    network_only: bool = False
    threads: int = 1

    def with_threads(self, threads: int) -> "Request":
        """Return the same request for so many threads of torch."""
        return replace(self, threads=threads)

    def load(self) -> list[Loaded]:
        """Return the scenarios.

        Raises:
            ScenarioError: the file or a setting is wrong.
        """
        return load(self.file, settings=self.settings, allow_plugins=self.allow_plugins)

    def check_out(self) -> None:
        """Make the output folder.

        Raises:
            ScenarioError: it cannot be made or written.
        """
        try:
            self.out.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.out):
                pass
        except OSError as error:
            raise ScenarioError(f"{self.out}: cannot be written: {error.strerror}") from None


def run_all(request: Request, *, jobs: int, progress: Progress) -> Iterator[tuple[int, Path]]:
    """Run every scenario of a request; yield the number and folder of each run as it ends.

    Raises:
        ScenarioError: a scenario turned out to be impossible, or the output folder is not writable.
    """
    request.check_out()
    count = len(request.load())
    if jobs == 1 or count == 1:
        for number in range(count):
            yield number, run_one(request, number, progress)
        return
    yield from _in_processes(request, count, jobs, progress)


def run_one(request: Request, number: int, progress: Progress) -> Path:
    """Run one scenario of a request and return its run folder."""
    loaded = request.load()[number]
    scenario = loaded.scenario
    try:
        simulation = Simulation(
            scenario, network_only=request.network_only, threads=request.threads
        )
    except LocatedError as error:
        raise loaded.error(error) from None
    store = Store(request.out / ".store") if simulation.trains else None
    outcome = simulation.run(store, lambda task, done, needed: progress(number, done, needed))
    label = f"-{scenario.label}" if scenario.label else ""
    mode = "-network" if request.network_only else ""
    folder = request.out / f"{scenario.name}{label}-s{scenario.seed}-{digest(scenario)}{mode}"
    write_run(
        folder,
        scenario_yaml=to_yaml(scenario),
        manifest=_manifest(request, simulation, outcome),
        spans=outcome.spans,
        metrics=outcome.metrics,
        states=outcome.states,
    )
    return folder


def _manifest(request: Request, simulation: Simulation, outcome: Outcome) -> dict[str, Any]:
    scenario = simulation.scenario
    return {
        "format": 1,
        "name": scenario.name,
        "label": scenario.label,
        "seed": scenario.seed,
        "network_only": not simulation.trains,
        "execution": {"executor": "inline", "mode": "exact", "threads": request.threads},
        "digests": {
            "spans": digest_spans(outcome.spans),
            "metrics": digest_metrics(outcome.metrics),
            "states": digest_states(outcome.states),
        },
        **outcome.totals,
        "versions": {
            "wfl_sim": wfl_sim.__version__,
            "python": platform.python_version(),
            **{name: version(name) for name in _VERSIONS},
        },
        "platform": platform.platform(),
    }


def _in_processes(
    request: Request, count: int, jobs: int, progress: Progress
) -> Iterator[tuple[int, Path]]:
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        reports = manager.Queue()
        pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_quiet_interrupt)
        try:
            futures = {pool.submit(_work, request, n, reports): n for n in range(count)}
            waiting = set(futures)
            while waiting:
                finished, waiting = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
                for report in _drain(reports):
                    progress(*report)
                for future in finished:
                    yield futures[future], future.result()
        except BaseException:
            for child in multiprocessing.active_children():
                if child is not manager._process:  # type: ignore[attr-defined]
                    child.terminate()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _work(request: Request, number: int, reports: Any) -> Path:
    return run_one(request, number, lambda *report: reports.put(report))


def _drain(reports: Any) -> Iterator[tuple[int, int, int]]:
    while True:
        try:
            yield reports.get_nowait()
        except Empty:
            return


def _quiet_interrupt() -> None:
    """Let a worker end at once and without a word at Ctrl-C; its store entries are whole."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
