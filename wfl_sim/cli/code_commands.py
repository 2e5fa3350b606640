"""Commands on code from outside: `check` a class of your own, and run an app of `flower`."""

from pathlib import Path
from typing import Annotated

import typer

from wfl_sim.cli.commands import Settings, app
from wfl_sim.cli.options import AllowPlugins, Out, one_line_errors, pair, warn


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
    allow_plugins: AllowPlugins = False,
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
        counts = {}
        for kind, text in pairs.items():
            try:
                counts[kind] = Unit("FLOP", minimum=0.0).parse(text)
            except ValueError as error:
                raise ScenarioError(f"--flops {kind}={text}: {error}") from None
    with one_line_errors():
        run = run_app(
            folder,
            scenario,
            out=out,
            settings=tuple(settings or ()),
            config=changed,
            flops=counts,
            payload="arrays" if arrays_only else "message",
            allow_plugins=allow_plugins,
            warn=warn,
        )
        typer.echo(f"{run.seconds:.1f} s simulated, {run.joules:.0f} J, {run.bits / 1e6:.1f} Mbit")
        typer.echo(run.folder)


@app.command()
def check(
    kind: Annotated[str, typer.Argument(help="Such as ./mine.py:Mine; the file is run.")],
    family: Annotated[str, typer.Option(help="Such as allocator, where several fit.")] = "",
    options: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A value of a field.")
    ] = None,
) -> None:
    """Check a class of your own against the contract and the laws of its family."""
    with one_line_errors(ValueError):
        from pathlib import Path

        from wfl_sim.config.errors import ScenarioError
        from wfl_sim.config.merging import apply_setting, document_of
        from wfl_sim.config.plugin_code import plugin
        from wfl_sim.config.validation import typed
        from wfl_sim.testing.checking import check as checked

        path, _, name = kind.rpartition(":")
        if Path(kind).is_file():
            raise ScenarioError(f"{kind}: which class of it? Give ./mine.py:Mine")
        if not path or not Path(path).is_file():
            raise ScenarioError(f"{kind}: no such file: give ./mine.py:Mine")
        cls = getattr(plugin(Path(path).resolve()), name, None)
        if not isinstance(cls, type):
            raise ScenarioError(f"{path}: defines no class {name!r}")
        document = document_of({})
        for each in options or ():
            document = apply_setting(document, each)
        try:
            made = typed(cls, document) if hasattr(cls, "__dataclass_fields__") else cls()
            found = checked(made, family=family)
        except AssertionError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(1) from None
    typer.echo(f"{kind}: keeps the rules of {found}")
