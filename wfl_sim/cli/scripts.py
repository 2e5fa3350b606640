"""Scripts beside the package (benchmarks, tools): help, errors and Ctrl-C are as of `wfl-sim`."""

import argparse
import sys
from collections.abc import Callable

import typer

from wfl_sim.cli.options import escape_unknown_signs, one_line_errors


def script_options(text: str | None) -> argparse.ArgumentParser:
    """Return a parser whose help is the docstring of the script."""
    return argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def at_least(least: int) -> Callable[[str], int]:
    """Return what reads an option that is a whole number of at least so many."""

    def integer(text: str) -> int:
        if int(text) < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}, got {text}")
        return int(text)

    return integer


def run_script(main: Callable[[], int | None], *kinds: type[Exception]) -> None:
    """Run a script and exit: one line and code 2 for what a user can fix, and 130 for Ctrl-C.

    Errors of users are those of `one_line_errors`.
    """
    escape_unknown_signs()
    try:
        with one_line_errors(*kinds, interrupted="interrupted"):
            code = main()
    except typer.Exit as stop:
        code = stop.exit_code
    sys.exit(code)
