"""Commands on runs: compare, plot, report, ls, diff, export."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from wfl_sim.cli.options import (
    AllowPlugins,
    Figures,
    Metric,
    Runs,
    Scope,
    Target,
    beside,
    one_line_errors,
    pair,
    warn,
)

if TYPE_CHECKING:
    from wfl_sim.results.figures import Look

_INCHES = {"in": 1.0, "cm": 1 / 2.54, "mm": 1 / 25.4, "pt": 1 / 72.27}
"""Inches of each unit; points are those of TeX."""

Only = Annotated[list[str] | None, typer.Option(help="Only this figure, e.g. convergence.")]
Style = Annotated[
    str, typer.Option(help="screen, ieee, acm or slide; each panel alone but on the screen.")
]
Width = Annotated[str, typer.Option(help="Width of a figure or panel, e.g. 8.8cm, 3.5in, 252pt.")]
Formats = Annotated[
    list[str] | None, typer.Option("--format", help="png, svg or pdf; png and svg else.")
]
ErrorBars = Annotated[bool, typer.Option("--error-bars", help="Intervals as bars, not bands.")]
Names = Annotated[
    list[str] | None,
    typer.Option("--name", metavar="OLD=NEW", help="Write NEW in place of a label or name."),
]


_ROOM: Final = 6.0
"""Inches that panels side by side need."""


def look_of(
    style: str,
    width: str,
    formats: Sequence[str] | None,
    error_bars: bool,
    names: Any,
    on_name: Callable[[str], object],
) -> "Look":
    """Return the look that the options ask for; `on_name` hears of the names that are replaced.

    Raises:
        ValueError: An option is wrong.
    """
    from wfl_sim.results.figures import Look

    return Look(
        style=style,  # type: ignore[arg-type]
        width=_width(width),
        formats=tuple(dict.fromkeys(formats or ("png", "svg"))),  # type: ignore[arg-type]
        error_bars=error_bars,
        names=dict(pair("--name", each) for each in names or ()),
        on_name=on_name,
    )


def _width(text: str) -> float | None:
    if not text:
        return None
    found = re.fullmatch(r"\s*(\d*\.?\d+)\s*(in|cm|mm|pt)\s*", text)
    if found is None:
        raise ValueError(f"--width: must be a length such as 8.8cm or 3.5in, got {text!r}")
    return float(found[1]) * _INCHES[found[2]]


OutOf = Annotated[Path | None, typer.Option("--out", help="Folder of what is made.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for command in (compare, plot, report, ls, diff, export):
        app.command()(command)


def compare(
    runs: Runs,
    out: OutOf = None,
    metric: Metric = "",
    scope: Scope = "",
    target: Target = None,
    against: Annotated[
        str, typer.Option(help="Label that others are paired with; the first unless given.")
    ] = "",
    figures: Figures = True,
) -> None:
    """Set runs and sweeps side by side: tables, Parquet and CSV, and figures."""
    with one_line_errors(ValueError):
        from wfl_sim.cli.report import Report

        Report([]).compare(
            runs,
            out or beside(runs, "comparison"),
            metric=metric,
            scope=scope,
            target=target,
            figures=figures,
            against=against,
        )


def plot(
    runs: Runs,
    out: OutOf = None,
    metric: Metric = "",
    target: Target = None,
    only: Only = None,
    style: Style = "screen",
    width: Width = "",
    formats: Formats = None,
    error_bars: ErrorBars = False,
    names: Names = None,
    trace: Annotated[
        bool, typer.Option("--trace", help="Also write each run for https://ui.perfetto.dev.")
    ] = False,
) -> None:
    """Draw the figures of runs, and of a sweep also those over its axes, with numbers as CSV."""
    with one_line_errors(ValueError):
        from wfl_sim.results import Sweep
        from wfl_sim.results.comparison import choose_goal, open_runs, origins
        from wfl_sim.results.export import write_traces
        from wfl_sim.results.figures import compare as draw_comparison
        from wfl_sim.results.figures import draw_all

        replaced: set[str] = set()
        look = look_of(style, width, formats, error_bars, names, replaced.add)
        if style == "screen" and look.width is not None and look.width < _ROOM:
            warn(f"--width {width}: squeezes panels side by side: --style ieee draws each alone")
        folder = out or beside(runs, "figures")
        opened = open_runs(runs, warn)
        goal = choose_goal(opened, metric, target=target)
        for line in (*goal.unused(opened, target), *goal.gaps(opened), *origins(opened)):
            warn(line)
        if (metric or target is not None) and only and not {"convergence", "sweep"} & {*only}:
            warn("--metric and --target concern convergence and sweep alone, and draw nothing here")
        if any(map(Sweep.is_one, runs)) and not only:
            paths = draw_comparison(opened, goal, folder, look=look)
        else:
            paths = draw_all(
                opened,
                folder,
                metric=goal.metric,
                target=target,
                only=only or (),
                look=look,
                passed=warn,
            )
            if not paths:
                raise ValueError("nothing was drawn")
        for old in sorted(look.names.keys() - replaced):
            warn(f"--name {old}={look.names[old]}: no figure has {old!r}")
        for path in [*paths, *(write_traces(opened, folder) if trace else ())]:
            typer.echo(path)


def report(
    runs: Runs,
    out: Annotated[Path | None, typer.Option(help="The HTML file.")] = None,
    metric: Metric = "",
    scope: Scope = "",
    target: Target = None,
) -> None:
    """Write one HTML file about runs and sweeps, with a replay, to open in a browser."""
    with one_line_errors(ValueError):
        from wfl_sim.results.comparison import choose_goal, open_runs
        from wfl_sim.results.report import write_report

        opened = open_runs(runs, warn)
        for line in choose_goal(opened, metric, scope, target).unused(opened, target):
            warn(line)
        made = out or beside(runs, "figures" if len(runs) == 1 else "comparison") / "report.html"
        typer.echo(write_report(opened, made, metric=metric, scope=scope, target=target))


def ls(
    folder: Annotated[Path, typer.Argument(help="Folder of run folders, or of a sweep.")] = Path(
        "runs"
    ),
) -> None:
    """List runs and sweeps, how far they are, and in what runs of one scenario differ."""
    with one_line_errors(ValueError):
        from wfl_sim.results.overview import overview

        entries = overview(folder)
        if not entries:
            typer.echo(f"{folder}: no runs")
        for entry in entries:
            typer.echo("  ".join(filter(None, (entry.folder.name, entry.state, entry.differs))))


def diff(
    one: Annotated[Path, typer.Argument(help="A run folder.", show_default=False)],
    other: Annotated[Path, typer.Argument(help="Another one.", show_default=False)],
) -> None:
    """Show in what two runs differ: keys of the scenario, versions, and results."""
    with one_line_errors(ValueError):
        from wfl_sim.results import Run
        from wfl_sim.results.overview import differences

        found = [*differences(Run.open(one), Run.open(other))]
        for path, *values in found:
            typer.echo(f"{path}: {values[0]} | {values[1]}")
        if not found:
            typer.echo("no difference")


def export(
    runs: Runs,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="FORMAT",
            help="tensorboard, mlflow, wandb-offline, perfetto, csv or latex.",
        ),
    ] = "",
    peft: Annotated[
        Path | None, typer.Option(metavar="DIR", help="In place of --to: a folder that PEFT loads.")
    ] = None,
    device: Annotated[
        str, typer.Option(help="Of --peft: whose model, such as device-3; else the shared one.")
    ] = "",
    merge: Annotated[
        bool, typer.Option("--merge", help="Of --peft: the whole network, for transformers.")
    ] = False,
    allow_plugins: AllowPlugins = False,
    out: OutOf = None,
    metric: Metric = "",
    scope: Scope = "",
    target: Target = None,
) -> None:
    """Write runs for other tools, in simulated time where a format has it, or a trained model."""
    with one_line_errors(ValueError):
        tabled = bool(out or metric or scope or target is not None)
        if bool(to) == bool(peft) or (to and (device or merge)) or (peft and tabled):
            raise ValueError("give --to FORMAT, or --peft DIR with --device and --merge alone")
        if peft:
            from wfl_sim.results import Run
            from wfl_sim.simulation.peft_export import export_peft

            if len(runs) > 1:
                raise ValueError("--peft takes one run")
            run, how = Run.open(runs[0]), {"merge": merge, "allow_plugins": allow_plugins}
            typer.echo(export_peft(run, peft, device=device, **how))
            return
        from wfl_sim.results import export as exports
        from wfl_sim.results.comparison import choose_goal, open_runs

        opened = open_runs(runs, warn)
        goal = choose_goal(opened, metric, scope, target)
        for line in goal.unused(opened, target):
            warn(line)
        for path in exports.export(opened, to, out or beside(runs, to), goal):
            typer.echo(path)
