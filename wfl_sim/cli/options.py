"""Options that several commands have, warnings, and errors of users: one line, not a traceback."""

import io
import math
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from wfl_sim.cli.interrupts import INTERRUPTED, command_begins


def _finite(value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"must be a finite number, got {value}")
    return value


Out = Annotated[Path, typer.Option(help="Folder of the run folders.")]
AllowPlugins = Annotated[
    bool, typer.Option("--allow-plugins", help="Let `kind: ./mine.py:Mine` run that file.")
]
Figures = Annotated[bool, typer.Option(help="Draw figures at the end.")]
Target = Annotated[
    float | None,
    typer.Option(help="Value of the metric to reach; chosen unless given.", callback=_finite),
]
Metric = Annotated[str, typer.Option(help="The metric to follow; accuracy if measured.")]
Scope = Annotated[str, typer.Option(help="Whose: personal_mean, global or personal_worst10.")]
Runs = Annotated[
    list[Path],
    typer.Argument(
        metavar="RUNS...", help="Run folders and folders of sweeps.", show_default=False
    ),
]


def pair(option: str, text: str) -> tuple[str, str]:
    """Return both sides of a text such as ``KEY=VALUE``.

    Raises:
        ValueError: the text has no such form.
    """
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise ValueError(f"{option}: must be two texts with = between, got {text!r}")
    return key, value


def beside(folders: Sequence[Path], name: str, of: str = "") -> Path:
    """Return the folder of what is made of runs: in the only one, or beside several.

    Beside several it is named after them, too, and after `of`, a scenario that all of them are of.

    Raises:
        ScenarioError: it leads away.
    """
    from wfl_sim.config.errors import ScenarioError
    from wfl_sim.results.digests import digest_names

    made = folders[0] / name
    if len(folders) > 1:
        words = filter(None, (of, name, digest_names(each.name for each in folders)))
        made = folders[0].parent / "-".join(words)
    if made.is_symlink():
        raise ScenarioError(f"{made}: is a link that leads elsewhere: name a folder with --out")
    return made


def warn(text: str) -> None:
    """Say something on the error stream that is no reason to stop."""
    typer.echo(f"warning: {text}", err=True)


def escape_unknown_signs() -> None:
    """Let signs that the encoding of the output lacks be written as escapes, not end a command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def one_line_warnings() -> None:
    """Let Python's warnings of this package look like those of `warn`, without file and code."""
    from wfl_sim.config.errors import is_own_code

    usual = warnings.formatwarning

    def shown(message: Any, category: Any, filename: str, lineno: int, line: Any = None) -> str:
        if is_own_code(filename):
            return f"warning: {message}\n"
        return usual(message, category, filename, lineno, line)

    warnings.formatwarning = shown


@contextmanager
def one_line_errors(*kinds: type[Exception], interrupted: str = INTERRUPTED) -> Iterator[None]:
    """Turn an error that a user can fix into one line and exit code 2; Ctrl-C into 130.

    An error in code, of wfl_sim or of a plug-in, keeps its traceback. Those of users are
    `ScenarioError`, `OSError` and `kinds`.
    """
    from wfl_sim.config.errors import ScenarioError, one_line
    from wfl_sim.config.plugin_code import raised_by_plugin

    of_users: tuple[type[Exception], ...] = (ScenarioError, OSError, *kinds)
    command_begins()
    try:
        yield
    except BrokenPipeError:
        raise
    except of_users as error:
        if not isinstance(error, ScenarioError) and raised_by_plugin(error):
            raise
        text = str(error)
        if isinstance(error, OSError) and error.strerror:
            text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
        typer.echo(f"error: {one_line('; '.join(text.splitlines()))}", err=True)
        raise typer.Exit(2) from None
    except MemoryError as error:
        typer.echo(f"error: {one_line(f'not enough memory {error}'.strip())}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one would end in a traceback
        typer.echo(interrupted, err=True)
        raise typer.Exit(130) from None
