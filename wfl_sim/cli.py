"""The command line: run, validate, plot, list, schema.

Only typer is imported here; every command imports what it needs, so that help is instant.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="wfl-sim",
    help="Federated fine-tuning over a wireless network, on one clock.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ScenarioFile = Annotated[Path, typer.Argument(help="A scenario in YAML.", show_default=False)]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Override a value, e.g. rounds.count=5."),
]
AllowPlugins = Annotated[
    bool, typer.Option("--allow-plugins", help="Let `kind: ./mine.py:Mine` run that file.")
]


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    if version:
        import wfl_sim

        typer.echo(f"wfl-sim {wfl_sim.__version__}")
        raise typer.Exit


@app.command()
def run(
    scenario: ScenarioFile,
    settings: Settings = None,
    out: Annotated[Path, typer.Option(help="Folder of the run folders.")] = Path("runs"),
    network_only: Annotated[
        bool, typer.Option("--network-only", help="Train nothing; the spans are the same.")
    ] = False,
    allow_plugins: AllowPlugins = False,
    jobs: Annotated[int, typer.Option(min=0, help="Runs at a time; 0: one per core.")] = 0,
    threads: Annotated[int, typer.Option(min=0, help="Threads of a run; 0: cores / jobs.")] = 0,
    executor: Annotated[
        str, typer.Option(metavar="KIND", help="How to execute training: `wfl-sim list executor`.")
    ] = "",
    figures: Annotated[bool, typer.Option(help="Draw figures at the end.")] = True,
) -> None:
    """Run a scenario; a sweep runs every variant and seed. Run again to continue after a stop."""
    with _one_line_errors():
        from contextlib import closing

        from wfl_sim.report import Report
        from wfl_sim.running import Request, run_all
        from wfl_sim.workers import WorkerError

        request = Request(
            file=scenario,
            out=out,
            settings=(*(settings or ()), *([f"execution={executor}"] if executor else ())),
            allow_plugins=allow_plugins,
            network_only=network_only,
        )
        loaded = request.load()
        cores = os.cpu_count() or 1
        at_once = min(jobs or cores, len(loaded))
        request = request.with_threads(threads or max(1, cores // at_once))
        report = Report([each.scenario for each in loaded])
        try:
            with report, closing(run_all(request, jobs=at_once, watcher=report)) as runs:
                folders = dict(report.follow(runs))
        except WorkerError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(1) from None
        report.close([folders[number] for number in sorted(folders)], figures=figures)


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
    with _one_line_errors():
        from wfl_sim.loading import load

        loaded = load(scenario, settings=settings or (), allow_plugins=allow_plugins)
        if deep:
            from wfl_sim.running import prepared
            from wfl_sim.workshop import Workshop

            workshop = Workshop()
            for each in loaded:
                prepared(
                    each,
                    lambda text: typer.echo(f"warning: {text}", err=True),
                    workshop=workshop,
                )
    count = len(loaded)
    devices = sorted({each.scenario.device_count for each in loaded})
    fleet = f"{devices[0]} device{'s' * (devices[-1] > 1)}"
    if len(devices) > 1:
        fleet = f"{devices[0]} to {devices[-1]} devices"
    typer.echo(f"{scenario}: valid, {count} run{'s' * (count > 1)} of {fleet}")


@app.command()
def plot(
    runs: Annotated[list[Path], typer.Argument(help="Run folders.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="Folder of the figures.")] = None,
    metric: Annotated[str, typer.Option(help="The metric to follow.")] = "accuracy",
    target: Annotated[float | None, typer.Option(help="Value to reach.")] = None,
) -> None:
    """Draw the figures of run folders, each with its numbers as CSV."""
    with _one_line_errors(ValueError):
        from wfl_sim.figures import draw_all
        from wfl_sim.results import Run

        folder = out or (runs[0] if len(runs) == 1 else runs[0].parent) / "figures"
        for path in draw_all([Run.open(run) for run in runs], folder, metric=metric, target=target):
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
    with _one_line_errors():
        from wfl_sim.loading import load
        from wfl_sim.profiling import profiled

        loaded = load(scenario, settings=settings or (), allow_plugins=allow_plugins)[0]
        for row in profiled(
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
    with _one_line_errors(ValueError):
        from wfl_sim.report import show_kinds

        show_kinds(family)


@app.command()
def schema() -> None:
    """Print the JSON Schema of scenario files, for editors."""
    with _one_line_errors(ValueError):
        import json

        from wfl_sim.schema import json_schema

        typer.echo(json.dumps(json_schema(), indent=2))


@contextmanager
def _one_line_errors(*kinds: type[Exception]) -> Iterator[None]:
    """Turn what a user can mend into one line and exit code 2; Ctrl-C into 130.

    A mistake in code, of wfl_sim or of an extension, keeps its traceback: only `ScenarioError`,
    what the system refuses and the `kinds` given are taken for a user's.
    """
    from wfl_sim.documents import ScenarioError

    mendable: tuple[type[Exception], ...] = (ScenarioError, OSError, *kinds)
    try:
        yield
    except BrokenPipeError:
        raise
    except mendable as error:
        text = str(error)
        if isinstance(error, OSError) and error.filename and error.strerror:
            text = f"{error.filename}: {error.strerror}"
        typer.echo(f"error: {text}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.echo("interrupted: the same command continues where it stopped", err=True)
        raise typer.Exit(130) from None


def main() -> None:
    """Entry point of `wfl-sim`."""
    try:
        app()
    except BrokenPipeError:
        # The reader of a pipe has gone; python would complain once more when it flushes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
