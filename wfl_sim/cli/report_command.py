"""The command `report`: a page about runs and sweeps, for the browser."""

from pathlib import Path
from typing import Annotated

import typer

from wfl_sim.cli.commands import _own, app
from wfl_sim.cli.errors import one_line_errors


@app.command()
def report(
    runs: Annotated[
        list[Path], typer.Argument(help="Run folders and folders of sweeps.", show_default=False)
    ],
    out: Annotated[Path | None, typer.Option(help="The HTML file.")] = None,
    metric: Annotated[str, typer.Option(help="The metric to follow; accuracy if measured.")] = "",
) -> None:
    """Write one HTML file about runs and sweeps, with a replay, to open in a browser."""
    with one_line_errors(ValueError):
        from wfl_sim.results.comparison import open_runs
        from wfl_sim.results.report import write_report

        opened = open_runs(runs)
        if out is None:
            one = runs[0] / "figures" if len(runs) == 1 else runs[0].parent / "comparison"
            out = _own(one) / "report.html"
        typer.echo(write_report(opened, out, metric=metric))
