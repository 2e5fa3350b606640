"""Running: scenarios of a file, each into its run folder, in this process or in several."""

import logging
import platform
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from channel_models import OutOfRangeWarning
from wfl_sim.config.errors import LocatedError, ScenarioError
from wfl_sim.execution.store import Store
from wfl_sim.execution.worker_pool import run_in_processes
from wfl_sim.execution.worker_process import ProgressListener, keep_freed_memory
from wfl_sim.results import Run, write_run
from wfl_sim.scenario.loading import Loaded
from wfl_sim.scenario.resolve import to_yaml
from wfl_sim.simulation.fingerprint import run_fingerprint
from wfl_sim.simulation.learner_cache import LearnerCache, learning_of
from wfl_sim.simulation.request import RunRequest
from wfl_sim.simulation.simulation import Simulation, SimulationResult

_log = logging.getLogger(__name__)

_VERSIONS = ("numpy", "scipy", "simpy", "torch", "transformers", "peft", "safetensors")


class Runner:
    """Runs scenarios of a request; those of one process share a store and a workshop."""

    def __init__(self, request: RunRequest) -> None:
        self.request = request
        self._workshop = LearnerCache(request.threads)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what every process makes for itself."""
        return {"request": self.request, "_workshop": LearnerCache(self.request.threads)}

    def __call__(self, number: int, watcher: ProgressListener) -> Path:
        """Run one scenario and return its run folder.

        Raises:
            ScenarioError: it turned out to be impossible.
        """
        keep_freed_memory()
        request, loaded = self.request, self.request.load()[number]
        scenario, folder = loaded.scenario, request.folder(loaded.scenario)
        simulation = self.prepared(number, watcher)
        inputs = run_fingerprint(simulation)
        if request.reuse and _is_there(folder, inputs):
            watcher.kept(number)
            return folder
        store = self._store if simulation.trains else None
        try:
            outcome = simulation.run(
                store, lambda _, done, needed: watcher.progress(number, done, needed)
            )
        except LocatedError as error:
            raise loaded.error(error) from error
        try:
            write_run(
                folder,
                scenario_yaml=to_yaml(scenario),
                manifest=_manifest(request, loaded, simulation, outcome, inputs),
                spans=outcome.spans,
                metrics=outcome.metrics,
                states=outcome.states,
                levels=outcome.levels,
            )
        except ValueError as error:
            raise ScenarioError(str(error)) from error
        except OSError as error:
            reason = f"cannot be written ({error.strerror}); the same command continues"
            raise OSError(error.errno, reason, str(folder)) from error
        return folder

    def close(self) -> None:
        """Let the store go."""
        if "_store" in self.__dict__:
            self._store.close()
            del self._store

    def prepared(self, number: int, watcher: ProgressListener) -> Simulation:
        """Return the simulation of a scenario, checked and ready to run.

        Raises:
            ScenarioError: the parts of the scenario do not fit together.
        """
        return prepared(
            self.request.load()[number],
            watcher.warn,
            network_only=self.request.network_only,
            workshop=self._workshop,
        )

    @cached_property
    def _store(self) -> Store:
        return Store(self.request.store or self.request.out / ".store")


def _is_there(folder: Path, inputs: str) -> bool:
    """Return whether a run folder is whole and of these inputs."""
    try:
        run = Run.open(folder)
        if run.manifest.get("inputs") == inputs:
            run.verify()
            return True
    except (OSError, ValueError):
        pass
    return False


def run_all(
    request: RunRequest, *, jobs: int, watcher: ProgressListener
) -> Generator[tuple[int, Path], None, None]:
    """Run every scenario of a request; yield the number and folder of each run as it ends.

    Scenarios that can share all of their training run one after the other, as far as there are
    others for the rest of the jobs.

    Raises:
        ScenarioError: a scenario turned out to be impossible, or the output folder is not writable.
        WorkerError: a process died.
    """
    request.check_out()
    yield from run_each(Runner(request), groups_of(request), jobs, watcher)


def run_each(
    runner: Runner, groups: Sequence[str], jobs: int, watcher: ProgressListener
) -> Iterator[tuple[int, Path]]:
    """Run every scenario of a runner, of which `groups` tells those that learn alike."""
    if jobs == 1 or len(groups) == 1:
        with closing(runner):
            yield from ((number, runner(number, watcher)) for number in in_groups(groups))
    else:
        yield from run_in_processes(runner, len(groups), jobs, watcher, groups)


def groups_of(request: RunRequest) -> list[str]:
    """Return for each scenario a text that it has in common with those of the same learning."""
    return [learning_of(each.scenario) for each in request.load()]


def in_groups(groups: Sequence[str]) -> list[int]:
    """Return the numbers of the scenarios, group by group."""
    return sorted(range(len(groups)), key=lambda number: groups.index(groups[number]))


def prepared(
    loaded: Loaded,
    warn: Callable[[str], None],
    *,
    network_only: bool = False,
    workshop: LearnerCache | None = None,
) -> Simulation:
    """Return the simulation of a scenario, checked and ready to run.

    Args:
        loaded: what to run.
        warn: told, in one line, of distances beyond the range of a path-loss model.
        network_only: learn nothing.
        workshop: what earlier simulations have prepared.

    Raises:
        ScenarioError: the parts of the scenario do not fit together.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", OutOfRangeWarning)
        try:
            simulation = Simulation(loaded.scenario, network_only=network_only, workshop=workshop)
        except LocatedError as error:
            raise loaded.error(error) from None
    # Outside of the block, where what is shown is no longer caught.
    for each in caught:
        if issubclass(each.category, OutOfRangeWarning):
            warn(str(loaded.document.error(("devices",), str(each.message))))
        else:
            warnings.showwarning(each.message, each.category, each.filename, each.lineno)
    return simulation


def _manifest(
    request: RunRequest,
    loaded: Loaded,
    simulation: Simulation,
    outcome: SimulationResult,
    inputs: str,
) -> dict[str, Any]:
    scenario = simulation.scenario
    return {
        "name": scenario.name,
        "label": scenario.label,
        "seed": scenario.seed,
        **({"point": point_of(loaded)} if loaded.point else {}),
        "inputs": inputs,
        "network_only": not simulation.trains,
        **outcome.totals,
        "execution": {"threads": request.threads, **outcome.totals.get("execution", {})},
        "versions": {
            "wfl_sim": version("wfl-sim"),
            "python": platform.python_version(),
            **{name: version(name) for name in _VERSIONS},
        },
        "platform": platform.platform(),
    }


def point_of(loaded: Loaded) -> dict[str, Any]:
    """Return where a scenario lies in its sweep, as JSON."""
    return {path: asdict(coordinate) for path, coordinate in loaded.point.items()}


def run(
    file: str | Path,
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
        file: a scenario in YAML.
        settings: ``path=value`` texts that override the file.
        out: folder of the run folders.
        network_only: train nothing; the spans are the same.
        allow_plugins: let ``kind: ./mine.py:Mine`` run that file.
        jobs: runs at a time, each in a process of its own where there are several.
        threads: of torch in each run.

    Raises:
        ScenarioError: the file, a setting or the output folder is wrong.
    """
    request = RunRequest(
        file=Path(file),
        out=Path(out),
        settings=tuple(settings),
        allow_plugins=allow_plugins,
        network_only=network_only,
        threads=threads,
    )
    folders = dict(run_all(request, jobs=jobs, watcher=SilentProgress()))
    return [Run.open(folders[number]) for number in sorted(folders)]


class SilentProgress:
    """Nobody looks at the progress; warnings go to the log."""

    def progress(self, number: int, done: int, needed: int) -> None:
        """Keep quiet."""

    def kept(self, number: int) -> None:
        """Keep quiet."""

    def warn(self, text: str) -> None:
        """Write to the log."""
        _log.warning("%s", text)
