"""Errors of users and warnings: one line on the error stream and exit code 2, not a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer


def warn(text: str) -> None:
    """Say something on the error stream that is no reason to stop."""
    typer.echo(f"warning: {text}", err=True)


@contextmanager
def one_line_errors(*kinds: type[Exception]) -> Iterator[None]:
    """Turn an error that a user can fix into one line and exit code 2; Ctrl-C into 130.

    An error in code, of wfl_sim or of a plug-in, keeps its traceback. Those of users are
    `ScenarioError`, `OSError` and `kinds`.
    """
    from wfl_sim.config.errors import ScenarioError, one_line

    of_users: tuple[type[Exception], ...] = (ScenarioError, OSError, *kinds)
    try:
        yield
    except BrokenPipeError:
        raise
    except of_users as error:
        text = str(error)
        if isinstance(error, OSError) and error.filename and error.strerror:
            text = f"{error.filename}: {error.strerror}"
        typer.echo(f"error: {one_line(text)}", err=True)
        raise typer.Exit(2) from None
    except MemoryError as error:
        typer.echo(f"error: {one_line(f'not enough memory {error}'.strip())}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.echo("interrupted: the same command continues where it stopped", err=True)
        raise typer.Exit(130) from None
