"""Running: scenarios of a file, each into its run folder, in this process or in several."""

import hashlib
import logging
import platform
import re
import tempfile
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import wfl_sim
from channel_models import OutOfRangeWarning
from wfl_sim.comparing import goal_of
from wfl_sim.execution.store import Store
from wfl_sim.inputs import fingerprint
from wfl_sim.loading import Loaded, ScenarioError, load
from wfl_sim.overlays import extended
from wfl_sim.registry import LocatedError
from wfl_sim.resolved import digest, to_yaml
from wfl_sim.results import Run, Sweep, compared, write_run, write_sweep, write_table
from wfl_sim.scenario import Scenario
from wfl_sim.simulation import Outcome, Simulation
from wfl_sim.workers import Watcher, in_processes
from wfl_sim.workshop import Workshop, learning_of

_log = logging.getLogger(__name__)

_VERSIONS = ("numpy", "scipy", "simpy", "torch", "transformers", "peft", "safetensors")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to run and how; the same for every scenario of the file."""

    file: Path
    out: Path
    store: Path | None = None
    """of the results of training; beside the run folders unless given"""
    reuse: bool = False
    """leave a run alone that has ended, whole, with the same inputs"""
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

    def folder(self, scenario: Scenario) -> Path:
        """Return the run folder of a scenario."""
        label = re.sub(r"[^\w.+=-]+", "-", scenario.label)
        words = [scenario.name, label, f"s{scenario.seed}", digest(scenario)]
        mode = "network" if self.network_only else scenario.execution.mode
        return self.out / "-".join(filter(None, [*words, mode.removeprefix("exact")]))

    def as_sweep(self) -> "Request":
        """Return the request of the same runs in the folder of their sweep.

        Its name tells the scenario and, by a digest, all points.

        Raises:
            ScenarioError: the file is wrong, or holds no sweep.
        """
        loaded = self.load()
        if "sweep" not in extended(self.file).data and len(loaded) == 1:
            what = "is required and missing: give `grid`, `zip`, `variants` or `seeds`"
            raise loaded[0].document.error((), f"sweep: {what}")
        folders = sorted(self.folder(each.scenario).name for each in loaded)
        mark = hashlib.sha256("\n".join(folders).encode()).hexdigest()[:8]
        name = f"{loaded[0].scenario.name}-sweep-{mark}"
        return replace(self, out=self.out / name, store=self.out / ".store", reuse=True)

    def check_out(self) -> None:
        """Try whether run folders can be written; nothing is made yet.

        Raises:
            ScenarioError: they cannot.
        """
        nearest = next(each for each in (self.out, *self.out.absolute().parents) if each.exists())
        try:
            with tempfile.TemporaryFile(dir=nearest):
                pass
        except OSError as error:
            raise ScenarioError(f"{self.out}: cannot be written: {error.strerror}") from None


class Runner:
    """Runs scenarios of a request; those of one process share a store and a workshop."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self._workshop = Workshop(request.threads)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what every process makes for itself."""
        return {"request": self.request, "_workshop": Workshop(self.request.threads)}

    def __call__(self, number: int, watcher: Watcher) -> Path:
        """Run one scenario and return its run folder.

        Raises:
            ScenarioError: it turned out to be impossible.
        """
        request, loaded = self.request, self._loaded[number]
        scenario, folder = loaded.scenario, request.folder(loaded.scenario)
        simulation = self.prepared(number, watcher)
        inputs = fingerprint(simulation)
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
        return folder

    def close(self) -> None:
        """Let the store go."""
        if "_store" in self.__dict__:
            self._store.close()
            del self._store

    def prepared(self, number: int, watcher: Watcher) -> Simulation:
        """Return the simulation of a scenario, checked and ready to run.

        Raises:
            ScenarioError: the parts of the scenario do not fit together.
        """
        return prepared(
            self._loaded[number],
            watcher.warn,
            network_only=self.request.network_only,
            workshop=self._workshop,
        )

    @cached_property
    def _loaded(self) -> list[Loaded]:
        return self.request.load()

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
    request: Request, *, jobs: int, watcher: Watcher
) -> Generator[tuple[int, Path], None, None]:
    """Run every scenario of a request; yield the number and folder of each run as it ends.

    Scenarios that can share all of their training run one after the other, as far as there are
    others for the rest of the jobs.

    Raises:
        ScenarioError: a scenario turned out to be impossible, or the output folder is not writable.
        WorkerError: a process died.
    """
    request.check_out()
    yield from _run(Runner(request), _groups(request), jobs, watcher)


def run_sweep(
    request: Request, *, jobs: int, watcher: Watcher
) -> Generator[tuple[int, Path], None, None]:
    """Prepare every point of a sweep, then run all; yield as `run_all` does.

    What the sweep is meant to be is written before the first run, and the table over all runs after
    the last. `request` comes from `Request.as_sweep`.

    Raises:
        ScenarioError: a point is impossible, or the output folder is not writable.
        WorkerError: a process died.
    """
    request.check_out()
    runner, groups, loaded = Runner(request), _groups(request), request.load()
    for number in _in_groups(groups):
        runner.prepared(number, watcher)
    plan = [
        {
            "folder": request.folder(each.scenario).name,
            "label": each.scenario.label,
            "seed": each.scenario.seed,
            "point": _point(each),
        }
        for each in loaded
    ]
    write_sweep(request.out, loaded[0].scenario.name, plan)
    yield from _run(runner, groups, jobs, watcher)
    sweep = Sweep.open(request.out)
    runs = sweep.runs()
    write_table(sweep.folder / "table.parquet", compared(runs, goal_of(runs)))


def _run(
    runner: Runner, groups: Sequence[str], jobs: int, watcher: Watcher
) -> Iterator[tuple[int, Path]]:
    if jobs == 1 or len(groups) == 1:
        with closing(runner):
            yield from ((number, runner(number, watcher)) for number in _in_groups(groups))
    else:
        yield from in_processes(runner, len(groups), jobs, watcher, groups)


def _groups(request: Request) -> list[str]:
    """Return for each scenario a text that it has in common with those of the same learning."""
    return [learning_of(each.scenario) for each in request.load()]


def _in_groups(groups: Sequence[str]) -> list[int]:
    return sorted(range(len(groups)), key=lambda number: groups.index(groups[number]))


def jobs_of(request: Request, cores: int) -> int:
    """Return how many runs at a time are worth while: those that share all training share a job."""
    scenarios = [each.scenario for each in request.load()]
    trains = not request.network_only and any(each.data is not None for each in scenarios)
    apart = len(set(_groups(request))) if trains else len(scenarios)
    return max(1, min(cores, apart))


def prepared(
    loaded: Loaded,
    warn: Callable[[str], None],
    *,
    network_only: bool = False,
    workshop: Workshop | None = None,
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
    request: Request, loaded: Loaded, simulation: Simulation, outcome: Outcome, inputs: str
) -> dict[str, Any]:
    scenario = simulation.scenario
    return {
        "name": scenario.name,
        "label": scenario.label,
        "seed": scenario.seed,
        **({"point": _point(loaded)} if loaded.point else {}),
        "inputs": inputs,
        "network_only": not simulation.trains,
        **outcome.totals,
        "execution": {"threads": request.threads, **outcome.totals.get("execution", {})},
        "versions": {
            "wfl_sim": wfl_sim.__version__,
            "python": platform.python_version(),
            **{name: version(name) for name in _VERSIONS},
        },
        "platform": platform.platform(),
    }


def _point(loaded: Loaded) -> dict[str, Any]:
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
    request = Request(
        file=Path(file),
        out=Path(out),
        settings=tuple(settings),
        allow_plugins=allow_plugins,
        network_only=network_only,
        threads=threads,
    )
    folders = dict(run_all(request, jobs=jobs, watcher=_Unwatched()))
    return [Run.open(folders[number]) for number in sorted(folders)]


def sweep(
    file: str | Path,
    *,
    settings: Sequence[str] = (),
    out: str | Path = "runs",
    network_only: bool = False,
    allow_plugins: bool = False,
    jobs: int = 1,
    threads: int = 1,
) -> Sweep:
    """Run a sweep into a folder of its own; arguments are those of `run`.

    What has ended before with the same inputs is left as it is.

    Raises:
        ScenarioError: the file, a setting or the output folder is wrong, or there is no sweep.
    """
    request = Request(
        file=Path(file),
        out=Path(out),
        settings=tuple(settings),
        allow_plugins=allow_plugins,
        network_only=network_only,
        threads=threads,
    ).as_sweep()
    for _ in run_sweep(request, jobs=jobs, watcher=_Unwatched()):
        pass
    return Sweep.open(request.out)


class _Unwatched:
    """Nobody looks at the progress; warnings go to the log."""

    def progress(self, number: int, done: int, needed: int) -> None:
        pass

    def kept(self, number: int) -> None:
        pass

    def warn(self, text: str) -> None:
        _log.warning("%s", text)
