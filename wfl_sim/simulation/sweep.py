"""Sweep: all points of a sweep into one folder, checked before the first one runs."""

from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from wfl_sim.execution.executor import EXECUTORS
from wfl_sim.execution.worker_process import ProgressListener
from wfl_sim.results import Sweep, compared, write_sweep, write_table
from wfl_sim.results.comparison import choose_goal
from wfl_sim.scenario.loading import remarks
from wfl_sim.simulation.progress import listener_for
from wfl_sim.simulation.request import RunRequest, by_group
from wfl_sim.simulation.run import Runner, coordinates, learning_groups, run_each

_PARALLEL: Final = ("processes", "ray")
"""Executors that use all cores for one run."""


def run_sweep(
    request: RunRequest,
    *,
    jobs: int,
    listener: ProgressListener,
    target: float | None = None,
) -> Generator[tuple[int, Path], None, None]:
    """Prepare every point of a sweep, then run all; yield as `run_all` does.

    The plan of the sweep is written before the first run, and the table over all runs after the
    last; of shards the one that ends last writes it. `request` comes from `RunRequest.as_sweep`.
    `target` is the value to reach in that table; `default_target` unless given.

    Raises:
        ScenarioError: A point is impossible, or the output folder is not writable.
        WorkerError: A process died.
    """
    request.check_out()
    for remark in remarks(request.planned):
        listener.warn(remark)
    runner, groups, loaded = Runner(request), learning_groups(request), request.loaded
    for number in by_group(groups):
        runner.prepare(number, listener)
    plan = [
        {
            "folder": request.folder(each.scenario).name,
            "label": each.scenario.label,
            "seed": each.scenario.seed,
            "point": coordinates(each),
        }
        for each in request.planned
    ]
    write_sweep(request.out, loaded[0].scenario.name, plan)
    yield from run_each(runner, groups, jobs, listener)
    sweep = Sweep.open(request.out)
    if not sweep.missing:
        runs = sweep.runs()
        write_table(request.out / "table.parquet", compared(runs, choose_goal(runs, target=target)))


def useful_jobs(request: RunRequest, cores: int) -> int:
    """Return the number of runs at a time that saves time.

    Runs that share all of their training share a job. If training goes to processes or to a
    cluster, runs follow one another.
    """
    scenarios = [each.scenario for each in request.loaded]
    if any(EXECUTORS.name_of(each.execution) in _PARALLEL for each in scenarios):
        return 1
    trains = not request.network_only and any(each.data is not None for each in scenarios)
    separate = len(set(learning_groups(request))) if trains else len(scenarios)
    return max(1, min(cores, separate))


def sweep(
    file: str | Path | Mapping[str, Any],
    *,
    settings: Sequence[str] = (),
    out: str | Path = "runs",
    network_only: bool = False,
    allow_plugins: bool = False,
    jobs: int = 1,
    threads: int = 1,
) -> Sweep:
    """Run a sweep into its own folder; arguments are those of `run`.

    Runs that have ended before with the same inputs are left as they are.

    Raises:
        ScenarioError: The file, a setting or the output folder is wrong, or there is no sweep.
    """
    request = RunRequest.of(file, settings, out, network_only, allow_plugins, threads).as_sweep()
    listener = listener_for(len(request.loaded))
    for number, _ in run_sweep(request, jobs=jobs, listener=listener):
        listener.ended(number)
    return Sweep.open(request.out)
