"""The command line: run, sweep, validate, profile, list, schema; those on runs are beside.

Only typer is imported here; every command imports what it needs, so that help is instant.
"""

import os
import sys
from collections.abc import Generator
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfl_sim.cli import results_commands
from wfl_sim.cli.options import (
    AllowPlugins,
    Figures,
    Out,
    Target,
    beside,
    escape_unknown_signs,
    one_line_errors,
    one_line_warnings,
    warn,
)
from wfl_sim.cli.store_commands import models, store
from wfl_sim.config.errors import ScenarioError, counted

if TYPE_CHECKING:
    from wfl_sim.cli.report import Report

app = typer.Typer(
    name="wfl-sim",
    help="Federated fine-tuning over a wireless network, on one clock.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(store)
app.add_typer(models)
results_commands.add_to(app)

ScenarioFile = Annotated[Path, typer.Argument(help="A scenario in YAML.", show_default=False)]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Override a value, e.g. rounds.count=5."),
]
NetworkOnly = Annotated[
    bool, typer.Option("--network-only", help="Train nothing; the spans are the same.")
]
Threads = Annotated[
    int, typer.Option(min=1, help="Threads of torch in each task; they decide the last bits.")
]
ExecutorKind = Annotated[
    str,
    typer.Option(
        "--executor", metavar="KIND", help="How to execute training: `wfl-sim list executor`."
    ),
]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="VARIANT", help="Run this variant of the sweep alone."),
]
Seeds = Annotated[str, typer.Option(metavar="SEEDS", help="Seeds to run, e.g. 1..5 or 1,4,7..9.")]


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"wfl-sim {installed('wfl-sim')}")
        raise typer.Exit


@app.command()
def run(
    scenario: ScenarioFile,
    settings: Settings = None,
    out: Out = Path("runs"),
    network_only: NetworkOnly = False,
    allow_plugins: AllowPlugins = False,
    jobs: Annotated[int, typer.Option(min=0, help="Runs at a time; 0: one per core.")] = 0,
    threads: Threads = 1,
    executor: ExecutorKind = "",
    only: Only = None,
    seeds: Seeds = "",
    target: Target = None,
    figures: Figures = True,
) -> None:
    """Run a scenario; a sweep runs every point. Run again to continue after a stop.

    What has ended before with the same inputs is left as it is.
    """
    _execute(as_sweep=False, **locals())


@app.command()
def sweep(
    scenario: ScenarioFile,
    settings: Settings = None,
    out: Out = Path("runs"),
    network_only: NetworkOnly = False,
    allow_plugins: AllowPlugins = False,
    jobs: Annotated[
        int, typer.Option(min=0, help="Runs at a time; 0: one per core, and per training.")
    ] = 0,
    threads: Threads = 1,
    executor: ExecutorKind = "",
    only: Only = None,
    seeds: Seeds = "",
    shard: Annotated[
        str, typer.Option(metavar="K/N", help="Run the K-th of N shares, for array jobs.")
    ] = "",
    target: Target = None,
    figures: Figures = True,
) -> None:
    """Run every point of a sweep into one folder, with a table and figures over all.

    All points are checked before anything runs. What has ended before is left as it is, so the same
    command continues after a stop.
    """
    _execute(as_sweep=True, **locals())


@app.command()
def validate(
    scenario: ScenarioFile,
    settings: Settings = None,
    allow_plugins: AllowPlugins = False,
    only: Only = None,
    seeds: Seeds = "",
    deep: Annotated[
        bool,
        typer.Option("--deep", help="Also read the data and count costs on the model's shapes."),
    ] = False,
) -> None:
    """Check a scenario without running it."""
    with one_line_errors():
        from wfl_sim.scenario.loading import load, remarks
        from wfl_sim.simulation.scenario_remarks import located_remarks

        loaded = load(
            scenario,
            settings=settings or (),
            allow_plugins=allow_plugins,
            only=only or (),
            seeds=seeds,
        )
        once = cache(warn)
        for remark in (*remarks(loaded), *chain.from_iterable(map(located_remarks, loaded))):
            once(remark)
        if deep:
            from wfl_sim.cli.tables import preparations
            from wfl_sim.simulation.learner_cache import LearnerCache
            from wfl_sim.simulation.run import prepare

            known = LearnerCache()
            for line in preparations(prepare(each, once, cache=known) for each in loaded):
                typer.echo(line)
    devices = sorted({each.scenario.device_count for each in loaded})
    sizes = f"{devices[0]} to " * (len(devices) > 1) + counted(devices[-1], "device")
    typer.echo(f"{scenario}: valid, {counted(len(loaded), 'run')} of {sizes}")


@app.command()
def profile(
    scenario: ScenarioFile,
    power: Annotated[
        str, typer.Option(help="What this machine draws beyond idle under load, e.g. 35 W.")
    ],
    out: Annotated[Path, typer.Option(help="The table to write.")] = Path("profile.csv"),
    hardware: Annotated[str, typer.Option(help="What to call this machine.")] = "",
    seconds: Annotated[float, typer.Option(min=0, max=3600, help="Least time of a phase.")] = 2.0,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch.")] = 1,
    settings: Settings = None,
    allow_plugins: AllowPlugins = False,
) -> None:
    """Time the local steps of a scenario on this machine: a table for `compute.table`."""
    with one_line_errors():
        from wfl_sim.scenario.loading import load
        from wfl_sim.simulation.profile_hardware import profile_hardware

        loaded = load(scenario, settings=settings or (), allow_plugins=allow_plugins)[0]
        for row in profile_hardware(
            loaded, out, power=power, hardware=hardware, seconds=seconds, threads=threads
        ):
            typer.echo(
                f"{row.model} {row.batch}x{row.tokens}: {row.tokens_per_second:.0f} tokens/s "
                f"on {row.hardware}"
            )
        typer.echo(out)


@app.command(name="list")
def list_kinds(
    family: Annotated[str, typer.Argument(help="Only this family, e.g. method.")] = "",
) -> None:
    """List every registered kind with one line each."""
    with one_line_errors(ValueError):
        from wfl_sim.cli.tables import show_kinds

        show_kinds(family)


@app.command()
def schema() -> None:
    """Print the JSON Schema of scenario files, for editors."""
    with one_line_errors(ValueError):
        import json

        from wfl_sim.scenario.json_schema import json_schema

        typer.echo(json.dumps(json_schema(), indent=2))


def _execute(
    *,
    as_sweep: bool,
    scenario: Path,
    settings: list[str] | None,
    only: list[str] | None,
    jobs: int,
    figures: bool,
    target: float | None,
    shard: str = "1/1",
    **options: Any,
) -> None:
    """Run every scenario of a file, into folders of their own or into the folder of their sweep."""
    with one_line_errors():
        from wfl_sim.cli.report import Report
        from wfl_sim.execution.worker_process import cores
        from wfl_sim.results import Sweep
        from wfl_sim.simulation.request import RunRequest
        from wfl_sim.simulation.run import run_all
        from wfl_sim.simulation.sweep import run_sweep, useful_jobs

        share = _shard(shard or "1/1")
        request = RunRequest.of(
            scenario, settings or (), **options, only=tuple(only or ()), shard=share
        )
        request = request.as_sweep() if as_sweep else request
        if share[1] > (count := len(request.planned)):
            raise ScenarioError(
                f"--shard {shard}: must be at most {count} shares, one for each run"
            )
        scenarios = [each.scenario for each in request.loaded]
        jobs = jobs or (useful_jobs(request, cores()) if as_sweep else cores())
        report = Report(scenarios)
        how: dict[str, Any] = {"jobs": min(jobs, len(scenarios)), "listener": report}
        runs = run_sweep(request, target=target, **how) if as_sweep else run_all(request, **how)
        folders = _followed(report, runs)
        if not as_sweep:
            report.close(folders, figures=figures, target=target)
        elif share == (1, 1) or not Sweep.open(request.out).missing:
            made = beside([request.out], "figures")
            report.compare([request.out], made, figures=figures, target=target)
            typer.echo(request.out)
        else:
            left = len(Sweep.open(request.out).missing)
            typer.echo(f"{request.out}: runs of other shares that have not ended: {left}")


def _shard(text: str) -> tuple[int, int]:
    number, _, shares = text.partition("/")
    if not (number.isdecimal() and shares.isdecimal() and 1 <= int(number) <= int(shares)):
        raise ScenarioError(f"--shard {text}: must be a share such as 3/10")
    return int(number), int(shares)


def _followed(report: "Report", runs: Generator[tuple[int, Path], None, None]) -> list[Path]:
    """Report runs as they end; return their folders in the order of the scenarios."""
    from contextlib import closing

    from wfl_sim.execution.worker_pool import WorkerError

    try:
        with report, closing(runs):
            folders = dict(report.follow(runs))
    except WorkerError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    return [folders[number] for number in sorted(folders)]


def main() -> None:
    """Entry point of `wfl-sim`."""
    escape_unknown_signs()
    one_line_warnings()
    try:
        app()
    except BrokenPipeError:
        # The reader of a pipe has gone; Python would raise once more when it flushes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
