"""Sweeping: all points of a sweep into one folder, checked before the first runs."""

from collections.abc import Generator, Sequence
from pathlib import Path

from wfl_sim.execution.executors.base import EXECUTORS
from wfl_sim.execution.worker_process import ProgressListener
from wfl_sim.results import Sweep, compared, write_sweep, write_table
from wfl_sim.results.comparison import choose_goal
from wfl_sim.simulation.request import RunRequest
from wfl_sim.simulation.run import Runner, SilentProgress, groups_of, in_groups, point_of, run_each

_SPREADING = ("processes", "ray")
"""executors that take all cores for one run"""


def run_sweep(
    request: RunRequest, *, jobs: int, watcher: ProgressListener
) -> Generator[tuple[int, Path], None, None]:
    """Prepare every point of a sweep, then run all; yield as `run_all` does.

    What the sweep is meant to be is written before the first run, and the table over all runs after
    the last. `request` comes from `RunRequest.as_sweep`.

    Raises:
        ScenarioError: a point is impossible, or the output folder is not writable.
        WorkerError: a process died.
    """
    request.check_out()
    runner, groups, loaded = Runner(request), groups_of(request), request.load()
    for number in in_groups(groups):
        runner.prepared(number, watcher)
    plan = [
        {
            "folder": request.folder(each.scenario).name,
            "label": each.scenario.label,
            "seed": each.scenario.seed,
            "point": point_of(each),
        }
        for each in loaded
    ]
    write_sweep(request.out, loaded[0].scenario.name, plan)
    yield from run_each(runner, groups, jobs, watcher)
    sweep = Sweep.open(request.out)
    runs = sweep.runs()
    write_table(sweep.folder / "table.parquet", compared(runs, choose_goal(runs)))


def jobs_of(request: RunRequest, cores: int) -> int:
    """Return how many runs at a time are worth while.

    Those that share all of their training share a job, and where training is handed to processes or
    to a cluster anyway, runs go one after the other.
    """
    scenarios = [each.scenario for each in request.load()]
    if any(EXECUTORS.name_of(each.execution) in _SPREADING for each in scenarios):
        return 1
    trains = not request.network_only and any(each.data is not None for each in scenarios)
    apart = len(set(groups_of(request))) if trains else len(scenarios)
    return max(1, min(cores, apart))


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
    request = RunRequest(
        file=Path(file),
        out=Path(out),
        settings=tuple(settings),
        allow_plugins=allow_plugins,
        network_only=network_only,
        threads=threads,
    ).as_sweep()
    for _ in run_sweep(request, jobs=jobs, watcher=SilentProgress()):
        pass
    return Sweep.open(request.out)
