"""The command `flower`: a Flower app on the devices and cells of a scenario."""

from pathlib import Path
from typing import Annotated

import typer

from wfl_sim.cli.commands import Settings, app
from wfl_sim.cli.errors import one_line_errors, warn
from wfl_sim.cli.options import Out, pair


@app.command()
def flower(
    folder: Annotated[Path, typer.Argument(metavar="APP", help="The folder of a Flower app.")],
    scenario: Annotated[Path, typer.Option(help="Cells and devices, in YAML.")],
    out: Out = Path("runs"),
    settings: Settings = None,
    config: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Override the app's configuration."),
    ] = None,
    flops: Annotated[
        list[str] | None,
        typer.Option(metavar="TYPE=FLOPS", help="Of a message, e.g. train=12GFLOP; else counted."),
    ] = None,
    arrays_only: Annotated[
        bool, typer.Option("--arrays-only", help="Count the bits of arrays alone.")
    ] = False,
) -> None:
    """Run a Flower app, unchanged, on the simulated clock; one node for each device."""
    with one_line_errors(ValueError):
        from importlib.util import find_spec

        from channel_models.units import Unit
        from wfl_sim.config.errors import ScenarioError

        if find_spec("flwr") is None:
            raise ScenarioError("flower: flwr is not installed: pip install 'wfl-sim[flower]'")
        import tomllib

        from wfl_sim.flower import run_app

        pairs = dict(pair("--flops", each) for each in flops or ())
        changed = {}
        for key, text in (pair("--config", each) for each in config or ()):
            try:
                changed[key] = tomllib.loads(f"value = {text}")["value"]
            except tomllib.TOMLDecodeError:
                changed[key] = text
        run = run_app(
            folder,
            scenario,
            out=out,
            settings=tuple(settings or ()),
            config=changed,
            flops={kind: Unit("FLOP", minimum=0.0).parse(text) for kind, text in pairs.items()},
            payload="arrays" if arrays_only else "message",
            warn=warn,
        )
        typer.echo(f"{run.seconds:.1f} s simulated, {run.joules:.0f} J, {run.bits / 1e6:.1f} Mbit")
        typer.echo(run.folder)
