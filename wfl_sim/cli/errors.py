"""Complaining: what a user can mend is one line on the error stream, not a traceback."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer


@contextmanager
def one_line_errors(*kinds: type[Exception]) -> Iterator[None]:
    """Turn what a user can mend into one line and exit code 2; Ctrl-C into 130.

    A mistake in code, of wfl_sim or of an extension, keeps its traceback: only `ScenarioError`,
    what the system refuses and the `kinds` given are taken for a user's.
    """
    from wfl_sim.config.errors import ScenarioError

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
