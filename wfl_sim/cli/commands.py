"""The command line: run, sweep, compare, validate, plot, profile, list, schema.

Only typer is imported here; every command imports what it needs, so that help is instant.
"""

import os
import sys
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wfl_sim.cli.errors import one_line_errors
from wfl_sim.cli.store_commands import store

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

ScenarioFile = Annotated[Path, typer.Argument(help="A scenario in YAML.", show_default=False)]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Override a value, e.g. rounds.count=5."),
]
Out = Annotated[Path, typer.Option(help="Folder of the run folders.")]
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
Figures = Annotated[bool, typer.Option(help="Draw figures at the end.")]
AllowPlugins = Annotated[
    bool, typer.Option("--allow-plugins", help="Let `kind: ./mine.py:Mine` run that file.")
]


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
    figures: Figures = True,
) -> None:
    """Run a scenario; a sweep runs every point. Run again to continue after a stop."""
    _execute(as_sweep=False, **locals())


@app.command()
def sweep(
    scenario: ScenarioFile,
    settings: Settings = None,
    out: Out = Path("runs"),
    network_only: NetworkOnly = False,
    allow_plugins: AllowPlugins = False,
    jobs: Annotated[
        int,
        typer.Option(min=0, help="Runs at a time; 0: one per core, and per training."),
    ] = 0,
    threads: Threads = 1,
    executor: ExecutorKind = "",
    figures: Figures = True,
) -> None:
    """Run every point of a sweep into one folder, with a table and figures over all.

    All points are checked before anything runs. What has ended before is left as it is, so the same
    command continues after a stop.
    """
    _execute(as_sweep=True, **locals())


@app.command()
def compare(
    runs: Annotated[
        list[Path], typer.Argument(help="Run folders and folders of sweeps.", show_default=False)
    ],
    out: Annotated[Path | None, typer.Option(help="Folder of tables and figures.")] = None,
    metric: Annotated[str, typer.Option(help="The metric to follow; accuracy if measured.")] = "",
    scope: Annotated[
        str, typer.Option(help="Whose: personal_mean, global or personal_worst10.")
    ] = "",
    target: Annotated[float | None, typer.Option(help="Value to reach.")] = None,
    figures: Figures = True,
) -> None:
    """Set runs and sweeps side by side: a table, Parquet and CSV, and figures."""
    with one_line_errors(ValueError):
        from wfl_sim.cli.report import Report

        folder = out or _own((runs[0] if len(runs) == 1 else runs[0].parent) / "comparison")
        Report([]).compare(runs, folder, metric=metric, scope=scope, target=target, figures=figures)


@app.command()
def validate(
    scenario: ScenarioFile,
    settings: Settings = None,
    allow_plugins: AllowPlugins = False,
    deep: Annotated[
        bool,
        typer.Option("--deep", help="Also read the data and count costs on the model's shapes."),
    ] = False,
) -> None:
    """Check a scenario without running it."""
    with one_line_errors():
        from wfl_sim.scenario.loading import load

        loaded = load(scenario, settings=settings or (), allow_plugins=allow_plugins)
        if deep:
            from wfl_sim.simulation.learner_cache import LearnerCache
            from wfl_sim.simulation.run import prepare

            cache = LearnerCache()
            prepared = [prepare(each, _warn, cache=cache).inspection for each in loaded]
            for new in dict.fromkeys(each.new for each in prepared if each and each.new):
                typer.echo(f"new weights, drawn from the seed: {', '.join(new)}")
    count = len(loaded)
    devices = sorted({each.scenario.device_count for each in loaded})
    sizes = f"{devices[0]} device{'s' * (devices[-1] > 1)}"
    if len(devices) > 1:
        sizes = f"{devices[0]} to {devices[-1]} devices"
    typer.echo(f"{scenario}: valid, {count} run{'s' * (count > 1)} of {sizes}")


@app.command()
def plot(
    runs: Annotated[list[Path], typer.Argument(help="Run folders.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="Folder of the figures.")] = None,
    metric: Annotated[str, typer.Option(help="The metric to follow.")] = "accuracy",
    target: Annotated[float | None, typer.Option(help="Value to reach.")] = None,
    trace: Annotated[
        bool, typer.Option("--trace", help="Also write each run for https://ui.perfetto.dev.")
    ] = False,
) -> None:
    """Draw the figures of run folders, each with its numbers as CSV."""
    with one_line_errors(ValueError):
        from wfl_sim.results import Run
        from wfl_sim.results.chrome_trace import write_traces
        from wfl_sim.results.figures import draw_all

        folder = out or _own((runs[0] if len(runs) == 1 else runs[0].parent) / "figures")
        opened = [Run.open(run) for run in runs]
        paths = draw_all(opened, folder, metric=metric, target=target)
        for path in [*paths, *(write_traces(opened, folder) if trace else ())]:
            typer.echo(path)


@app.command()
def profile(
    scenario: ScenarioFile,
    power: Annotated[
        str, typer.Option(help="What this machine draws beyond idle under load, e.g. 35 W.")
    ],
    out: Annotated[Path, typer.Option(help="The table to write.")] = Path("profile.csv"),
    hardware: Annotated[str, typer.Option(help="What to call this machine.")] = "",
    seconds: Annotated[float, typer.Option(min=0.0, help="Least time of each phase.")] = 2.0,
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
        from wfl_sim.cli.report import show_kinds

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
    executor: str,
    jobs: int,
    figures: bool,
    **options: Any,
) -> None:
    """Run every scenario of a file, into folders of their own or into the folder of their sweep."""
    with one_line_errors():
        from wfl_sim.cli.report import Report
        from wfl_sim.execution.worker_process import cores
        from wfl_sim.simulation.request import RunRequest
        from wfl_sim.simulation.run import run_all
        from wfl_sim.simulation.sweep import run_sweep, useful_jobs

        chosen = [f"execution={executor}"] if executor else []
        request = RunRequest.of(scenario, [*(settings or ()), *chosen], **options)
        request = request.as_sweep() if as_sweep else request
        scenarios = [each.scenario for each in request.load()]
        jobs = jobs or (useful_jobs(request, cores()) if as_sweep else cores())
        report = Report(scenarios)
        start = run_sweep if as_sweep else run_all
        runs = start(request, jobs=min(jobs, len(scenarios)), listener=report)
        folders = _followed(report, runs)
        if as_sweep:
            report.compare([request.out], request.out / "figures", figures=figures)
            typer.echo(request.out)
        else:
            report.close(folders, figures=figures)


def _own(folder: Path) -> Path:
    """Return a folder that comes with the runs; raise ValueError where it leads away."""
    if folder.is_symlink():
        raise ValueError(f"{folder}: is a link that leads elsewhere: name a folder with --out")
    return folder


def _warn(text: str) -> None:
    typer.echo(f"warning: {text}", err=True)


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
    try:
        app()
    except BrokenPipeError:
        # The reader of a pipe has gone; Python would raise once more when it flushes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
