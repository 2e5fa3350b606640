"""The command line: `wfl-sim`."""

from wfl_sim.cli.commands import main

__all__ = ["main"]
