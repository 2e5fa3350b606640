"""Run: the scenarios of a request, each into its run folder, in this process or in several."""

import platform
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from wfl_sim.config.errors import LocatedError, ScenarioError, counted
from wfl_sim.config.plugin_code import live_classes
from wfl_sim.execution.processor import processor
from wfl_sim.execution.store import Store
from wfl_sim.execution.worker_pool import run_in_processes
from wfl_sim.execution.worker_process import ProgressListener, keep_freed_memory
from wfl_sim.results import Run, write_run
from wfl_sim.scenario.arguments import check_count
from wfl_sim.scenario.loading import Loaded
from wfl_sim.scenario.loading import remarks as remarks_on_keys
from wfl_sim.scenario.resolve import to_yaml
from wfl_sim.scenario.scenario import Scenario
from wfl_sim.simulation.fingerprint import run_fingerprint
from wfl_sim.simulation.learner_cache import LearnerCache, learning_of
from wfl_sim.simulation.progress import listener_for
from wfl_sim.simulation.remarks import left_out_remarks, remarks, warnings_said
from wfl_sim.simulation.request import RunRequest, by_group
from wfl_sim.simulation.scenario_remarks import located_remarks
from wfl_sim.simulation.simulation import Simulation, SimulationResult

_VERSIONS = ("numpy", "scipy", "simpy", "torch", "transformers", "peft", "safetensors")


class Runner:
    """Runs scenarios of a request; those of one process share a store and a cache of learners."""

    def __init__(self, request: RunRequest) -> None:
        self.request = request
        self.folders = [request.folder(each.scenario) for each in request.loaded]
        """Of the runs as they are planned: their names tell what files and plug-ins held then."""

    def __getstate__(self) -> dict[str, Any]:
        """Return the request and folders: every process has its own store and cache."""
        return {"request": self.request, "folders": self.folders}

    def __call__(self, number: int, listener: ProgressListener) -> Path | ScenarioError:
        """Run one scenario; return its run folder, or why it turned out to be impossible."""
        try:
            return self._run(number, listener)
        except ScenarioError as error:
            return error

    def _run(self, number: int, listener: ProgressListener) -> Path:
        keep_freed_memory()
        request, folder = self.request, self.folders[number]
        loaded, simulation = request.unchanged(number, folder), self.prepare(number, listener)
        fingerprint = run_fingerprint(simulation)
        if _has_ended(folder, fingerprint, listener.warn):
            listener.kept(number)
            return folder
        store = self._store if simulation.trains else None
        try:
            with warnings_said(loaded.document, listener.warn):
                result = simulation.run(
                    store,
                    lambda _, done, needed: listener.progress(number, done, needed),
                    lambda now: listener.simulated(number, now),
                    lambda metric, value: listener.measured(number, metric, value),
                )
        except LocatedError as error:
            raise loaded.error(error) from error
        try:
            write_run(
                folder,
                scenario_yaml=to_yaml(loaded.scenario),
                manifest=_manifest(request, loaded, simulation, result, fingerprint),
                **result.tables,
            )
        except ValueError as error:
            raise ScenarioError(str(error)) from error
        except OSError as error:
            reason = f"cannot be written ({error.strerror}); the same command continues"
            raise OSError(error.errno, reason, str(folder)) from error
        for remark in remarks(result.totals):
            listener.warn(f"{folder.name}: {remark}")
        return folder

    def close(self) -> None:
        """Close the store."""
        if "_store" in self.__dict__:
            self._store.close()
            del self._store

    def prepare(self, number: int, listener: ProgressListener) -> Simulation:
        """Return the simulation of a scenario, checked and ready to run.

        Raises:
            ScenarioError: The parts of the scenario do not fit together.
        """
        loaded, network_only = self.request.loaded[number], self.request.network_only
        return prepare(loaded, listener.warn, network_only=network_only, cache=self._cache)

    @cached_property
    def _cache(self) -> LearnerCache:
        return LearnerCache(self.request.threads)

    @cached_property
    def _store(self) -> Store:
        return Store(self.request.store or self.request.out / ".store")


def _has_ended(folder: Path, fingerprint: str, warn: Callable[[str], None]) -> bool:
    """Return whether a run folder is whole and has this fingerprint; say why if it is there."""
    if not (folder / "manifest.json").exists():
        return False
    try:
        run = Run.open(folder)
        if run.manifest.get("inputs") == fingerprint:
            run.verify()
            return True
        warn(f"{folder.name}: is of other code, libraries, files or threads: run again")
    except (OSError, ValueError) as error:
        warn(f"{str(error).splitlines()[0]}: run again")
    return False


def run_all(
    request: RunRequest, *, jobs: int, listener: ProgressListener
) -> Generator[tuple[int, Path], None, None]:
    """Run every scenario of a request; yield the number and folder of each run as it ends.

    Scenarios that can share all of their training run one after the other, as long as there are
    others for the rest of the jobs.

    Raises:
        ScenarioError: A scenario turned out to be impossible, or the output folder is not writable.
        WorkerError: A process died.
    """
    request.check_out()
    for remark in remarks_on_keys(request.planned):
        listener.warn(remark)
    yield from run_each(Runner(request), learning_groups(request), jobs, listener)


def run_each(
    runner: Runner, groups: Sequence[str], jobs: int, listener: ProgressListener
) -> Iterator[tuple[int, Path]]:
    """Run every scenario of a runner; scenarios of equal `groups` have the same learning.

    One that turns out to be impossible does not keep the others from running.
    """
    check_count("jobs", jobs)
    loaded, refused = runner.request.loaded, list[str]()
    names = [each.name for each in runner.folders]
    for number, made in _outcomes(runner, groups, jobs, listener, names):
        if isinstance(made, Path):
            yield number, made
        elif len(loaded) == 1:
            raise made
        else:
            refused.append(f"{names[number]}: {made}")
            listener.warn(f"{refused[-1]}: the other runs go on")
    if refused:
        runs = f"{len(refused)} of {counted(len(loaded), 'run')}"
        raise ScenarioError(f"{runs} cannot be run, the first of them {refused[0]}")


def _outcomes(
    runner: Runner, groups: Sequence[str], jobs: int, listener: ProgressListener, names: list[str]
) -> Iterator[tuple[int, Path | ScenarioError]]:
    if jobs == 1 or len(groups) == 1:
        with closing(runner):
            yield from ((number, runner(number, listener)) for number in by_group(groups))
    else:
        for each in runner.request.loaded:
            if classes := live_classes(each.scenario):
                what = f"{classes[0]} is of a script or notebook, which other processes cannot see"
                raise ScenarioError(f"jobs: {what}: put it into a file, or give jobs=1")
        yield from run_in_processes(runner, groups, jobs, listener, names)


def learning_groups(request: RunRequest) -> list[str]:
    """Return a text for each scenario that is equal for scenarios with the same learning."""
    return [learning_of(each.scenario) for each in request.loaded]


def prepare(
    loaded: Loaded,
    warn: Callable[[str], None],
    *,
    network_only: bool = False,
    cache: LearnerCache | None = None,
) -> Simulation:
    """Return the simulation of a scenario, checked and ready to run.

    Args:
        loaded: The scenario to run.
        warn: Called with one line about traces that do not fit, far distances, rows left out.
        network_only: Whether to train nothing.
        cache: Data and learners of earlier simulations.

    Raises:
        ScenarioError: The parts of the scenario do not fit together.
    """
    for line in located_remarks(loaded):
        warn(line)
    with warnings_said(loaded.document, warn):
        try:
            simulation = Simulation(loaded.scenario, network_only=network_only, cache=cache)
        except LocatedError as error:
            raise loaded.error(error) from None
    shards, inspection = simulation.shards, simulation.inspection
    said = {
        "devices": left_out_remarks(simulation.out_of_reach, simulation.excluded),
        "data": (*(shards.remarks if shards else ()), *(inspection.on_texts if inspection else ())),
        "model": inspection.remarks if inspection else (),
    }
    for key, texts in said.items():
        for text in texts:
            warn(str(loaded.document.error((key,), text)))
    return simulation


def coordinates(loaded: Loaded) -> dict[str, Any]:
    """Return the coordinates of a scenario in its sweep by path, as JSON."""
    return {path: asdict(coordinate) for path, coordinate in loaded.point.items()}


def _manifest(
    request: RunRequest,
    loaded: Loaded,
    simulation: Simulation,
    result: SimulationResult,
    fingerprint: str,
) -> dict[str, Any]:
    return {
        **provenance(simulation.scenario),
        **({"point": coordinates(loaded)} if loaded.point else {}),
        "inputs": fingerprint,
        "network_only": not simulation.trains,
        **result.totals,
        "execution": {"threads": request.threads, **result.totals.get("execution", {})},
    }


def provenance(scenario: Scenario) -> dict[str, Any]:
    """Return the names of a run, and of what it has run on, for its manifest."""
    return {
        "name": scenario.name,
        "label": scenario.label,
        "seed": scenario.seed,
        "versions": {
            "wfl_sim": version("wfl-sim"),
            "python": platform.python_version(),
            **{name: version(name) for name in _VERSIONS},
        },
        "platform": platform.platform(),
        "processor": dict(processor()),
    }


def run(
    file: str | Path | Mapping[str, Any] | Scenario,
    *,
    settings: Sequence[str] = (),
    out: str | Path = "runs",
    network_only: bool = False,
    allow_plugins: bool = False,
    jobs: int = 1,
    threads: int = 1,
) -> list[Run]:
    """Run every scenario of a file and return its runs, in the order of the sweep.

    Args:
        file: A scenario in YAML, the same as mappings and lists of Python, or a `Scenario`.
        settings: Texts ``path=value`` that override values of the file.
        out: Folder of the run folders.
        network_only: Whether to train nothing; the spans are the same.
        allow_plugins: Whether ``kind: ./mine.py:Mine`` may run that file.
        jobs: Number of runs at a time, each in its own process if there are several.
        threads: Threads of torch in each run.

    Raises:
        ScenarioError: The file, a setting or the output folder is wrong.
    """
    request = RunRequest.of(file, settings, out, network_only, allow_plugins, threads)
    listener = listener_for(len(request.loaded))
    folders = {}
    for number, folder in run_all(request, jobs=jobs, listener=listener):
        listener.ended(number)
        folders[number] = folder
    return [Run.open(folders[number]) for number in sorted(folders)]
