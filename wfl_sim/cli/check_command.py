"""The command `check`: whether a class of one's own keeps the rules of its family."""

from typing import Annotated

import typer

from wfl_sim.cli.commands import app
from wfl_sim.cli.errors import one_line_errors


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
        from wfl_sim.config.merging import apply_setting
        from wfl_sim.config.plugins import plugin
        from wfl_sim.config.python_data import document_of
        from wfl_sim.config.registry import typed
        from wfl_sim.testing.checking import check as checked

        path, _, name = kind.rpartition(":")
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
