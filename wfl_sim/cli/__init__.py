"""The command line: `wfl-sim`."""

import atexit
import gc

from wfl_sim.cli.interrupts import until_a_command_begins

__all__ = ["main"]


def main() -> None:
    """Entry point of `wfl-sim`; what takes time to import stands in it, for Ctrl-C meanwhile."""
    # Among the million objects of torch and transformers, searches for cycles take a second while
    # they are imported, and another one when the process ends.
    gc.set_threshold(10_000)
    atexit.register(gc.freeze)
    with until_a_command_begins():
        from wfl_sim.cli import code_commands  # noqa: F401  (registers its commands)
        from wfl_sim.cli.commands import main as commands

        commands()
